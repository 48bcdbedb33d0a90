"""What a report tells, read from the run's folder once, and judged once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.envs.environment import Environment
from cartwheel.errors import StorageError, UsageError
from cartwheel.policies.policy import Policy
from cartwheel.storage.run import Run


@dataclass(frozen=True)
class Facts:
    """A run as its report tells it. `result` is empty, and `returns (E,)` too, while the run is not finished.

    `place` is the run's folder below the one that holds `runs`; `own` is whether the environment is a class or factory
    of the user's, which no command line can name.
    """

    name: str
    place: str
    status: str
    config: Mapping[str, Any]
    metrics: Mapping[str, NDArray[Any]]
    result: Mapping[str, Any]
    returns: NDArray[np.float64]
    policy: Policy | None
    threshold: float | None
    own: bool

    @property
    def environment(self) -> str:
        """The environment's name."""
        return str(self.config.get("environment", "an environment"))

    @property
    def algorithm(self) -> str:
        """The algorithm's name."""
        return str(self.config.get("algorithm", "an algorithm"))

    @property
    def training(self) -> Mapping[str, Any]:
        """The general settings."""
        settings = self.config.get("train", {})
        return settings if isinstance(settings, Mapping) else {}

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.training.get("seed", 0))

    @property
    def by_steps(self) -> bool:
        """Whether the algorithm learns from single steps: then it has stretches of them among its settings."""
        own = self.config.get(self.algorithm, {})
        return isinstance(own, Mapping) and "stretch" in own

    @property
    def rows(self) -> int:
        """How many rows of metrics there are: one for each generation, or for many stretches of single steps."""
        return len(self.metrics.get("generation", ()))

    @property
    def final(self) -> float | None:
        """The mean return that the last policy had in the test episodes, where another one was kept."""
        final = self.result.get("final_mean")
        return None if final is None or final == self.result.get("test_mean") else float(final)

    @property
    def reached(self) -> bool:
        """Whether the mean of the test episodes is at the threshold or above."""
        return self.threshold is not None and self.result.get("test_mean", -math.inf) >= self.threshold

    @property
    def verdict(self) -> str:
        """How the run ended, in a few words. Solved is what validation and test episodes agree on."""
        if not self.result:
            return {"running": "Still training", "interrupted": "Interrupted, not finished"}.get(
                self.status, self.status
            )
        if self.result.get("stop") == "solved":
            return "Solved" if self.reached else "Solved on validation episodes, but not on the test"
        if self.result.get("stop") != "budget" and not (self.threshold is not None and self.reached):
            return f"The search ended by itself: {self.result.get('stop')}"
        if self.threshold is None:
            return "Trained to the end of its budget; this environment states no threshold"
        return "Threshold reached" if self.reached else "Not solved within its budget"


def read_facts(run: Run, environment: Environment | None) -> Facts:
    """The facts of a run; `environment` is its environment, None where it can't be made here."""
    config, result, episodes = run.config, run.result or {}, run.test_episodes
    return Facts(
        name=run.name,
        place=f"{run.folder.resolve().parent.name}/{run.name}",
        status=run.status,
        config=config,
        metrics=run.metrics,
        result=result,
        returns=np.empty(0) if episodes is None else episodes[0],
        policy=_policy(run),
        threshold=_threshold(config, result, environment),
        own=_is_own(str(config.get("environment", "")), environment),
    )


def _policy(run: Run) -> Policy | None:
    """The run's policy, None if it has none yet; a damaged one is an error."""
    try:
        return run.policy
    except StorageError:
        raise
    except UsageError:
        return None


def _threshold(config: Mapping[str, Any], result: Mapping[str, Any], environment: Environment | None) -> float | None:
    """What counts as solved: what the result says, else the settings, else the environment itself."""
    own = None if environment is None else environment.threshold
    value = result.get("threshold", config.get("train", {}).get("solved_at", own))
    return None if value is None or not math.isfinite(value) else float(value)


def _is_own(name: str, environment: Environment | None) -> bool:
    """Whether a class or factory stands behind a name; where it can't be made, by the look of it: `module:Name`."""
    if environment is not None:
        return environment.factory is not None
    return ":" in name and re.search(r"-v\d+$", name) is None
