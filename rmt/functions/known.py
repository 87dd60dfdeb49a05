"""Functions that other libraries have under a name: recognised by it, without importing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rmt.status import InvalidInputError

__all__ = ["text_of"]

_GELU = "gelu(z)"
_GELU_TANH = "z*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z**3)))/2"

# Without parameters, under the names of NumPy, SciPy, Python's math, PyTorch and JAX.
_PLAIN: dict[str, str] = {
    **{
        name: f"{name}(z)"
        for name in (
            "abs acos acosh asin asinh atan atanh cos cosh erf erfc exp log mish relu relu6 selu "
            "sigmoid sign silu sin sinh softsign sqrt swish tan tanh"
        ).split()
        if name != "acosh"
    },
    "absolute": "abs(z)",
    "fabs": "abs(z)",
    "arccos": "acos(z)",
    "arcsin": "asin(z)",
    "arcsinh": "asinh(z)",
    "arctan": "atan(z)",
    "arctanh": "atanh(z)",
    "cbrt": "sign(z)*abs(z)**(1/3)",
    "exp2": "2**z",
    "expit": "sigmoid(z)",
    "expm1": "exp(z) - 1",
    "hard_sigmoid": "hard_sigmoid(z)",
    "hardsigmoid": "hard_sigmoid(z)",
    "hard_silu": "z*hard_sigmoid(z)",
    "hard_swish": "z*hard_sigmoid(z)",
    "hardswish": "z*hard_sigmoid(z)",
    "identity": "z",
    "log1p": "log(1 + z)",
    "log2": "log(z)/log(2)",
    "log10": "log(z)/log(10)",
    "log_expit": "-softplus(-z)",
    "log_sigmoid": "-softplus(-z)",
    "logsigmoid": "-softplus(-z)",
    "logistic": "sigmoid(z)",
    "ndtr": "(1 + erf(z/sqrt(2)))/2",
    "negative": "-z",
    "positive": "z",
    "reciprocal": "1/z",
    "sgn": "sign(z)",
    "soft_sign": "softsign(z)",
    "square": "z**2",
    "tanhshrink": "z - tanh(z)",
}


# With parameters: their names and defaults, and what makes the text of them.


def _leaky_relu(slope: float) -> str:
    return f"leaky_relu(z, {_number(slope)})" if slope else "relu(z)"


def _elu(alpha: float) -> str:
    return f"elu(z, {_number(alpha)})" if alpha != 1 else "elu(z)"


def _celu(alpha: float) -> str:
    return f"celu(z, {_number(alpha)})" if alpha != 1 else "celu(z)"


def _softplus(beta: float, threshold: float) -> str:
    if beta == 1:
        return "softplus(z)"
    return f"softplus({_number(beta)}*z)/{_number(beta)}"


def _hard_tanh(low: float, high: float) -> str:
    return f"max({_number(low)}, min({_number(high)}, z))"


def _gelu(approximate: Any) -> str:
    if approximate not in ("none", "tanh", False, True):
        raise InvalidInputError(f"function: gelu with approximate={approximate!r} is not known")
    return _GELU_TANH if approximate in ("tanh", True) else _GELU


def _soft_shrink(width: float) -> str:
    return f"max(z - {_number(width)}, 0) + min(z + {_number(width)}, 0)"


def _hard_shrink(width: float) -> str:
    return f"Piecewise((z, abs(z) > {_number(width)}), (0, True))"


def _threshold(threshold: float, value: float) -> str:
    return f"Piecewise((z, z > {_number(threshold)}), ({_number(value)}, True))"


def _squareplus(b: float) -> str:
    return f"(z + sqrt(z**2 + {_number(b)}))/2"


_Parametric = tuple[Callable[..., str], tuple[tuple[str, Any], ...]]

_WITH_PARAMETERS: dict[str, _Parametric] = {
    "celu": (_celu, (("alpha", 1.0),)),
    "elu": (_elu, (("alpha", 1.0),)),
    "gelu": (_gelu, (("approximate", "none"),)),
    "hard_tanh": (_hard_tanh, (("min_val", -1.0), ("max_val", 1.0))),
    "hardshrink": (_hard_shrink, (("lambd", 0.5),)),
    "hardtanh": (_hard_tanh, (("min_val", -1.0), ("max_val", 1.0))),
    "leaky_relu": (_leaky_relu, (("negative_slope", 0.01),)),
    "softplus": (_softplus, (("beta", 1.0), ("threshold", 20.0))),
    "softshrink": (_soft_shrink, (("lambd", 0.5),)),
    "squareplus": (_squareplus, (("b", 4.0),)),
    "threshold": (_threshold, (("threshold", None), ("value", None))),
}
# Where JAX has another default.
_OF_JAX: dict[str, _Parametric] = {"gelu": (_gelu, (("approximate", True),))}

# Classes of torch.nn, by what they compute; parameters are attributes of the same names.
_MODULES = {
    "CELU": "celu",
    "ELU": "elu",
    "GELU": "gelu",
    "Hardshrink": "hardshrink",
    "Hardsigmoid": "hardsigmoid",
    "Hardswish": "hardswish",
    "Hardtanh": "hardtanh",
    "Identity": "identity",
    "LeakyReLU": "leaky_relu",
    "LogSigmoid": "logsigmoid",
    "Mish": "mish",
    "ReLU": "relu",
    "ReLU6": "relu6",
    "SELU": "selu",
    "SiLU": "silu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softshrink": "softshrink",
    "Softsign": "softsign",
    "Tanh": "tanh",
    "Tanhshrink": "tanhshrink",
    "Threshold": "threshold",
}
# What cannot be called with NumPy's arrays, and so cannot be sampled either.
_NOT_SAMPLED = frozenset({"torch", "tensorflow", "keras", "tf_keras", "mlx", "paddle"})
_KNOWN = frozenset({"numpy", "scipy", "math", "builtins", "torch", "jax", "jaxlib", "cupy", "flax"})


def text_of(function: Any) -> str | None:
    """The text of a function of another library; None for one that is to be sampled.

    It goes by names and attributes: nothing is imported or called. `functools.partial` of a known
    function with keywords is known as well.

    Parameters
    ----------
    function : callable
        A function or ufunc of NumPy, SciPy, `math`, PyTorch or JAX, or a module of `torch.nn`.

    Raises
    ------
    InvalidInputError
        One of PyTorch, or of another library that computes with arrays of its own, that is not
        known; with what to write instead.

    Examples
    --------
    >>> import math, numpy as np
    >>> text_of(np.tanh), text_of(math.erf), text_of(lambda z: z**2)
    ('tanh(z)', 'erf(z)', None)
    """
    if isinstance(function, partial):
        if function.args:
            return None
        return _of_function(function.func, function.keywords)
    if isinstance(function, type):
        return _of_class(function)
    root = _root(type(function))
    if root == "torch" and type(function).__module__.startswith("torch.nn.modules"):
        return _of_module(function)
    return _of_function(function, {})


def _of_function(function: Any, keywords: Mapping[str, Any]) -> str | None:
    name = getattr(function, "__name__", "")
    root = _root(function)
    if root == "numpy" and type(function).__name__ == "ufunc" and function.nin != 1:
        raise InvalidInputError(
            f"function: {name} takes {function.nin} numbers; write it as a text in z, such as "
            "'max(z, 0)' for np.maximum with 0"
        )
    if root in _KNOWN:
        special = _OF_JAX if root in ("jax", "jaxlib", "flax") else {}
        parametric = special.get(name) or _WITH_PARAMETERS.get(name)
        if parametric is not None:
            build, defaults = parametric
            unknown = set(keywords) - {parameter for parameter, _ in defaults} - {"inplace"}
            if not unknown:
                return _built(name, build, {**dict(defaults), **keywords}, defaults)
        elif name in _PLAIN and not set(keywords) - {"inplace"}:
            return _PLAIN[name]
    if root in _NOT_SAMPLED:
        raise _not_known(f"{root}'s {name or type(function).__name__}", name)
    return None


def _of_module(module: Any) -> str:
    kind = type(module).__name__
    name = _MODULES.get(kind)
    if kind == "PReLU":
        raise InvalidInputError(
            "function: torch.nn.PReLU learns its slope, and activations are fixed here; write "
            "'leaky_relu(z, 0.25)' with the slope that it has"
        )
    if name is None:
        raise _not_known(f"torch.nn.{kind}", kind)
    if name not in _WITH_PARAMETERS:
        return _PLAIN[name]
    build, defaults = _WITH_PARAMETERS[name]
    given = {parameter: getattr(module, parameter, default) for parameter, default in defaults}
    return _built(f"torch.nn.{kind}", build, given, defaults)


def _of_class(kind: type) -> str | None:
    if _root(kind) == "sympy":
        return f"{kind.__name__.lower()}(z)"
    instead = _MODULES.get(kind.__name__)
    text = f", or '{_PLAIN[instead]}'" if instead in _PLAIN else ""
    raise InvalidInputError(
        f"function: expected a function, got the class {kind.__name__}; make one of it, "
        f"{kind.__name__}(){text}"
    )


def _built(
    name: str,
    build: Callable[..., str],
    given: Mapping[str, Any],
    defaults: tuple[tuple[str, Any], ...],
) -> str:
    values = [given[parameter] for parameter, _ in defaults]
    if any(value is None for value in values):
        wanted = ", ".join(parameter for parameter, _ in defaults)
        raise InvalidInputError(f"function: {name} needs {wanted}")
    return build(*values)


def _not_known(what: str, name: str) -> InvalidInputError:
    return InvalidInputError(
        f"function: {what} is not known by name; write what it computes as a text, such as "
        f"'z*sigmoid(z)', or as a Python function of NumPy arrays (rmt --help lists functions)"
    )


def _root(thing: Any) -> str:
    """The library that a function or class belongs to; PyTorch's built-in ones do not say."""
    if type(thing).__name__ == "ufunc":
        return "numpy"
    module = getattr(thing, "__module__", None)
    if not module and type(thing).__name__ == "builtin_function_or_method":
        owner = getattr(thing, "__self__", None)
        module = getattr(owner, "__module__", None) or getattr(owner, "__name__", None) or "torch"
    return str(module or type(thing).__module__).split(".")[0]


def _number(value: Any) -> str:
    number = float(value)
    if not abs(number) < float("inf"):
        raise InvalidInputError(f"function: a parameter must be finite, got {value!r}")
    return str(int(number)) if number == int(number) else repr(number)
