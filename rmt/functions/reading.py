"""Reading a text, with all that it may ask for: the reader and, for one word, an integral."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rmt.expressions.parsing import read_expression
from rmt.lazy import from_above, sympy

__all__ = ["parse_expression"]


def parse_expression(text: str, variables: Sequence[str] = ("z",)) -> sympy.Expr:
    """Read text as a sympy expression, exactly and without evaluating any Python.

    The text is parsed by Python's own grammar, and the syntax tree is then translated node by node;
    a node that is not on the whitelist is an error. Allowed are

    * the variables, ``pi`` and ``e`` (also ``E``); numbers, which become exact rationals (``0.7``
      is 7/10), except that a decimal with 25 or more digits stands for an inexact number and
      becomes a sympy Float;
    * ``+ - * / **`` and brackets;
    * the functions of the catalogue: ``He0`` .. ``He12`` (probabilists' Hermite polynomials),
      ``relu``, ``leaky_relu(z, slope)``, ``elu``, ``selu``, ``celu``, ``gelu``, ``silu`` or
      ``swish``, ``mish``, ``softplus``, ``softsign``, ``sigmoid`` or ``logistic``, ``hard_tanh``,
      ``hard_sigmoid``, ``relu6``, ``erf``, ``erfc``, ``sign``, ``heaviside``, ``abs``, ``max``,
      ``min``, ``exp``, ``log``, ``sqrt``, and the trigonometric and hyperbolic functions;
    * ``Piecewise((value, z < 0), (other, True))``;
    * ``remove_hermite(expression, degree)``, see :func:`~rmt.functions.remove_hermite`.

    Parameters
    ----------
    text : str
        At most 10 000 characters.
    variables : sequence of str
        The names that are variables; each becomes a real sympy symbol.

    Returns
    -------
    sympy.Expr
        Built by sympy's usual constructors, so simplified as those do (``z - z`` is 0).

    Raises
    ------
    ExpressionError
        With the position of the first thing that is wrong.

    Examples
    --------
    >>> parse_expression("He3(z) + 0.7")
    z**3 - 3*z + 7/10
    >>> parse_expression("tanh(z) + foo")
    Traceback (most recent call last):
        ...
    rmt.expressions.error.ExpressionError: unknown name 'foo'; ...
        tanh(z) + foo
                  ^
    """
    return read_expression(text, variables, _without_component)


def _without_component(expression: Any, degree: int) -> Any:
    return from_above("remove_hermite")(expression, degree).expression
