"""Timings, as ratios in one process: ``make bench``, or ``python -m benchmarks``."""
