"""What a run keeps of policies and figures, as entries of its flat state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cartwheel.algorithms.base import Best
from cartwheel.policies.normalisation import Normalisation


def entries(name: str, bests: Sequence[Best]) -> dict[str, Any]:
    """Policies (k, n), their returns and what they saw through as entries of a state; `bests_in` reads them back."""
    if not bests:
        return {name: None}
    through = bests[0].normalisation
    return {
        name: np.stack([best.theta for best in bests]),
        f"{name}_value": np.array([best.value for best in bests]),
        f"{name}_shift": None if through is None else through.shift,
        f"{name}_scale": None if through is None else through.scale,
    }


def bests_in(state: Mapping[str, Any], name: str) -> list[Best]:
    """The policies that `entries` put into a state under this name."""
    if state[name] is None:
        return []
    shift, scale = state[f"{name}_shift"], state[f"{name}_scale"]
    through = None if shift is None else Normalisation(shift, scale)
    return [
        Best(theta, float(value), through) for theta, value in zip(state[name], state[f"{name}_value"], strict=True)
    ]


def part(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries whose names begin so, without that."""
    return {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}


_EXTREMES = {"return_best": max, "return_worst": min}
_OF_EPISODES = ("return_mean", "length_mean")


class Figures:
    """Figures of several generations, of which a row tells the means; what is NaN is left out of them.

    Those of episodes are means over all episodes, the best and the worst return those of all.
    """

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}  # what is divided by the count

    @property
    def empty(self) -> bool:
        """Whether nothing came since the last row."""
        return not self._sums

    def add(self, figures: Mapping[str, float], episodes: int) -> None:
        """Those of one generation, in which so many episodes ended."""
        for name, value in figures.items():
            total, count = self._sums.get(name, (0.0, 0))
            weight = episodes if name in _OF_EPISODES else 1
            if np.isnan(value):
                self._sums[name] = total, count
            elif count and name in _EXTREMES:
                self._sums[name] = _EXTREMES[name](total, value), 1
            else:
                self._sums[name] = total + value * weight, count + weight

    def means(self) -> dict[str, float]:
        """The mean of each since the last row."""
        return {name: total / count if count else np.nan for name, (total, count) in self._sums.items()}

    def state(self) -> dict[str, Any]:
        """What has to be kept between two rows."""
        return {f"figure/{name}": np.array(pair) for name, pair in self._sums.items()}

    def restore(self, own: Mapping[str, Any]) -> None:
        """Go on from the run's part of a state."""
        self._sums = {name: (float(total), int(count)) for name, (total, count) in part(own, "figure/").items()}
