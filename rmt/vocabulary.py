"""The words that arguments may be: what help and completion list before anything is loaded."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

__all__ = [
    "BULKS",
    "FORMS",
    "METHODS",
    "NUMBERS",
    "RTOL",
    "TEXTS",
    "Batch",
    "Bulk",
    "Forms",
    "Init",
    "Initialisation",
    "Method",
    "ReadoutLaw",
]

# Of a `Problem`.
Batch: TypeAlias = Literal["reused", "independent"]
ReadoutLaw: TypeAlias = Literal["gaussian", "rademacher", "uniform"]
Init: TypeAlias = Literal["sphere", "gaussian"]
Initialisation: TypeAlias = Literal["independent", "antisymmetric"]

# Of `predict`: the level of theory, the bulk at the level ``resummed``, and the outlier equation of
# the level ``deformed``.
Method: TypeAlias = Literal["scaling", "resummed", "deformed"]
METHODS = get_args(Method)
Forms: TypeAlias = Literal["simple", "exact", "linked"]
FORMS = get_args(Forms)
Bulk: TypeAlias = Literal["rows", "marchenko-pastur"]
BULKS = get_args(Bulk)
RTOL = 1e-4
"""Tolerance unless the caller says otherwise: of a theory whose own error is of order ``1/N``."""

# Of `sweep`: the parameters that it runs over, numbers and texts: every field of a `Problem`, and
# what is derived of them; of more steps than two those of the names ``alpha_3`` and so on as well.
NUMBERS = (
    "alpha_1",
    "alpha_2",
    "scale_1",
    "scale_2",
    "weight_decay_1",
    "weight_decay_2",
    "noise_std",
    "width",
    "dim",
    "aspect_ratio",
    "samples",
    "samples_1",
    "samples_2",
    "samples_per_dim",
    "samples_per_dim_1",
    "samples_per_dim_2",
    "output_scale",
    "readout_sum",
    "n_steps",
)
TEXTS = (
    "activation",
    "target",
    "batch",
    "readout",
    "init",
    "loss",
    "initialisation",
    "steps",
)
