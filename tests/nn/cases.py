"""What the tests go through for each function of the table: plain NumPy for it, PyTorch's function, and cases.

A case's arrays are given by their shapes, and drawn from the function's domain with a fixed seed; arrays given as they
are (extreme numbers, integers) and numbers stand as they are. Arrays of floats are differentiated.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cartwheel.nn.function import FUNCTIONS, Domain

#: Numbers that overflow what is not written for them.
EXTREME = np.array([[-1000.0, -30.0, -1.5], [0.75, 40.0, 1000.0]])
#: Rows of which the first has the largest number by far, the second two that are far apart from all others.
EXTREME_ROWS = np.array([[-1000.0, 0.5, 1000.0], [-999.0, -1000.0, 3.0], [1000.0, 998.5, 999.0]])
#: The same without a row of near numbers, of whose spread float32 keeps what the order of sums leaves.
FAR = np.array([[-1000.0, 0.5, 1000.0], [-999.0, -1000.0, 3.0], [1000.0, 200.0, -300.0]])


def straight(f: Callable[..., Any], *inputs: Any, **how: Any) -> Any:
    """Most functions take their arrays one by one."""
    return f(*inputs, **how)


def as_list(f: Callable[..., Any], *inputs: Any, **how: Any) -> Any:
    """`concat` and `stack` take theirs in a list."""
    return f(list(inputs), **how)


@dataclass(frozen=True)
class Spec:
    """One function: `plain(*arrays, **attributes)` by its definition, `torch(torch, *tensors, **attributes)` the same.

    A sentence in place of `torch` says why there is none. `call(f, *inputs, **attributes)` says how f takes its inputs.
    """

    plain: Callable[..., Any]
    torch: Callable[..., Any] | str
    call: Callable[..., Any] = straight
    #: False for what has no gradient at all (accuracy).
    differentiable: bool = True


@dataclass(frozen=True)
class Case:
    """One call of a function. `smooth` is False where the value overflows or jumps: differences say nothing there."""

    name: str
    what: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True

    def __str__(self) -> str:
        return f"{self.name}-{self.what}"

    @property
    def spec(self) -> Spec:
        return SPECS[self.name]

    def how(self) -> dict[str, Any]:
        """The attributes; a generator is made anew for each call."""
        return {key: value() if key == "rng" else value for key, value in self.attributes.items()}

    def draw(self, dtype: Any = np.float64) -> list[Any]:
        """The inputs, arrays of floats in this type."""
        shapes = [x for x in self.inputs if isinstance(x, tuple)]
        sizes = [int(np.prod(shape)) for shape in shapes]
        seed = zlib.crc32(str(self).encode())
        numbers = distinct(np.random.default_rng(seed), sum(sizes), FUNCTIONS[self.name].domain)
        parts = iter(np.split(numbers, np.cumsum(sizes)))
        drawn = [next(parts).reshape(x) if isinstance(x, tuple) else x for x in self.inputs]
        return [x.astype(dtype) if is_float(x) else x for x in drawn]

    def arrays(self, inputs: Any) -> list[Any]:
        """Those of the inputs that are differentiated."""
        return [x for x, given in zip(inputs, self.inputs, strict=True) if isinstance(given, tuple) or is_float(given)]

    def with_arrays(self, inputs: Any, arrays: Any) -> list[Any]:
        """The inputs with others in the place of those that are differentiated."""
        new = iter(arrays)
        return [
            next(new) if isinstance(given, tuple) or is_float(given) else x
            for x, given in zip(inputs, self.inputs, strict=True)
        ]


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def distinct(rng: np.random.Generator, count: int, domain: Domain) -> Any:
    """Numbers of the domain in no order, no two so near each other, or to a kink, that a small step could pass it."""
    grid, spacing = np.linspace(domain.low, domain.high, 2 * count + 9, retstep=True)
    for kink in domain.avoid:
        grid = grid[np.abs(grid - kink) > 0.1]
    grid = grid[1:-1] + spacing * rng.uniform(-0.2, 0.2, len(grid) - 2)
    return rng.permutation(grid)[:count]


SPECS: dict[str, Spec] = {}
CASES: list[Case] = []


def spec(name: str, plain: Any, torch: Any, **more: Any) -> None:
    """Enter a function."""
    assert name not in SPECS, name
    SPECS[name] = Spec(plain, torch, **more)


def case(name: str, what: str, *inputs: Any, smooth: bool = True, **attributes: Any) -> None:
    """Enter a case of a function."""
    assert name in SPECS, name
    assert not any(str(other) == f"{name}-{what}" for other in CASES), f"{name}-{what}"
    CASES.append(Case(name, what, inputs, attributes, smooth))


def chosen(*, differentiable: bool = True, smooth: bool | None = None) -> Iterator[Case]:
    """The cases of functions that can be differentiated, or of all; only the smooth ones if asked."""
    for one in CASES:
        if (one.spec.differentiable or not differentiable) and (smooth is None or one.smooth == smooth):
            yield one
