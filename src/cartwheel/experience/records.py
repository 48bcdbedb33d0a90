"""What algorithms ask for and what they learn from: arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.experience.chains import Chains
from cartwheel.policies.normalisation import Normalisation


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an algorithm wants measured: `parameters (P, n)`, each over `episodes` episodes, the same for all P.

    Parameters are a matrix, or `chains.Chains`, from which a candidate is made where it is measured.
    They act on observations as `normalisation` makes them. With `moments`, those of the observations are wanted back.
    With `stretch`, it is single steps that are wanted, of one vector (P = 1); no episodes are counted then.
    """

    parameters: NDArray[Any] | Chains
    episodes: int = 0
    normalisation: Normalisation | None = None
    moments: bool = False
    stretch: Stretch | None = None


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """So many steps T of each of so many lanes, whose episodes go on from one request to the next.

    Either with `epsilon (T,)`: at step t an action is drawn from all there are with this probability, else it is the
    greedy one. Or with `noise (T, N, a)`, by which each number of each action is drawn from the network's distribution:
    for a choice a number that was drawn from [0, 1), for a number of a Box one that was drawn from N(0, 1).
    With `to_end`, T steps at most: a lane rests once its episode is over, or is broken off. With `memory`, what the
    network remembered before each step is wanted back. ValueError for both ways to act, or none.
    """

    lanes: int
    epsilon: NDArray[np.float64] | None = None
    noise: NDArray[np.float64] | None = None
    to_end: bool = False
    memory: bool = False

    def __post_init__(self) -> None:
        if (self.epsilon is None) == (self.noise is None):
            raise ValueError("expected a stretch with epsilon, or one with noise")

    @property
    def steps(self) -> int:
        """T, the steps of a lane."""
        array = self.noise if self.epsilon is None else self.epsilon
        assert array is not None
        return len(array)


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """Steps of N lanes, time first: what was seen, done and got, and what came next.

    `obs (T, N, d)` as the network sees it, normalised where the request says so, integers one-hot, `action (T, N, a)`
    as `ActionHead` has it, `reward (T, N)`. `discount (T, N)` is 0 where the episode ended by its own rules, else 1:
    what may follow counts. `boundary (T, N)`: the episode was over after this step, by its rules or by its time limit,
    so that the next row begins another one. `next_obs (T, N, d)` is what truly followed, at a boundary too.
    `memory (T, N, m)`, where it was asked for: what the network remembered before the step. `draw (T, N, a)`, where
    actions were drawn by noise: the choices, or the numbers of a Box before they were clipped. `taken (N,)`: the steps
    of each lane; what stands in the rows after them is 0, but for observations that are normalised.
    """

    obs: NDArray[np.float32]
    action: NDArray[np.float32]
    reward: NDArray[np.float64]
    discount: NDArray[np.float64]
    boundary: NDArray[np.bool_]
    next_obs: NDArray[np.float32]
    taken: NDArray[np.int64]
    memory: NDArray[np.float32] | None = None
    draw: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Experience:
    """What came of a request: the undiscounted return and the length in steps of each candidate's episodes.

    `returns (P, E)` and `lengths (P, E)`, one row a candidate, one column an episode, in the order of the request; of a
    stretch, E is the number of episodes that ended in it, in the order in which they did.
    `seen (P, E, 2, d)`, where it was asked for: the mean of each episode's observations that were acted on, as they
    were before they were normalised, and the sum of their squared deviations from it; of a stretch, `(1, N, 2, d)`,
    those of each lane.
    `transitions` are the single steps, of a stretch.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    seen: NDArray[np.float64] | None = None
    transitions: Transitions | None = None

    @property
    def steps(self) -> int:
        """Environment steps that were taken."""
        return int((self.lengths if self.transitions is None else self.transitions.taken).sum())
