"""Problems as a stranger would type them, drawn at random: nobody has chosen them for working."""

from __future__ import annotations

from typing import Any

import numpy as np

# What people write, and what they should not: kinks, jumps, poles next to the axis, fast growth.
_TERMS = (
    "z z**2 z**3 He2(z) He3(z) He5(z) abs(z) sign(z) relu(z) leaky_relu(z) elu(z) selu(z) gelu(z) "
    "silu(z) mish(z) softplus(z) softsign(z) sigmoid(z) tanh(z) tanh(3*z) erf(z) atan(z) atan(5*z) "
    "sin(z) sin(3*z) cos(2*z) exp(z/3) exp(-z**2) log(1+z**2) 1/(1+z**2) sqrt(abs(z)) sqrt(1+z**2) "
    "hard_tanh(z) relu6(z) max(z,z**2) Piecewise((z,z<1),(2-z,True))"
).split()
_SEVERAL = (
    "z1*z2 z1+z1*z2 abs(z1-z2) max(z1+z2,0) z1*z2*z3 tanh(z1)*z2 relu(z1)+relu(z2) sign(z1*z2) "
    "He2(z1)-He2(z2) exp(z1/3)*sin(z2) sqrt(z1**2+z2**2) z1*z2+z1*z2*z3 max(z1,z2,z3)"
).split()
_SHIFTS = ("z", "z", "z+1/3", "z-1/2", "2*z", "z+7/10")


def random_arguments(seed: int) -> dict[str, Any]:
    """Arguments of a `rmt.Problem`, which it may refuse; the same for a seed on every machine."""
    rng = np.random.default_rng([20261129, seed])

    def function() -> str:
        shift = str(rng.choice(_SHIFTS))
        text = ""
        for number in range(int(rng.integers(1, 4))):
            term = str(rng.choice(_TERMS)).replace("z", "@")
            operation = "" if number == 0 else str(rng.choice(["+", "-", "*"]))
            text = f"({text}){operation}{term}" if operation == "*" else text + operation + term
        # `@` is in no name: only the variable is shifted.
        return text.replace("@", f"({shift})" if shift != "z" else "z")

    two = bool(rng.random() < 0.75)
    width = int(rng.choice([10, 100, 300, 1000, 3000, 10_000]))
    dim = max(3, int(width * rng.choice([0.3, 0.5, 1.0, 3.0])))
    samples = max(1, int(dim * rng.choice([0.2, 0.5, 1.0, 2.0, 4.0, 10.0])))
    steps = [
        (
            float(rng.choice([0.1, 1.0, 2.0, 4.0, 20.0])),
            float(rng.choice([0, 0.25, 0.35, 0.4, 0.45, 0.49])),
        )
        for _ in range(1 + two)
    ]
    return {
        "activation": function(),
        "target": str(rng.choice(_SEVERAL)) if rng.random() < 0.2 else function(),
        "width": width,
        "dim": dim,
        "samples": samples,
        "steps": steps,
        "batch": str(rng.choice(["reused", "independent"])),
        "readout": str(rng.choice(["gaussian", "rademacher", "uniform"])),
        "noise_std": float(rng.choice([0.0, 0.0, 0.3, 3.0])),
    }
