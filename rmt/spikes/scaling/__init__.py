"""Level 0: exponents, counts and leading constants, symbolic in N (theory.md, section 2)."""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
