"""Output for machines: JSON, an object to a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_line(fields: Mapping[str, Any]) -> str:
    """A JSON object without line breaks. What is not finite is null, paths are texts, and arrays are lists."""
    return json.dumps(_plain(fields), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (int, str)) else str(value)
