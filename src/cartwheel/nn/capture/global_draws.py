"""Python's own generator and NumPy's: where they stand. A step that draws from them can't be recorded."""

from __future__ import annotations

import random
from typing import Any

import numpy as np


def global_draws() -> tuple[Any, ...]:
    """Where they stand now, to be compared with where they stand later. Nothing is drawn."""
    state: Any = np.random.get_state()  # noqa: NPY002  # it is only looked at
    name, keys, *rest = state
    return random.getstate(), name, keys.tobytes(), *rest
