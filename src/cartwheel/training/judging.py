"""Who is judged on validation episodes, and which policy a run keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Best
from cartwheel.experience.records import Experience, Request
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.training.state import bests_in, entries

#: Episodes that a policy is judged over, and those that the reported figure comes from.
VALIDATION_EPISODES = 100
TEST_EPISODES = 100

#: The first of the validation episodes, which say whether a policy that goes on learning is worth all of them.
GLANCE_EPISODES = 10

#: Validation takes at most so many times the steps of training, and the look that passes it. Where episodes are long,
#: as where nothing ends them but a time limit, runs would do little else but look.
MOST_LOOKED = 20

Measure = Callable[[Request, NDArray[np.int64]], Experience]


@dataclass(frozen=True)
class Validation:
    """What validation episodes said of a policy, its mean return in them as its value; how many steps they took.

    `whole` is whether these were all of the validation episodes. `confirmed` is what fresh ones said of a policy that
    reached the threshold in them: whether it did so again; None where nobody asked.
    """

    judged: Best
    steps: int
    whole: bool = True
    confirmed: bool | None = None


class Judge:
    """Judges policies on validation episodes, always the same ones, and remembers the best of them.

    The highest of many noisy means flatters whoever has it. So a policy that reaches the threshold has to do it once
    more, in as many validation episodes that no other policy was in, before the run counts as solved.

    Where its methods only say something, `note` takes it into the state: until then a signal may break off.
    `normalised` says that policies see through moments that change, so that one vector is not one policy.
    """

    def __init__(
        self,
        measure: Measure,
        seed: int,
        *,
        threshold: float | None,
        early_stop: bool,
        finalists: int,
        normalised: bool,
    ) -> None:
        self._measure, self.seed = measure, seed
        self.threshold, self.early_stop, self.finalists = threshold, early_stop, finalists
        self._normalised = normalised
        self.steps = 0  # of all validation episodes so far
        self.solved = False
        self.confirmations = 0  # how often fresh episodes were
        self.champion: Best | None = None  # the best one so far, or the one that solved it
        self._judged: NDArray[np.float32] | None = None  # the last one

    def judge(self, best: Best) -> Validation | None:
        """The verdict on a policy whose training return reaches the threshold; None for all others.

        A policy is not judged twice in a row.
        """
        if not self.early_stop or self.threshold is None or best.value < self.threshold:
            return None
        if self._judged is not None and not self._normalised and np.array_equal(best.theta, self._judged):
            return None
        return self._confirmed(self.validate(best))

    def affords(self, steps: int) -> bool:
        """Whether a look at the policy is in proportion to so many steps of training."""
        return self.steps <= MOST_LOOKED * steps

    def look(self, best: Best) -> Validation:
        """The verdict on a policy that goes on learning: by a few episodes, and by all where these are promising.

        They are where no policy did as well yet, and where one may be about to solve it: a lucky one that was not
        confirmed is no measure of that.
        """
        first = self.validate(best, GLANCE_EPISODES)
        better = self.champion is None or first.judged.value > self.champion.value
        if not better and not self._reached(first.judged.value):
            return first
        rest = self._confirmed(self.validate(best))
        return replace(rest, steps=first.steps + rest.steps)

    def _confirmed(self, validation: Validation) -> Validation:
        """With the word of fresh episodes, if it reaches the threshold and the run may end by that."""
        if not self._reached(validation.judged.value):
            return validation
        again = self.examine(validation.judged, Purpose.VALIDATION, VALIDATION_EPISODES, self.confirmations)
        reached = self._reached(float(again.returns.mean()))
        return replace(validation, steps=validation.steps + again.steps, confirmed=reached)

    def _reached(self, value: float) -> bool:
        """Whether a mean return reaches the threshold, if the run may end by that."""
        return self.early_stop and self.threshold is not None and bool(value >= self.threshold)

    def validate(self, best: Best, episodes: int = VALIDATION_EPISODES) -> Validation:
        """What so many of the validation episodes say of a policy."""
        experience = self.examine(best, Purpose.VALIDATION, episodes)
        judged = replace(best, value=float(experience.returns.mean()))
        return Validation(judged, experience.steps, episodes == VALIDATION_EPISODES)

    def note(self, validation: Validation) -> None:
        """Take a verdict into the state."""
        judged = validation.judged
        self.steps += validation.steps
        if not validation.whole:
            return
        self._judged = judged.theta
        self.confirmations += validation.confirmed is not None
        self.solved = bool(validation.confirmed)
        if self.solved or self.champion is None or judged.value > self.champion.value:
            self.champion = judged

    def examine(self, best: Best, purpose: Purpose, episodes: int, *path: int) -> Experience:
        """The experience `(1, episodes)` of one policy in the episodes of this purpose and path."""
        request = Request(parameters=best.theta[None], episodes=episodes, normalisation=best.normalisation)
        return self._measure(request, episode_seeds(self.seed, purpose, *path, count=episodes))

    def choose(self, latest: list[Best]) -> tuple[Best | None, int]:
        """The best of the last generation's finalists and the champion, and the steps that it took to say so.

        The champion only if it was better: of equals, what learnt longest is more likely to be good elsewhere too. None
        where nothing is to be chosen. Changes nothing: a run that goes on with a larger budget is as if it had
        never ended.
        """
        if self.solved or self.finalists == 1:
            return None, 0
        verdicts = [self.validate(finalist) for finalist in latest]
        contenders = [*(verdict.judged for verdict in verdicts), *filter(None, [self.champion])]
        return max(contenders, key=lambda contender: contender.value), sum(verdict.steps for verdict in verdicts)

    def state(self) -> dict[str, Any]:
        """What has to be kept, as entries of the run's part of the state."""
        return {
            "validation_steps": self.steps,
            "solved": self.solved,
            "confirmations": self.confirmations,
            **entries("champion", [*filter(None, [self.champion])]),
            "judged": self._judged,
        }

    def restore(self, own: Mapping[str, Any]) -> None:
        """Go on from the run's part of a state."""
        self.steps, self.solved = int(own["validation_steps"]), bool(own["solved"])
        self.confirmations = int(own["confirmations"])
        self.champion = next(iter(bests_in(own, "champion")), None)
        self._judged = own["judged"]
