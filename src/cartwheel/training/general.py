"""Which of the general settings of a run an algorithm has a use for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cartwheel.algorithms.base import Entry
from cartwheel.errors import UsageError
from cartwheel.settings import flag
from cartwheel.training.settings import TrainSettings

# Other values than the defaults of general settings that an algorithm may have no use for, to ask it whether it has.
_OTHERS: Mapping[str, Any] = {
    "hidden": (1, 1, 1),
    "memory": "gru",
    "frames": 2,
    "activation": "identity",
    "normalise": True,
}

# General settings that only algorithms by steps have a use for (True), and only all others (False): why so.
_ONLY = {
    "interval": (True, "has a row of metrics for each generation"),
    "finalists": (False, "has one policy, and no candidates to choose from"),
}


def unused(entry: Entry) -> list[str]:
    """The general settings that an algorithm has no use for: it refuses all values but the default."""
    general = TrainSettings(**entry.general)

    def refused(name: str) -> bool:
        other: dict[str, Any] = {name: _OTHERS[name]}
        try:
            entry.specify(replace(general, **other), entry.settings())
        except UsageError:
            return True
        return False

    kinds = [name for name, (by_steps, _) in _ONLY.items() if by_steps != entry.by_steps]
    return [*filter(refused, _OTHERS), *kinds]


def check_general(entry: Entry, settings: TrainSettings) -> None:
    """UsageError for a general setting that is about the other kind of algorithms."""
    for name, (by_steps, why) in _ONLY.items():
        if by_steps != entry.by_steps and getattr(settings, name) != getattr(TrainSettings(), name):
            raise UsageError(f"{flag(name)}: {entry.name} {why}; leave it out")
