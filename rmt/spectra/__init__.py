"""Limiting spectral laws, and the map from spikes to outliers."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.spectra.additive_spikes import (
        SpikeEstimate,
        additive_outliers,
        additive_threshold,
        estimate_spikes,
        outlier_std,
        shrink_singular_values,
    )
    from rmt.spectra.combined_spikes import combined_spikes
    from rmt.spectra.conjugate_kernel import ConjugateKernel
    from rmt.spectra.derived_laws import SingularValueLaw
    from rmt.spectra.edge_test import edge_pvalue
    from rmt.spectra.law import Atom, SpectralLaw
    from rmt.spectra.marchenko_pastur import MarchenkoPastur, MarchenkoPasturBulk
    from rmt.spectra.outliers import Outliers, rectangular_outliers
    from rmt.spectra.pencil_law import PencilLaw
    from rmt.spectra.population import Population
    from rmt.spectra.population_spikes import (
        PopulationSpikes,
        population_spike_of,
        population_spikes,
    )
    from rmt.spectra.silverstein import GeneralisedMarchenkoPastur
    from rmt.spectra.tracy_widom import (
        TracyWidom,
        largest_eigenvalue_center,
        largest_eigenvalue_scale,
    )

__all__ = [
    "Atom",
    "ConjugateKernel",
    "GeneralisedMarchenkoPastur",
    "MarchenkoPastur",
    "MarchenkoPasturBulk",
    "Outliers",
    "PencilLaw",
    "Population",
    "PopulationSpikes",
    "SingularValueLaw",
    "SpectralLaw",
    "SpikeEstimate",
    "TracyWidom",
    "additive_outliers",
    "additive_threshold",
    "combined_spikes",
    "edge_pvalue",
    "estimate_spikes",
    "largest_eigenvalue_center",
    "largest_eigenvalue_scale",
    "outlier_std",
    "population_spike_of",
    "population_spikes",
    "rectangular_outliers",
    "shrink_singular_values",
]

load_on_demand(
    __name__,
    {
        "additive_spikes": "SpikeEstimate additive_outliers additive_threshold estimate_spikes "
        "outlier_std shrink_singular_values",
        "combined_spikes": "combined_spikes",
        "conjugate_kernel": "ConjugateKernel",
        "derived_laws": "SingularValueLaw",
        "edge_test": "edge_pvalue",
        "law": "Atom SpectralLaw",
        "marchenko_pastur": "MarchenkoPastur MarchenkoPasturBulk",
        "outliers": "Outliers rectangular_outliers",
        "pencil_law": "PencilLaw",
        "population": "Population",
        "population_spikes": "PopulationSpikes population_spike_of population_spikes",
        "silverstein": "GeneralisedMarchenkoPastur",
        "tracy_widom": "TracyWidom largest_eigenvalue_center largest_eigenvalue_scale",
    },
)
