"""Each opcode against its twin in NumPy, at the level that the table of opcodes declares for it.

The checks are those of the families' tests: `AGREEMENT[name](dtype)` is an opcode's worst error, in its level's units.
"""

from __future__ import annotations

import dataclasses
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import test_opcodes_recurrence as recurrence
from opcode_memory import DTYPES, holds

from cartwheel.kernels.opcodes import OPCODES
from cartwheel.kernels.opcodes.registry import EXACT, per_term, summed, ulp

FAMILIES = [import_module(file.stem) for file in sorted(Path(__file__).parent.glob("test_opcodes_*.py"))]
CHECKS = [one for family in FAMILIES for one in getattr(family, "AGREEMENT", {}).items()]


def recurrent(name: str, dtype: str) -> float:
    """The worst error of a network over time, forward and backward, with resets and without."""
    cases = [(shape, resets) for shape in recurrence.SHAPES for resets in (False, True)]
    return max(recurrence.check(name, shape, dtype, resets=resets) for shape, resets in cases)


AGREEMENT = {f"{name}{ending}": partial(recurrent, name) for name in recurrence.GATES for ending in ("", "_gradient")}
AGREEMENT |= dict(CHECKS)


def test_each_opcode_has_one_check_of_agreement() -> None:
    assert AGREEMENT.keys() == OPCODES.keys()
    assert len(AGREEMENT) == 2 * len(recurrence.GATES) + len(CHECKS)


@pytest.mark.parametrize("name", AGREEMENT)
def test_the_level_holds_and_is_needed(name: str) -> None:
    worst = max(AGREEMENT[name](dtype) for dtype in DTYPES)
    holds(name, worst)
    assert worst > 0 or OPCODES[name].level == EXACT, f"{name} is never off: EXACT"


def test_an_opcode_beyond_its_level_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPCODES, "exp", dataclasses.replace(OPCODES["exp"], level=EXACT))
    with pytest.raises(AssertionError, match="exp is declared EXACT, and is off by"):
        holds("exp", AGREEMENT["exp"]("float32"))


def test_how_levels_are_written() -> None:
    assert list(map(str, (EXACT, ulp(4), summed(3), per_term(2)))) == ["EXACT", "ULP 4", "SUM 3", "TERMS 2"]
