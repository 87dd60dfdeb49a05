"""The tables of hermite.md. ``python docs/hermite_tables.py`` writes them into the page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import sympy

import rmt
from rmt.functions import ScalarFunction

PAGE = Path(__file__).with_name("hermite.md")

ACTIVATIONS = (
    *("relu(z)", "leaky_relu(z)", "abs(z)", "relu(z)**2", "relu6(z)", "hard_tanh(z)"),
    *("hard_sigmoid(z)", "sign(z)", "heaviside(z)", "elu(z)", "selu(z)", "celu(z, 2)", "gelu(z)"),
    *("erf(z)", "sin(z)", "cos(z)", "exp(z/2)", "exp(-z**2)", "tanh(z)", "sigmoid(z)"),
    *("softplus(z)", "silu(z)", "mish(z)", "softsign(z)"),
)
GAUSS_HERMITE = ("relu(z)", "abs(z)", "hard_tanh(z)", "elu(z)", "sign(z)")
DIGITS = 12
ORDER = 4


def _cell(value: sympy.Expr) -> str:
    if value.is_Float:
        return f"{float(value):.10f}" if abs(value) > 1e-6 else f"{float(value):.1e}"
    return "0" if not value else f"${sympy.latex(value)}$"


def _simple(value: sympy.Expr) -> sympy.Expr:
    """SELU's constants have nineteen decimals: shown to ten digits."""
    long = any(len(str(n.q)) > 6 for n in value.atoms(sympy.Rational))
    return sympy.Float(value.evalf(DIGITS), DIGITS) if long else value


def coefficient_table() -> str:
    lines = [
        "| $f$ | " + " | ".join(f"$E[f\\,He_{k}]$" for k in range(ORDER + 1)) + " | $E[f^2]$ |",
        "|---" * (ORDER + 3) + "|",
    ]
    for text in ACTIVATIONS:
        expansion = rmt.hermite_expansion(text, ORDER, digits=DIGITS)
        cells = [_cell(_simple(mu)) for mu in (*expansion.probabilists, expansion.second_moment)]
        lines.append(f"| `{text}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gauss_hermite_table(nodes: int = 400, order: int = 20) -> str:
    """Largest error of the orthonormal coefficients by the Gauss rule of the normal law."""
    jacobi = np.diag(np.sqrt(np.arange(1.0, nodes)), 1)
    z, vectors = np.linalg.eigh(jacobi + jacobi.T)
    psi = [np.ones(nodes), z]
    for k in range(1, order):
        psi.append((z * psi[k] - np.sqrt(k) * psi[k - 1]) / np.sqrt(k + 1))
    lines = ["| $f$ | error of the 400-node rule |", "|---|---|"]
    for text in GAUSS_HERMITE:
        values = ScalarFunction.parse(text)(z)
        rule = np.array([vectors[0] ** 2 @ (values * p) for p in psi])
        exact = rmt.hermite_expansion(text, order).orthonormal_array
        lines.append(f"| `{text}` | {np.abs(rule - exact).max():.1e} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """The page with both tables as the code gives them now."""
    for name, table in (("coefficients", coefficient_table), ("gauss", gauss_hermite_table)):
        pattern = rf"(<!-- {name} -->\n)(?:(?!<!--).)*(<!-- end -->)"
        body = table() + "\n"
        page, count = re.subn(
            pattern, lambda m, body=body: m[1] + body + m[2], page, flags=re.DOTALL
        )
        assert count == 1, name
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
