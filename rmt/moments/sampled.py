"""What is not known of functions that were sampled, in the norm of the normal law."""

from __future__ import annotations

import math

import numpy as np

from rmt.caching import cached
from rmt.functions.scalar_function import ScalarFunction
from rmt.lazy import sympy
from rmt.pieces.switches import tables_in
from rmt.status import InvalidInputError

__all__ = ["check_not_sampled", "sampling_error"]

_VISIBLE = 1e-7  # of a function: errors as large as this are seen beside it, and are still small


@cached(256)
def sampling_error(function: ScalarFunction) -> float:
    """``E[(f - g)^2]^(1/2)``, ``g`` what was sampled: 0 for a formula.

    An estimate to first order in the errors of the tables, all taken with one sign. By Cauchy and
    Schwarz no orthonormal Hermite coefficient is off by more.

    Examples
    --------
    >>> sampling_error(ScalarFunction.parse("tanh(z)"))
    0.0
    >>> 1e-16 < sampling_error(ScalarFunction.of_callable(lambda z: z / (2 + z * z))) < 1e-14
    True
    """
    nodes = tables_in(function.expression)
    if not nodes:
        return 0.0
    from rmt.expressions.table_function import Table, TableNumbers

    relative = max(table.relative_error for _, table in nodes)
    power = math.floor(math.log10(_VISIBLE / relative)) if 0 < relative < 1 else 0
    factor = sympy.Integer(10) ** power
    off = {
        node: node
        + factor
        * Table(node.args[0], TableNumbers(table.error_table(int(node.args[2]))), sympy.Integer(0))
        for node, table in nodes
    }
    disturbed = ScalarFunction.parse(function.expression.xreplace(off))
    z = np.linspace(-10.0, 10.0, 4001)
    density = np.exp(-(z**2) / 2.0) * ((z[1] - z[0]) / math.sqrt(2.0 * math.pi))
    points = [z] + [np.zeros_like(z)] * (function.n_variables - 1)
    change = (disturbed(*points) - function(*points)) / 10.0**power
    return math.sqrt(float(density @ np.where(np.isfinite(change), change, 0.0) ** 2))


def check_not_sampled(function: ScalarFunction, digits: int) -> None:
    """Raise where more digits are asked for than a sampled function has."""
    if not function.tables:
        return
    known = min(table.digits for table in function.tables)
    raise InvalidInputError(
        f"digits: {function.short} was sampled and is known to about {known} digits, so that "
        f"{digits} digits of its integrals would be wrong; leave digits out, or write the function "
        "as a text or a sympy expression (the level 'scaling' needs one: it decides which moments "
        "are zero)"
    )
