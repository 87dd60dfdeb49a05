r"""What the first step sees of labels and loss: effective labels ``y_1 = rho(0, y)`` given ``z``.

The untrained output vanishes, so that the first gradient is one of a linear loss with the labels
``y_1 = rho(0, y)``, ``rho = -dl/dh``. What the theory needs of them are ``E[y_1^m | z]``, functions
of the index ``z``: symbolic wherever they can be, otherwise their Hermite coefficients as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rmt.arguments import not_negative, whole_number
from rmt.caching import cached
from rmt.expressions.construction import variable
from rmt.functions import FunctionLike, ScalarFunction
from rmt.hermite.tensor_tables import Estimate, Index, multi_indices
from rmt.lazy import sympy
from rmt.problem.arguments import checked_function
from rmt.problem.effective_moments import (
    NUMERICAL,
    Atoms,
    Counts,
    NoiseAsVariable,
    OfFunction,
    Powers,
    Signs,
    Smoothed,
    SumOverCounts,
    Terms,
    atoms_of_channel,
    constant_function,
    hermite_estimates,
)
from rmt.problem.effective_residual import residual_at_zero
from rmt.problem.functions import check_labels, check_target
from rmt.problem.labels import Bernoulli, Channel, Law, Poisson, SignOf
from rmt.problem.losses import Loss
from rmt.problem.problem import Problem
from rmt.status import InvalidInputError

__all__ = ["EffectiveLabels", "answers_alike", "effective_labels", "labels_of"]


@dataclass(frozen=True, eq=False)
class EffectiveLabels:
    """The law of ``y_1 = rho(0, y)`` given ``z``. Made by :func:`effective_labels`.

    Attributes
    ----------
    text : str
        Of the labels ``y``, as one writes them.
    loss : Loss
    function : ScalarFunction or None
        ``f_1`` where ``y_1 = f_1(z)`` plus independent Gaussian noise, or none; otherwise None.
    noise_std : sympy number
        The standard deviation of that noise; 0 where there is none.

    Notes
    -----
    docs/losses.md, effective labels.

    Examples
    --------
    >>> clipped = effective_labels("He3(z)/sqrt(6)", "huber(1/2)")
    >>> clipped.function.text
    'min(max(sqrt(6)*(z**3 - 3*z)/6, -1/2), 1/2)'
    >>> from rmt.problem import Poisson, SignOf
    >>> effective_labels(SignOf("z", flip=0.1), "logistic").moment(1).text
    '2*sign(z)/5'
    >>> effective_labels(Poisson("exp(z)"), "poisson").moment(2).text
    'exp(2*z) - exp(z) + 1'
    """

    text: str
    loss: Loss
    function: ScalarFunction | None
    noise_std: Any
    _powers: Powers

    @property
    def n_variables(self) -> int:
        """``r``, how many index directions there are."""
        return self._powers.n_variables

    @property
    def n_values(self) -> int | None:
        """How many values ``y_1`` takes, where these are finitely many numbers; otherwise None."""
        return self._powers.n_values

    @property
    def probabilities(self) -> tuple[ScalarFunction, ...] | None:
        """Of the values, given ``z``, where these are finitely many numbers; otherwise None."""
        powers = self._powers
        if isinstance(powers, Signs) and powers.plus != powers.minus:
            mean = powers.mean.expression
            return tuple(ScalarFunction.parse((1 + sign * mean) / 2) for sign in (1, -1))
        if isinstance(powers, Atoms) and powers.n_values is not None:
            return tuple(map(ScalarFunction.parse, powers.weights))
        return None if powers.n_values is None else (constant_function(1),)

    @property
    def rate(self) -> ScalarFunction | None:
        """The mean of counts where ``y_1`` is linear in them, so that each is seen; else None."""
        powers = self._powers
        if isinstance(powers, Counts) and len(powers.residual.pieces) == 1:
            slope = sympy.diff(powers.residual.expression, variable("y"))
            return powers.rate if slope.is_number else None
        return None

    @property
    def is_even(self) -> bool:
        """Whether the law at ``-z`` is shown to be that at ``z``, for one index direction."""
        return self._powers.is_even

    @property
    def is_symbolic(self) -> bool:
        """Whether ``E[y_1^m | z]`` has a symbolic form."""
        return not isinstance(self._powers, NUMERICAL)

    def terms(self, m: int) -> Terms:
        """``E[y_1^m | z]`` as pairs of a coefficient, a sympy number, and a function of ``z``.

        Raises
        ------
        InvalidInputError
            Where it has no symbolic form, as for `moment`.

        Examples
        --------
        >>> from rmt.problem import SignOf
        >>> labels = effective_labels(SignOf("z"), "log(cosh(h - y))")
        >>> [(c, f.text) for c, f in labels.terms(3)]
        [(tanh(1)**3, 'sign(z)')]
        """
        m = whole_number("m", m, 0)
        if isinstance(self._powers, NUMERICAL):
            raise InvalidInputError(
                f"E[y_1^{m} | z] of {self._described} has no symbolic form: {self._powers.why}; "
                "its Hermite coefficients are to be had as numbers (coefficients), and it has one "
                "for labels with finitely many values (rmt.Channel: nodes and weights)"
            )
        return self._powers.terms(m) if m else ((sympy.Integer(1), constant_function(1)),)

    def moment(self, m: int) -> ScalarFunction:
        """``E[y_1^m | z]``.

        Raises
        ------
        InvalidInputError
            Where it has no symbolic form: noise in a target, or counts, with a residual that is no
            piecewise polynomial of the label.
        """
        return ScalarFunction.parse(
            sympy.Add(*(c * function.expression for c, function in self.terms(m)))
        )

    @cached_property
    def mean(self) -> ScalarFunction:
        """``E[y_1 | z]``."""
        return self.moment(1)

    def coefficients(self, m: int, degree: int) -> dict[Index, Estimate]:
        """``E[y_1^m He_alpha(z)]`` for all ``|alpha| <= degree``, with error estimates.

        In double precision where there is no closed form.

        Examples
        --------
        >>> found = effective_labels("z", "log(cosh(h - y))", 0.5).coefficients(1, 1)
        >>> round(float(found[1,]), 6), found[1,].error < 1e-10
        (0.564975, True)
        """
        r = self.n_variables
        if isinstance(self._powers, NUMERICAL):
            found = self._powers.coefficients(m, degree)
            return {alpha: found[alpha] for alpha in multi_indices(r, degree)}
        total = dict.fromkeys(multi_indices(r, degree), Estimate(sympy.Integer(0)))
        for c, function in self.terms(m):
            for alpha, one in hermite_estimates(function, r, degree).items():
                had = total[alpha]
                error = had.error + one.error * float(abs(c))
                total[alpha] = Estimate(had.value + c * one.value, error)
        return total

    @property
    def _described(self) -> str:
        return f"the labels of {self.text} with loss={self.loss.text!r}"


def effective_labels(
    target: FunctionLike | Law, loss: str | Loss = "squared", noise_std: float = 0.0
) -> EffectiveLabels:
    """The law of ``y_1 = rho(0, y)`` given ``z``, of labels ``y`` and a loss.

    Parameters
    ----------
    target : str, sympy expression, ScalarFunction, or the law of labels
        As in `Problem`.
    loss : str or Loss
    noise_std : float
        Of Gaussian noise in the labels of a target that is a function.

    Returns
    -------
    EffectiveLabels

    Raises
    ------
    InvalidInputError
        As for `Problem`; and for a loss with a kink at ``h = 0`` whatever the label, whose slope
        there nothing decides.

    Notes
    -----
    docs/losses.md, effective labels.

    Examples
    --------
    >>> labels = effective_labels("z", "huber(1)", noise_std=0.5)
    >>> round(float(labels.mean(0.5)), 6)
    0.458533
    >>> labels.coefficients(1, 1)[1,]
    Estimate(value=erf(sqrt(10)/5), error=0.0)
    """
    made = Loss(loss)
    std = not_negative("noise_std", noise_std)
    if isinstance(target, Bernoulli | SignOf | Poisson | Channel):
        if std:
            raise InvalidInputError(
                f"noise_std belongs to a target that is a function, got {noise_std!r} with "
                f"{target.text}: its labels have their own law"
            )
        check_labels(made, target, target.mean, 0.0)
        return _of_law(target, made)
    function = checked_function("target", target)
    check_target(function)
    check_labels(made, None, function, std)
    return _of_function(function, made, std)


def labels_of(problem: Problem) -> EffectiveLabels:
    """`effective_labels` of a problem.

    Examples
    --------
    >>> from rmt.problem import Problem
    >>> labels_of(Problem("erf(z)", "z**3", 90, 90, 90, [(1, 0.2)], loss="correlation")).mean.text
    'z**3'
    """
    if problem.labels is not None:
        return _of_law(problem.labels, problem.loss)
    return _of_function(problem.target, problem.loss, problem.noise_std)


def answers_alike(problem: Problem) -> bool:
    """Whether the residual answers to the output in the same way whatever the label.

    That is ``rho(h, y) = p(y) + q(h)`` next to ``h = 0`` for the labels that there are: always for
    ``squared``, ``correlation``, ``poisson``, ``logistic`` and ``squared_hinge``.

    Examples
    --------
    >>> from rmt.problem import Problem, SignOf
    >>> p = Problem("erf(z)", SignOf("z"), 90, 90, 90, [(1, 0.2)], loss="logistic")
    >>> answers_alike(p), answers_alike(p.replace(loss="huber(1/2)", target="z"))
    (True, False)
    """
    return problem.loss.affine is not None or _answers_alike(problem.loss, *_some_labels(problem))


def _some_labels(problem: Problem) -> tuple[float, ...]:
    kind = problem.labels.kind if problem.labels is not None else "real"
    f = problem.target
    if problem.labels is None and not problem.noise_std:
        z = np.linspace(-4.0, 4.0, {1: 161, 2: 25}.get(f.n_variables, 9)) + 0.0123
        y = f(*np.meshgrid(*[z] * f.n_variables))
        kind = "signs" if bool(np.all(np.abs(y) == 1.0)) else kind
    if kind == "signs":
        return (-1.0, 1.0)
    if kind == "non-negative":
        return tuple(np.arange(0.0, 6.0).tolist())
    return tuple((np.linspace(-4.0, 4.0, 33) + 0.0123).tolist())


@cached(256)
def _answers_alike(loss: Loss, *labels: float) -> bool:
    h = np.linspace(-0.02, 0.02, 8)[:, None]
    slopes = loss.residual_slope(h, np.array(labels))
    size = max(float(np.abs(slopes).max()), 1e-300)
    return bool(np.ptp(slopes, axis=1).max() <= 1e-11 * size)


@cached(256)
def _of_function(function: ScalarFunction, loss: Loss, std: float) -> EffectiveLabels:
    residual = residual_at_zero(loss)
    y, s = variable("y"), sympy.Rational(repr(float(std)))
    # A line keeps Gaussian noise what it is.
    slope = sympy.diff(residual.expression, y) if len(residual.pieces) == 1 else None
    if not std or (slope is not None and slope.is_number):
        if not std:
            residual.check_values(function)
        same = residual.expression == y
        made = function if same else ScalarFunction.parse(residual.of(function.expression))
        noise = s * abs(slope) if std and slope is not None else sympy.Integer(0)
        return EffectiveLabels(function.text, loss, made, noise, OfFunction(made, noise))
    powers: Powers
    if residual.is_polynomial:
        powers = Smoothed(function, s, residual.pieces)
    else:
        powers = NoiseAsVariable(function, s, residual.expression)
    text = f"{function.text} with noise of standard deviation {std:g}"
    return EffectiveLabels(text, loss, None, sympy.Integer(0), powers)


@cached(256)
def _of_law(law: Law, loss: Loss) -> EffectiveLabels:
    residual = residual_at_zero(loss)
    if isinstance(law, Poisson):
        residual.check_decided(np.arange(64.0))
    powers: Powers
    if isinstance(law, Bernoulli | SignOf):
        powers = Signs(residual.at(1), residual.at(-1), law.mean, law.n_variables)
    elif isinstance(law, Channel):
        powers = atoms_of_channel(law, residual)
    elif residual.is_polynomial:
        powers = Counts(law.rate, residual)
    else:
        powers = SumOverCounts(law, loss)
    return EffectiveLabels(law.text, loss, None, sympy.Integer(0), powers)
