"""Laws of labels as texts: ``"bernoulli: sigmoid(3*z + 1)"``. Nothing evaluates them.

A command line and the axes of a sweep are made of such texts. The laws themselves, which take long
to load, are imported when there is one to be made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from rmt.problem.labels import Law

__all__ = ["LAWS", "is_law", "law_text", "read_law"]

LAWS = ("bernoulli", "sign_of", "poisson", "channel")
"""The names that a text may begin with."""
_NUMBERS = ("noise_std", "flip")


def is_law(text: str) -> bool:
    """Whether a text is meant as a law: no function has a colon in it.

    Examples
    --------
    >>> is_law("poisson: exp(z/2)"), is_law("exp(z/2)")
    (True, False)
    """
    return ":" in text


def law_text(law: Law) -> str:
    """The text that `read_law` makes a law of.

    Examples
    --------
    >>> from rmt.problem.labels import Channel, SignOf
    >>> law_text(SignOf("z", flip=0.1)), law_text(Channel(["z", "0"], ["3/4", "1/4"]))
    ('sign_of: z; flip=0.1', 'channel: z @ 3/4; 0 @ 1/4')
    """
    data = law.to_dict()
    name = data.pop("law")
    if name == "channel":
        pairs = zip(data["nodes"], data["weights"], strict=True)
        return f"channel: {'; '.join(f'{label} @ {p}' for label, p in pairs)}"
    function, *numbers = data.values()
    more = [f"; {key}={value!r}" for key, value in zip([*data][1:], numbers, strict=True) if value]
    return f"{name}: {function}{''.join(more)}"


def read_law(text: str) -> Law:
    """A law of labels, of its name and its functions.

    ``bernoulli: P``, ``sign_of: F``, ``poisson: RATE`` with functions of the index directions;
    ``sign_of: F; noise_std=S; flip=Q`` with label noise and labels turned over; ``channel: Y @ P;
    Y @ P; ..`` of labels ``Y``, each with its probability.

    Raises
    ------
    InvalidInputError
        For another name, a number that is none, or what the law itself refuses; `ExpressionError`
        for a text that is no function.

    Examples
    --------
    >>> read_law("bernoulli: sigmoid(3*z + 1)") == read_law("bernoulli: 1/(1 + exp(-3*z - 1))")
    True
    >>> read_law("sign_of: z1*z2; noise_std=0.5; flip=0.1").text
    'SignOf(z1*z2, noise_std=0.5, flip=0.1)'
    >>> read_law("channel: z @ 3/4; 0 @ 1/4").text
    'Channel([z, 0], [3/4, 1/4])'
    """
    from rmt.problem.labels import Bernoulli, Channel, Poisson, SignOf

    name, _, rest = (part.strip() for part in text.partition(":"))
    function, *more = (part.strip() for part in rest.split(";"))
    if name not in LAWS or not function:
        raise InvalidInputError(
            f"labels are LAW: FUNCTION, the law one of {', '.join(LAWS)}, such as 'bernoulli: "
            f"sigmoid(3*z + 1)', 'sign_of: z; noise_std=0.5; flip=0.1' or 'channel: z @ 3/4; 0 @ "
            f"1/4'; got {text!r}"
        )
    if name == "channel":
        pairs = [tuple(part.strip() for part in one.split("@")) for one in (function, *more)]
        if not all(len(pair) == 2 and all(pair) for pair in pairs):
            raise InvalidInputError(
                "labels of a channel are LABEL @ PROBABILITY between semicolons, such as 'channel: "
                f"z @ 3/4; 0 @ 1/4'; got {text!r}"
            )
        return Channel(*(list(column) for column in zip(*pairs, strict=True)))
    if name == "sign_of":
        return SignOf(function, **dict(_number(part, text) for part in more))
    if more:
        raise InvalidInputError(f"labels of the law {name} have one function, got {text!r}")
    return Bernoulli(function) if name == "bernoulli" else Poisson(function)


def _number(part: str, text: str) -> tuple[str, Any]:
    name, _, value = (piece.strip() for piece in part.partition("="))
    try:
        number = float(value)
    except ValueError:
        number = None
    if name not in _NUMBERS or number is None:
        raise InvalidInputError(
            f"labels of the law sign_of have numbers {' and '.join(_NUMBERS)}, such as 'sign_of: "
            f"z; noise_std=0.5'; got {part!r} in {text!r}"
        )
    return name, number
