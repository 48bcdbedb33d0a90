"""Arrays of another library pass through, as CuPy's do: `array-api-strict` has the standard's functions and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import CASES, Case
from harness import differentiate, evaluate

strict: Any = pytest.importorskip(
    "array_api_strict", reason="array-api-strict is not installed: make test-oracles installs it"
)

ADDED = "the standard has nothing that adds at places taken twice, as NumPy's and CuPy's add.at"
SHORT = "the standard's indices speak of every axis, or end in ..."
MIXED = "the standard's indices are slices and integers, or arrays of integers alone, or one mask"
YIELD = "array-api-strict's arrays do not give way to a Variable on their right, as NumPy's and CuPy's do"
#: What the standard has no words for, by function or case; NumPy and CuPy have.
NOT_IN_THE_STANDARD = {
    "einsum": "the standard has no einsum",
    "embed_id": ADDED,
    "take_along_axis": ADDED,
    "get_item-pairs": ADDED,
    "get_item-broadcast": ADDED,
    "get_item-integers": SHORT,
    "get_item-row": SHORT,
    "get_item-last": SHORT,
    "get_item-slice": SHORT,
    "get_item-nothing": SHORT,
    "get_item-list": SHORT,
    "get_item-mask-of-rows": SHORT,
    "repeat-counts": MIXED,
    "get_item-mixed": MIXED,
    "get_item-apart": MIXED,
    "get_item-extreme": MIXED,
    "get_item-mask-and-slice": MIXED,
    "get_item-new-axis": "the standard assigns to no new axis",
    "get_item-mask": "the standard assigns one number to a mask, no array",
    "get_item-none-true": "the standard assigns one number to a mask, no array",
    "rnn-no-memory": YIELD,
    "gru-no-memory": YIELD,
    "lstm-no-memory": YIELD,
}


def outside(one: Case) -> bool:
    return one.name in NOT_IN_THE_STANDARD or str(one) in NOT_IN_THE_STANDARD


def convert(x: Any) -> Any:
    """The library's array for one of NumPy's, also inside an index; its type for one of NumPy's."""
    if isinstance(x, np.ndarray):
        return strict.asarray(np.ascontiguousarray(x).reshape(x.shape))
    if isinstance(x, tuple):
        return tuple(convert(part) for part in x)
    return strict.float32 if x is np.float32 else x


def back(x: Any) -> Any:
    assert type(x).__module__.startswith("array_api_strict"), type(x)
    return np.asarray(x)


def equal_to_numpys(one: Case) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        inputs = one.draw()
        if not one.spec.differentiable:
            got, expected = evaluate(one, [convert(x) for x in inputs], convert=convert), evaluate(one, inputs)
        else:
            got, expected = differentiate(one, inputs, convert).everything, differentiate(one, inputs).everything
        for x, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(back(x), other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("one", [one for one in CASES if not outside(one)], ids=str)
def test_values_and_gradients_equal_numpys(one: Case) -> None:
    equal_to_numpys(one)


@pytest.mark.parametrize("name", NOT_IN_THE_STANDARD)
def test_the_list_names_nothing_that_would_pass(name: str) -> None:
    """In the other direction: of all the cases of a name, not one passes."""
    named = [one for one in CASES if name in (one.name, str(one))]
    assert named
    for one in named:
        with pytest.raises(Exception):  # noqa: B017, PT011  # the library's own errors are of many types
            equal_to_numpys(one)
