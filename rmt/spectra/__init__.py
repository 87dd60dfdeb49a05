"""Limiting spectral laws, and the map from spikes to outliers."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.spectra.laws.conjugate_kernel import ConjugateKernel
    from rmt.spectra.laws.derived import SingularValueLaw
    from rmt.spectra.laws.law import Atom, SpectralLaw
    from rmt.spectra.laws.marchenko_pastur import MarchenkoPastur, MarchenkoPasturBulk
    from rmt.spectra.laws.population import Population
    from rmt.spectra.laws.silverstein import GeneralisedMarchenkoPastur
    from rmt.spectra.laws.tracy_widom import (
        TracyWidom,
        largest_eigenvalue_center,
        largest_eigenvalue_scale,
    )
    from rmt.spectra.outliers.additive import (
        SpikeEstimate,
        additive_outliers,
        additive_threshold,
        estimate_spikes,
        outlier_std,
        shrink_singular_values,
    )
    from rmt.spectra.outliers.combined import combined_spikes
    from rmt.spectra.outliers.edge_pvalue import edge_pvalue
    from rmt.spectra.outliers.population import (
        PopulationSpikes,
        population_spike_of,
        population_spikes,
    )
    from rmt.spectra.outliers.rectangular import Outliers, rectangular_outliers
    from rmt.spectra.pencil.law import PencilLaw

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
        "rmt.spectra.laws.conjugate_kernel": "ConjugateKernel",
        "rmt.spectra.laws.derived": "SingularValueLaw",
        "rmt.spectra.laws.law": "Atom SpectralLaw",
        "rmt.spectra.laws.marchenko_pastur": "MarchenkoPastur MarchenkoPasturBulk",
        "rmt.spectra.laws.population": "Population",
        "rmt.spectra.laws.silverstein": "GeneralisedMarchenkoPastur",
        "rmt.spectra.laws.tracy_widom": "TracyWidom largest_eigenvalue_center "
        "largest_eigenvalue_scale",
        "rmt.spectra.outliers.additive": "SpikeEstimate additive_outliers additive_threshold "
        "estimate_spikes outlier_std shrink_singular_values",
        "rmt.spectra.outliers.combined": "combined_spikes",
        "rmt.spectra.outliers.edge_pvalue": "edge_pvalue",
        "rmt.spectra.outliers.population": "PopulationSpikes population_spike_of population_spikes",
        "rmt.spectra.outliers.rectangular": "Outliers rectangular_outliers",
        "rmt.spectra.pencil.law": "PencilLaw",
    },
)
