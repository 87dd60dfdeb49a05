"""Functions written twice: as text for the package, and on complex balls for `flint_moments`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flint import acb, arb, ctx
from flint_moments import Case, ball

ROOT_DIGITS = (
    "0.73908513321516064165531208767387340401341175890075746496568063577328465488354759459937610693"
)


def root_of_cosine() -> Any:
    """A ball around the root of ``cos(z) = z``, which a change of sign proves."""
    with ctx.workdps(110):
        low, high = (arb(ROOT_DIGITS) + sign * arb("1e-90") for sign in (-1, 1))
        assert low.cos() > low
        assert high.cos() < high
        return low.union(high)


def q(text: str) -> Any:
    """A rational number, at the precision of the moment."""
    return ball(text)


def constant(text: str) -> Callable[[Any, bool], Any]:
    return lambda z, analytic: acb(q(text))


def polynomial(*coefficients: str) -> Callable[[Any, bool], Any]:
    """Ascending."""

    def value(z: Any, analytic: bool) -> Any:
        total = acb(0)
        for c in reversed(coefficients):
            total = total * z + q(c)
        return total

    return value


def entire(f: Callable[[Any], Any]) -> Callable[[Any, bool], Any]:
    """An entire or meromorphic function."""
    return lambda z, analytic: f(z)


def gelu(z: Any) -> Any:
    return z * (-z / acb(2).sqrt()).erfc() / 2


def mish(z: Any) -> Any:
    return z * (1 - 2 / ((1 + z.exp()) ** 2 + 1))


def singular(f: Callable[[Any, bool], Any]) -> Case:
    """``f(|z|)``, with a branch cut from 0 to minus infinity."""
    pieces = (lambda z, analytic: f(-z, analytic)), f
    return Case(pieces, ("0",), is_exact=False, singular=True)


def sqrt(z: Any, analytic: bool) -> Any:
    return z.sqrt(analytic=analytic)


def log(z: Any, analytic: bool) -> Any:
    return z.log(analytic=analytic)


def softplus(z: Any, analytic: bool) -> Any:
    return (1 + z.exp()).log(analytic=analytic)


def selu_scale() -> Any:
    return arb("1.0507009873554804934")


def selu_limit() -> Any:
    return arb("1.7580993408473768599")


zero, one, line = constant("0"), constant("1"), polynomial("0", "1")

CASES: dict[str, Case] = {
    "relu(z)": Case((zero, line), ("0",)),
    "relu(2*z - 1/3)": Case((zero, polynomial("-1/3", "2")), ("1/6",)),
    "relu(z)**2": Case((zero, polynomial("0", "0", "1")), ("0",)),
    "relu(z + 7/10)**3": Case((zero, entire(lambda z: (z + q("7/10")) ** 3)), ("-7/10",)),
    "leaky_relu(z)": Case((polynomial("0", "1/100"), line), ("0",)),
    "leaky_relu(1 - z, 1/5)": Case((polynomial("1", "-1"), polynomial("1/5", "-1/5")), ("1",)),
    "abs(z)": Case((polynomial("0", "-1"), line), ("0",)),
    "abs(z - 3/4)": Case((polynomial("3/4", "-1"), polynomial("-3/4", "1")), ("3/4",)),
    "sign(z)": Case((constant("-1"), one), ("0",)),
    "sign(2*z + 1)": Case((constant("-1"), one), ("-1/2",)),
    "heaviside(z)": Case((zero, one), ("0",)),
    "heaviside(z - 3/2)": Case((zero, one), ("3/2",)),
    "hard_tanh(z)": Case((constant("-1"), line, one), ("-1", "1")),
    "hard_sigmoid(z + 1)": Case((zero, polynomial("4/6", "1/6"), one), ("-4", "2")),
    "relu6(3*z)": Case((zero, polynomial("0", "3"), constant("6")), ("0", "2")),
    "sin(z)": Case((entire(acb.sin),)),
    "sin(2*z + 1/2)": Case((entire(lambda z: (2 * z + q("1/2")).sin()),)),
    "cos(3*z)": Case((entire(lambda z: (3 * z).cos()),)),
    "exp(z/2)": Case((entire(lambda z: (z / 2).exp()),)),
    "exp(1/3 - z)": Case((entire(lambda z: (q("1/3") - z).exp()),)),
    "cosh(z/2)*z": Case((entire(lambda z: z * (z / 2).cosh()),)),
    "erf(z)": Case((entire(acb.erf),)),
    "erf(2*z - 1/3)": Case((entire(lambda z: (2 * z - q("1/3")).erf()),)),
    "gelu(z)": Case((entire(gelu),)),
    "gelu(2*z + 1)": Case((entire(lambda z: gelu(2 * z + 1)),)),
    "He3(z)/sqrt(6)": Case((entire(lambda z: (z**3 - 3 * z) / arb(6).sqrt()),)),
    "z**4 - z": Case((polynomial("0", "-1", "0", "0", "1"),)),
    "exp(-z**2)": Case((entire(lambda z: (-z * z).exp()),)),
    "z*exp(-(z - 1)**2/2)": Case((entire(lambda z: z * (-((z - 1) ** 2) / 2).exp()),)),
    "exp(z**2/5)": Case((entire(lambda z: (z * z / 5).exp()),), growth="1/5"),
    "elu(z)": Case((entire(acb.expm1), line), ("0",)),
    "elu(2*z - 1, 1/2)": Case(
        (entire(lambda z: (2 * z - 1).expm1() / 2), polynomial("-1", "2")), ("1/2",)
    ),
    "celu(z, 2)": Case((entire(lambda z: 2 * (z / 2).expm1()), line), ("0",)),
    "selu(z)": Case(
        (entire(lambda z: selu_limit() * z.expm1()), entire(lambda z: selu_scale() * z)), ("0",)
    ),
    "heaviside(z - 1/2)*sin(z)": Case((zero, entire(acb.sin)), ("1/2",)),
    "exp(-abs(z))": Case((entire(acb.exp), entire(lambda z: (-z).exp())), ("0",)),
    "tanh(z)": Case((entire(acb.tanh),), is_exact=False),
    "tanh(z + 7/10)": Case((entire(lambda z: (z + q("7/10")).tanh()),), is_exact=False),
    "sigmoid(2*z)": Case((entire(lambda z: 1 / (1 + (-2 * z).exp())),), is_exact=False),
    "softplus(z)": Case((softplus,), is_exact=False),
    "silu(z)": Case((entire(lambda z: z / (1 + (-z).exp())),), is_exact=False),
    "mish(z)": Case((entire(mish),), is_exact=False),
    "softsign(z)": Case(
        (entire(lambda z: z / (1 - z)), entire(lambda z: z / (1 + z))), ("0",), is_exact=False
    ),
    # Poles at a distance of 1/10 from the axis.
    "1/(1 + 100*z**2)": Case((entire(lambda z: 1 / (1 + 100 * z * z)),), is_exact=False),
    "tanh(z) + exp(-100*(z - 1)**2)": Case(
        (entire(lambda z: z.tanh() + (-100 * (z - 1) ** 2).exp()),), is_exact=False
    ),
    "sin(10*z)": Case((entire(lambda z: (10 * z).sin()),)),
    "sin(z)/z": Case((entire(acb.sinc),), is_exact=False),
    "(1 - cos(z))/z**2": Case((entire(lambda z: (z / 2).sinc() ** 2 / 2),), is_exact=False),
    "sign(cos(z) - z)": Case((one, constant("-1")), (root_of_cosine(),), is_exact=False),
    "sqrt(abs(z))": singular(sqrt),
    "log(abs(z))": singular(log),
    "abs(z)**(-1/4)": singular(lambda z, analytic: (-log(z, analytic) / 4).exp()),
}
