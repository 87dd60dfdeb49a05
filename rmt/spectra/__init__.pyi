from rmt.spectra.free.convolution import (
    FreeCompression as FreeCompression,
    FreeConvolution as FreeConvolution,
)
from rmt.spectra.laws.conjugate_kernel import ConjugateKernel as ConjugateKernel
from rmt.spectra.laws.derived import AffineLaw as AffineLaw, SingularValueLaw as SingularValueLaw
from rmt.spectra.laws.given import (
    DensityLaw as DensityLaw,
    DiscreteLaw as DiscreteLaw,
    Semicircle as Semicircle,
)
from rmt.spectra.laws.law import (
    Atom as Atom,
    SpectralLaw as SpectralLaw,
)
from rmt.spectra.laws.marchenko_pastur import (
    MarchenkoPastur as MarchenkoPastur,
    MarchenkoPasturBulk as MarchenkoPasturBulk,
)
from rmt.spectra.laws.population import Population as Population
from rmt.spectra.laws.silverstein import GeneralisedMarchenkoPastur as GeneralisedMarchenkoPastur
from rmt.spectra.laws.tracy_widom import (
    TracyWidom as TracyWidom,
    largest_eigenvalue_center as largest_eigenvalue_center,
    largest_eigenvalue_scale as largest_eigenvalue_scale,
)
from rmt.spectra.outliers.additive import (
    SpikeEstimate as SpikeEstimate,
    additive_outliers as additive_outliers,
    additive_threshold as additive_threshold,
    estimate_spikes as estimate_spikes,
    outlier_std as outlier_std,
    shrink_singular_values as shrink_singular_values,
)
from rmt.spectra.outliers.combined import combined_spikes as combined_spikes
from rmt.spectra.outliers.edge_pvalue import edge_pvalue as edge_pvalue
from rmt.spectra.outliers.population import (
    PopulationSpikes as PopulationSpikes,
    population_spike_of as population_spike_of,
    population_spikes as population_spikes,
)
from rmt.spectra.outliers.rectangular import (
    Outliers as Outliers,
    rectangular_outliers as rectangular_outliers,
)
from rmt.spectra.pencil.law import PencilLaw as PencilLaw
