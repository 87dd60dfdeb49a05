"""Weights that a user brings, held against the prediction."""
