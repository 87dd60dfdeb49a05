"""Predictions held against samples: what is tested, when it agrees, and the result."""
