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
    """So many steps of each of so many lanes, whose episodes go on from one request to the next.

    `epsilon (T,)`: at step t an action is drawn from all there are with this probability, else it is the greedy one.
    With `to_end`, T steps at most: a lane rests once its episode is over. With `memory`, what the network remembered
    before each step is wanted back.
    """

    lanes: int
    epsilon: NDArray[np.float64]
    to_end: bool = False
    memory: bool = False

    @property
    def steps(self) -> int:
        """T, the steps of a lane."""
        return len(self.epsilon)


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """Steps of N lanes, time first: what was seen, done and got, and what came next.

    `obs (T, N, d)` as it was before it was normalised, integers one-hot, `action (T, N, a)` as `ActionHead` has it,
    `reward (T, N)`. `discount (T, N)` is 0 where the episode ended by its own rules, else 1: what may follow counts.
    `boundary (T, N)`: the episode was over after this step, by its rules or by its time limit, so that the next row
    begins another one. `next_obs (T, N, d)` is what truly followed, at a boundary too. `memory (T, N, m)`, where it was
    asked for: what the network remembered before the step. `taken (N,)`: the steps of each lane; what stands in the
    rows after them is 0.
    """

    obs: NDArray[np.float32]
    action: NDArray[np.float32]
    reward: NDArray[np.float64]
    discount: NDArray[np.float64]
    boundary: NDArray[np.bool_]
    next_obs: NDArray[np.float32]
    taken: NDArray[np.int64]
    memory: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Experience:
    """What came of a request: the undiscounted return and the length in steps of each candidate's episodes.

    `returns (P, E)` and `lengths (P, E)`, one row a candidate, one column an episode, in the order of the request; of a
    stretch, E is the number of episodes that ended in it, in the order in which they did.
    `seen (P, E, 2, d)`, where it was asked for: the mean of each episode's observations that were acted on, as they
    were before they were normalised, and the sum of their squared deviations from it.
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
