"""Limiting spectral laws, and the map from spikes to outliers."""

from rmt.spectra.conjugate_kernel import ConjugateKernel
from rmt.spectra.law import Atom, SingularValueLaw, SpectralLaw
from rmt.spectra.marchenko_pastur import MarchenkoPastur, MarchenkoPasturBulk
from rmt.spectra.outliers import Outliers, rectangular_outliers
from rmt.spectra.population import Population
from rmt.spectra.silverstein import GeneralisedMarchenkoPastur

__all__ = [
    "Atom",
    "ConjugateKernel",
    "GeneralisedMarchenkoPastur",
    "MarchenkoPastur",
    "MarchenkoPasturBulk",
    "Outliers",
    "Population",
    "SingularValueLaw",
    "SpectralLaw",
    "rectangular_outliers",
]
