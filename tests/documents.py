"""Results as JSON, held against each other."""

import pytest


def assert_same_document(one, other, rel=1e-6, absolute=1e-9):
    """The same keys, texts and counts; numbers as close as predictions are asked to be.

    Not closer: the deformed level adds up rounding errors that depend on where arrays lie in
    memory, with BLAS libraries whose kernels treat the ends of arrays by their alignment.
    """
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same_document(one[key], other[key], rel, absolute)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same_document(a, b, rel, absolute)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=rel, abs=absolute, nan_ok=True)
    else:
        assert one == other
