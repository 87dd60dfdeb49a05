"""Piecewise polynomials."""

from __future__ import annotations

from typing import TypeAlias

from rmt.lazy import sympy
from rmt.pieces.kinks import SmoothPiece

__all__ = ["PolynomialPiece", "polynomial_pieces"]

PolynomialPiece: TypeAlias = tuple[float, float, tuple[float, ...]]


def polynomial_pieces(
    pieces: tuple[SmoothPiece, ...], symbol: sympy.Symbol
) -> tuple[PolynomialPiece, ...] | None:
    """``((lower, upper, ascending coefficients), ...)``; None where a piece is no polynomial."""
    if not all(piece.expression.is_polynomial(symbol) for piece in pieces):
        return None
    polynomials = [sympy.Poly(piece.expression, symbol).all_coeffs()[::-1] for piece in pieces]
    return tuple(
        (float(piece.lower), float(piece.upper), tuple(map(float, coefficients)))
        for piece, coefficients in zip(pieces, polynomials, strict=True)
    )
