"""The tables of losses.md. ``python docs/losses_table.py`` writes them into the page.

Effective labels are read off the residuals of `rmt.Loss`, exponents are integrals over nodes of the
law of the labels: what the symbolic exponents of the package are not made of.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import rmt
from rmt.arrays import Array
from rmt.functions import ScalarFunction
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import gaussian_rule
from rmt.problem.labels import Law

PAGE = Path(__file__).with_name("losses.md")

LOSSES = (  # the loss, what it is, residual, effective label, slope there, for which labels
    ("squared", "$(y - h)^2/2$", "$y - h$", "$y$", "$-1$", "any"),
    ("correlation", "$-yh$", "$y$", "$y$", "$0$", "any"),
    ("logistic", "$\\log(1 + e^{-yh})$", "$y/(1 + e^{yh})$", "$y/2$", "$-1/4$", "$\\pm1$"),
    (
        *("huber(1/2)", "$\\int_0^{\\lvert y - h\\rvert}\\min(u, \\frac12)\\,du$"),
        *("$y - h$, clipped at $\\pm\\frac12$", "$y$, clipped at $\\pm\\frac12$"),
        *("$-1$ for $\\lvert y\\rvert < \\frac12$, else $0$", "any"),
    ),
    (
        *("squared_hinge", "$\\max(0, 1 - yh)^2/2$", "$y\\max(0, 1 - yh)$", "$y$"),
        *("$-1$", "$\\pm1$"),
    ),
    (
        *("max(0, 1 - y*h)", "$\\max(0, 1 - yh)$", "$y$ for $yh < 1$, else $0$", "$y$"),
        *("$0$", "$\\pm1$"),
    ),
    ("poisson", "$e^h - yh$", "$y - e^h$", "$y - 1$", "$-1$", "$\\ge0$"),
    (
        *("log(cosh(y - h))", "$\\log\\cosh(y - h)$", "$\\tanh(y - h)$", "$\\tanh y$"),
        *("$-1/\\cosh^2y$", "any"),
    ),
    ("(y - h)**4/4", "$(y - h)^4/4$", "$(y - h)^3$", "$y^3$", "$-3y^2$", "any"),
)

# Labels, and losses of which the exponents are asked.
REAL = ("squared", "huber(1/2)", "log(cosh(y - h))", "(y - h)**4/4")
SIGNS = ("squared", "logistic", "squared_hinge")
COUNTS = ("squared", "poisson", "log(cosh(y - h))")
TARGETS: tuple[tuple[str, str | Law, tuple[str, ...]], ...] = (
    *((f, f, REAL) for f in ("sin(2*z)", "He2(z)/sqrt(2)", "He3(z)/sqrt(6)")),
    *((f, f, REAL) for f in ("remove_hermite(3*tanh(2*z), 1)", "He2(z) + He3(z)/3")),
    ('SignOf("z", flip=0.1)', rmt.SignOf("z", flip=0.1), SIGNS),
    ('Bernoulli("sigmoid(3*z + 1)")', rmt.Bernoulli("sigmoid(3*z + 1)"), SIGNS),
    ('SignOf("He3(z)")', rmt.SignOf("He3(z)"), SIGNS),
    ('SignOf("abs(z) - 0.6745")', rmt.SignOf("abs(z) - 0.6745"), SIGNS),
    ('SignOf("z*(z**2 - 2*log(2))")', rmt.SignOf("z*(z**2 - 2*log(2))"), SIGNS),
    ('Poisson("exp(z/2)")', rmt.Poisson("exp(z/2)"), COUNTS),
    (
        'Poisson("2 + remove_hermite(sin(2*z), 1)/2")',
        rmt.Poisson("2 + remove_hermite(sin(2*z), 1)/2"),
        COUNTS,
    ),
)
HIGHEST = 8  # order and power that are looked at
ZERO = 1e-8  # relative to the root of the mean square of what is integrated


def nodes_of(target: str | Law, loss: rmt.Loss) -> tuple[Array, Array, Array]:
    """``z``, ``y_1 = rho(0, y)`` and weights of a rule for the law of both."""
    if isinstance(target, str):
        f = ScalarFunction.parse(target)
        kinks = set(f.kinks)
        for value in loss.label_kinks:
            kinks.update(ScalarFunction(abs(f.expression - value)).kinks)
        rule = gaussian_rule(40.0, 12.0, sorted(kinks))
        y, p = f(rule.nodes[0])[None], np.ones((1, rule.weights.size))
    else:
        rule = gaussian_rule(40.0, 12.0, target.kinks_along(0))
        y, p = target.at(rule.nodes)
    z = np.broadcast_to(rule.nodes[0], y.shape)
    return z.ravel(), np.asarray(loss.residual(0.0, y)).ravel(), (p * rule.weights).ravel()


def exponents(target: str | Law, loss: str) -> tuple[int | None, int | None, float]:
    """Least order and least power whose moment does not vanish, and ``E[z y_1]``."""
    z, y, w = nodes_of(target, rmt.Loss(loss))
    hermite = orthonormal_hermite(z, HIGHEST + 1)
    size = np.sqrt(w @ y**2)
    orders = [k for k in range(1, HIGHEST + 1) if abs(w @ (hermite[k] * y)) > ZERO * size]
    powers = [
        m
        for m in range(1, HIGHEST + 1)
        if abs(w @ (z * y**m)) > ZERO * np.sqrt(w @ y ** (2 * m) * (w @ z**2))
    ]
    return min(orders, default=None), min(powers, default=None), float(w @ (z * y))


def losses_table() -> str:
    """What the steps see of each loss."""
    heads = ["loss", "$l(h, y)$", "residual $\\rho(h, y)$", "effective label $\\rho(0, y)$"]
    heads += ["$\\partial_h\\rho(0, y)$", "labels"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join(lines + [f"| `{name}` | {' | '.join(cells)} |" for name, *cells in LOSSES])


def exponents_table() -> str:
    """Information and reuse exponent of what each loss sees of some labels."""
    heads = ["labels", "information exponent", "reuse exponent", "losses, with $E[z y_1]$"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for text, target, losses in TARGETS:
        rows: dict[tuple[int | None, int | None], list[str]] = {}
        for loss in losses:
            order, power, linear = exponents(target, loss)
            shown = f" {linear:.4f}" if order == 1 else ""
            rows.setdefault((order, power), []).append(f"`{loss}`{shown}")
        for (order, power), names in rows.items():
            many = "none" if power is None else str(power)
            lines.append(f"| `{text}` | {order} | {many} | {', '.join(names)} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """The page with both tables as the code gives them now."""
    for name, table in (("losses", losses_table), ("exponents", exponents_table)):
        pattern = rf"(<!-- {name} -->\n)(?:(?!<!--).)*(<!-- end -->)"
        body = table() + "\n"
        page, count = re.subn(
            pattern, lambda m, body=body: m[1] + body + m[2], page, flags=re.DOTALL
        )
        assert count == 1, name
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
