"""Problems that several test files use."""

from rmt import Problem, Step

# Of information exponent 1.
IE1 = "tanh(z) + (cos(2*z) - exp(-2))/2"


def two_steps(batch="independent", **changes):
    """Two steps of a shifted tanh at N = 1000 (theory.md, section 8), with changes."""
    arguments = {
        "activation": "tanh(z + 7/10)",
        "target": IE1,
        "width": 1000,
        "dim": 1000,
        "samples": 2000,
        "steps": [Step(4, 0.3), Step(4, 0.4)],
        "batch": batch,
    }
    return Problem(**{**arguments, **changes})
