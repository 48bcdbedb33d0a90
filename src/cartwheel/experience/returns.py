"""Returns and advantages of a stretch, and the scale of its rewards: what policy gradients learn from.

Sources: R. Sutton and A. Barto, "Reinforcement Learning: An Introduction", 2nd edition, 2018, sections 3.3 and 7.1;
J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016, eq. 11-16; the
scale of rewards as `VecNormalize` of OpenAI's baselines (P. Dhariwal et al., 2017) has it.

    G_t = sum_{i < k} gamma^i r_{t+i} + gamma^k V(s_{t+k})
    A_t = sum_{i < k} (gamma lambda)^i delta_{t+i},  delta_t = r_t + gamma V(s_{t+1}) - V(s_t)
    r_t / std(S),  S_t = gamma S_{t-1} + r_t within an episode

After k steps comes the boundary of the episode or the end of the stretch; V is 0 where the rules ended the episode, and
only there: at a time limit the episode could have gone on, and what truly followed has a value.

Arrays are (T, N), time first, as in `Transitions`: `reward`, `discount`, `boundary`; `values` are V of its `obs`,
`next_values` V of its `next_obs`. Sums are made in float64, whatever comes. Where a lane rested, the figures mean
nothing, and others do not depend on them. ValueError where shapes differ, UsageError where gamma, lambda or n is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError
from cartwheel.experience.moments import Moments
from cartwheel.kernels import returns as kernels

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

#: Scaled rewards are clipped to so much, and this is added to the variance. As OpenAI's baselines have it.
LARGEST, _EPSILON = 10.0, 1e-8


def discounted(
    reward: NDArray[Any],
    discount: NDArray[Any],
    boundary: Flags,
    gamma: float,
    next_values: NDArray[Any] | None = None,
) -> Floats:
    """Discounted returns to go (T, N).

    After a time limit, and after the end of the stretch, `next_values` stand for the rewards that were not seen;
    without them these count as 0, as in REINFORCE on whole episodes.
    """
    _check_share("gamma", gamma)
    rest = np.zeros(np.shape(reward)) if next_values is None else next_values
    flags, arrays = _checked(boundary, reward, discount, rest)
    found = np.empty(flags.shape)
    kernels.discounted(gamma, arrays[0], arrays[1], flags, arrays[2], found)
    return found


def n_step(
    reward: NDArray[Any], discount: NDArray[Any], boundary: Flags, next_values: NDArray[Any], n: int, gamma: float
) -> Floats:
    """Returns (T, N) of n steps each, then `next_values`; of fewer where a boundary or the stretch's end comes first.

    With n of at least T they are `discounted`, which takes fewer operations.
    """
    _check_share("gamma", gamma)
    if n < 1:
        raise UsageError(f"returns: expected n of at least 1 step, got {n}")
    flags, arrays = _checked(boundary, reward, discount, next_values)
    found = np.empty(flags.shape)
    kernels.n_step(n, gamma, arrays[0], arrays[1], flags, arrays[2], found)
    return found


def advantages(
    reward: NDArray[Any],
    discount: NDArray[Any],
    boundary: Flags,
    values: NDArray[Any],
    next_values: NDArray[Any],
    gamma: float,
    lam: float,
) -> Floats:
    """Advantages (T, N) by GAE(lambda); the sum over lambda stops at a boundary and at the stretch's end.

    With lambda 0 they are the errors delta; with lambda 1 `discounted` less `values`, if within an episode the
    `next_values` of a row are the `values` of the next one. Added to `values` they are the targets of V.
    """
    _check_share("gamma", gamma)
    _check_share("lambda", lam)
    flags, arrays = _checked(boundary, reward, discount, values, next_values)
    found = np.empty(flags.shape)
    kernels.advantages(gamma, lam, arrays[0], arrays[1], flags, arrays[2], arrays[3], found)
    return found


@dataclass(frozen=True, eq=False)
class RewardScale:
    """Rewards are divided by the deviation of all discounted sums S so far, in all lanes; their mean is not taken off.

    `moments` are those of S, one number; `sums (N,)` is S of each lane's open episode, 0 between two. Both belong into
    a checkpoint, and not into a policy's file. Deviations from baselines: a stretch is learnt from as a whole, and all
    of its rewards are divided by one number, where baselines goes on row by row; and sums that hardly differ are
    divided by a share of their mean, or rewards that are large and alike would all be clipped to the same.
    """

    gamma: float
    moments: Moments
    sums: Floats

    def __post_init__(self) -> None:
        _check_share("gamma", self.gamma)

    @classmethod
    def none(cls, lanes: int, gamma: float) -> RewardScale:
        """Of no reward yet, for so many lanes."""
        return cls(gamma, Moments.none(1), np.zeros(lanes))

    @classmethod
    def restored(cls, state: Mapping[str, Any], gamma: float) -> RewardScale:
        """As it was when `state` was asked for."""
        moments = Moments(int(state["count"]), np.array([state["mean"]]), np.array([state["squares"]]))
        return cls(gamma, moments, np.array(state["sums"], np.float64))

    def state(self) -> dict[str, Any]:
        """Everything that `restored` needs but gamma, which is a setting: a flat dict of numbers and one array."""
        mean, squares = float(self.moments.mean[0]), float(self.moments.squares[0])
        return {"count": self.moments.count, "mean": mean, "squares": squares, "sums": self.sums.copy()}

    def merged(self, reward: NDArray[Any], boundary: Flags, taken: NDArray[np.int64]) -> RewardScale:
        """With the rewards (T, N) of a stretch, of which the first `taken (N,)` of each lane count."""
        flags, (rewards,) = _checked(boundary, reward)
        if flags.shape[1:] != self.sums.shape or np.shape(taken) != self.sums.shape:
            raise ValueError(
                f"expected rewards and steps taken of {len(self.sums)} lanes, "
                f"got shapes {flags.shape} and {np.shape(taken)}"
            )
        sums, found = self.sums.copy(), np.empty(flags.shape)
        kernels.so_far(self.gamma, rewards, flags, sums, found)
        return RewardScale(self.gamma, self.moments.merged(taken, _spread(found, taken)), sums)

    @property
    def deviation(self) -> float:
        """What rewards are divided by; 1 before there are two."""
        if self.moments.count < 2:
            return 1.0
        deviation = float(np.sqrt(self.moments.squares[0] / self.moments.count + _EPSILON))
        return max(deviation, 2.0 * abs(float(self.moments.mean[0])) / LARGEST)

    def apply(self, reward: NDArray[Any]) -> Floats:
        """Scaled rewards, in the shape of `reward`, clipped to `LARGEST`."""
        scaled: Floats = np.clip(np.asarray(reward, np.float64) / self.deviation, -LARGEST, LARGEST)
        return scaled


def _spread(x: Floats, taken: NDArray[np.int64]) -> Floats:
    """Mean and squared deviations of each lane's first `taken` of x (T, N), as `Moments` take them: (N, 2, 1)."""
    counts = np.arange(len(x))[:, None] < taken  # (T, N)
    mean = np.where(counts, x, 0.0).sum(axis=0) / np.maximum(taken, 1)
    squares = np.where(counts, (x - mean) ** 2, 0.0).sum(axis=0)
    return np.stack([mean, squares], axis=1)[..., None]


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise UsageError(f"returns: expected {name} from 0 to 1, got {value}")


def _checked(boundary: Flags, *steps: NDArray[Any]) -> tuple[Flags, list[Floats]]:
    """Arrays of one shape (T, N) as kernels take them."""
    shapes = [np.shape(array) for array in (boundary, *steps)]
    if len(shapes[0]) != 2 or len(set(shapes)) != 1:
        raise ValueError(f"expected arrays of one shape (T, N), got shapes {', '.join(map(str, shapes))}")
    return np.ascontiguousarray(boundary, np.bool_), [np.ascontiguousarray(array, np.float64) for array in steps]
