"""The training loop: ask, measure, tell; checkpoints, stop rules and the final test."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Algorithm, Best
from cartwheel.envs.environment import Environment
from cartwheel.errors import StorageError, one_line
from cartwheel.experience.moments import Moments
from cartwheel.experience.records import Experience, Request
from cartwheel.experience.rollouts import Rollout
from cartwheel.experience.statistics import summarise
from cartwheel.policies.policy import Policy
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.storage.metrics import MetricsWriter, delete_result, write_result
from cartwheel.storage.policy_file import save
from cartwheel.storage.run import Run
from cartwheel.training.executors import Executor
from cartwheel.training.hooks import Budget, Hook, Plan
from cartwheel.training.interrupt import Interrupted, Interrupts, Stop
from cartwheel.training.state import bests_in, entries, part

#: Episodes that a candidate is judged over, and those that the reported figure comes from.
VALIDATION_EPISODES = 100
TEST_EPISODES = 100

_CHECKPOINT_SECONDS = 2.0


class Trainer:
    """One run, from where its folder stands to its end. The folder must be locked by the caller."""

    def __init__(
        self,
        run: Run,
        environment: Environment,
        algorithm: Algorithm,
        rollout: Rollout,
        executor: Executor,
        *,
        budget: Budget,
        threshold: float | None,
        interrupts: Interrupts | None = None,
        early_stop: bool = True,
        normalise: bool = False,
        finalists: int = 1,
        hooks: Sequence[Hook] = (),
    ) -> None:
        """`normalise`: observations, by what was seen so far. `finalists`: how many are judged at the end."""
        self.run, self.environment, self.algorithm = run, environment, algorithm
        self.rollout, self.executor = rollout, executor
        self.budget, self.threshold, self.early_stop = budget, threshold, early_stop
        self.hooks, self._interrupts = hooks, interrupts or Interrupts()
        self.finalists = finalists
        self._moments = Moments.none(rollout.network.inputs) if normalise else None
        self.generation = self.steps = self.validation_steps = 0
        self.best_return = -np.inf
        self.solved = False
        self._latest: list[Best] = []  # the last generation's, the best first
        self._champion: Best | None = None  # the best one on validation episodes
        self._chosen: Best | None = None  # at the end
        self._judged: NDArray[np.float32] | None = None  # the last one judged there
        self._seconds_before = 0.0
        self._started = self._saved = time.perf_counter()
        self._saved_generation = -1
        self._loaded = False
        self._changing = False  # within a generation's change of state: not to be saved

    def train(self) -> dict[str, float | int | str]:
        """Train to the end of the budget or until solved; returns the figures that are reported, `stop` among them.

        On a signal (Interrupted) or a fault (EnvironmentFault), what is done is saved first.
        """
        metrics = MetricsWriter(self.run.metrics_path)
        try:
            self.load()
            metrics.drop_after(self.generation)
            delete_result(metrics)
            self._tell_start()
            try:
                while self.generation == 0 or not (self.solved or self._used_up() or self.algorithm.stopped):
                    self._generation(metrics)
                    if time.perf_counter() - self._saved > _CHECKPOINT_SECONDS:
                        self._save(metrics)
                if self._saved_generation != self.generation:
                    self._save(metrics)
                return self._finish(metrics)
            except Stop as stop:
                self._save(metrics)
                raise Interrupted(stop.signal, f"go on with: cartwheel resume {self._where()}") from None
            except Exception:
                if not self._changing:
                    self._save(metrics)
                raise
        finally:
            metrics.close()

    @property
    def seconds(self) -> float:
        """Seconds spent on this run, those before it was resumed included."""
        return self._seconds_before + time.perf_counter() - self._started

    # --- one generation ----------------------------------------------------------------------------------------------

    def _generation(self, metrics: MetricsWriter) -> None:
        with self._interrupts.breakable():
            request = self._request()
            seeds = self._episodes(Purpose.TRAINING, self.generation, count=request.episodes)
            experience = self.measure(request, seeds)
            found = self.algorithm.finalists(experience, self.finalists)
            latest = [replace(one, normalisation=request.normalisation) for one in found]
            best = latest[0]
            validation = self._judge(best)
        self._changing = True
        if self._moments is not None and experience.seen is not None:
            self._moments = self._moments.merged(experience.lengths, experience.seen)
        figures = self.algorithm.tell(experience)
        self.generation += 1
        self.steps += experience.steps
        self._latest = latest
        self.best_return = max(self.best_return, best.value)
        if validation is not None:
            self._note(validation)
        row = {
            "generation": self.generation,
            "steps": self.steps,
            "validation_steps": self.validation_steps,
            "seconds": self.seconds,
            "best": self.best_return,
            **figures,
            "validation_return": np.nan if validation is None else validation.judged.value,
        }
        metrics.add(row)
        self._changing = False
        for hook in self.hooks:
            hook.row(row)

    def _request(self) -> Request:
        """What the algorithm asks for, with observations as they are to be seen."""
        request = self.algorithm.ask()
        if self._moments is None:
            return request
        return replace(request, normalisation=self._moments.normalisation, moments=True)

    def measure(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """What comes of a request in the episodes `seeds (E,)`, shared out among the workers."""
        return self.rollout.spread(request, seeds, self.executor)

    def _judge(self, best: Best) -> _Validation | None:
        """The verdict of the validation episodes on a policy whose training return reaches the threshold.

        A policy is not judged twice in a row: the validation episodes of a run are always the same.
        """
        if not self.early_stop or self.threshold is None or best.value < self.threshold:
            return None
        if self._judged is not None and self._moments is None and np.array_equal(best.theta, self._judged):
            return None
        return self._validate(best)

    def _validate(self, best: Best) -> _Validation:
        experience = self._examine(best, Purpose.VALIDATION, VALIDATION_EPISODES)
        return _Validation(replace(best, value=float(experience.returns.mean())), experience.steps)

    def _note(self, validation: _Validation) -> None:
        """Take a verdict into the state."""
        judged = validation.judged
        self._judged = judged.theta
        self.validation_steps += validation.steps
        if self._champion is None or judged.value > self._champion.value:
            self._champion = judged
        self.solved = self.threshold is not None and self._champion.value >= self.threshold

    def _examine(self, best: Best, purpose: Purpose, episodes: int) -> Experience:
        """The experience `(1, episodes)` of one policy in the episodes of this purpose."""
        request = Request(parameters=best.theta[None], episodes=episodes, normalisation=best.normalisation)
        return self.measure(request, self._episodes(purpose, count=episodes))

    def _episodes(self, purpose: Purpose, *path: int, count: int) -> NDArray[np.int64]:
        return episode_seeds(self.algorithm.seed, purpose, *path, count=count)

    # --- the end -----------------------------------------------------------------------------------------------------

    @property
    def kept(self) -> Best | None:
        """The policy that the run stands for: what was chosen at its end.

        Until then the best on validation if any was judged, else the last generation's.
        """
        return self._chosen or self._champion or (self._latest[0] if self._latest else None)

    def _choose(self) -> int:
        """Choose among the last generation's finalists, and the best so far, on validation episodes; the steps taken.

        What is chosen is no part of the state: a run that goes on with a larger budget is as if it had never ended.
        """
        if self.solved or self.finalists == 1:
            return 0
        verdicts = [self._validate(finalist) for finalist in self._latest]
        contenders = [*filter(None, [self._champion]), *(verdict.judged for verdict in verdicts)]
        self._chosen = max(contenders, key=lambda contender: contender.value)
        return sum(verdict.steps for verdict in verdicts)

    def _used_up(self) -> bool:
        return self.budget.fraction(self.generation, self.steps, self.seconds) >= 1.0

    def _finish(self, metrics: MetricsWriter) -> dict[str, float | int | str]:
        """Choose the policy to keep, test it, once, and store both it and the figures."""
        with self._interrupts.breakable():
            steps = self._choose()
            kept = self.kept
            assert kept is not None  # a budget is at least one generation
            test = self._examine(kept, Purpose.TEST, TEST_EPISODES)
            final = test if self._is_latest(kept) else self._examine(self._latest[0], Purpose.TEST, TEST_EPISODES)
        self._write_policy(kept)
        figures = summarise(test.returns[0])
        result: dict[str, float | int | str] = {
            "stop": "solved" if self.solved else self.algorithm.stopped or "budget",
            "path": self.rollout.path,
            "generations": self.generation,
            "steps": self.steps,
            "validation_steps": self.validation_steps + steps,
            "seconds": self.seconds,
            "best": self.best_return,
            "final_mean": float(final.returns.mean()),
            "test_mean": figures.mean,
            "test_std": figures.std,
            "test_low": figures.low,
            "test_high": figures.high,
            "test_length": float(test.lengths.mean()),
            "test_episodes": TEST_EPISODES,
        }
        if self.threshold is not None:
            result["threshold"] = self.threshold
        if self.budget.seconds is not None:
            self._note_generations()
        write_result(metrics, result, test.returns[0], test.lengths[0])
        return result

    def _is_latest(self, best: Best) -> bool:
        """Whether it is the very policy that the last generation named."""
        latest = self._latest[0]
        return best.normalisation is latest.normalisation and np.array_equal(best.theta, latest.theta)

    def _note_generations(self) -> None:
        """A run under a clock is repeated by its generations: the clock won't stop at the same one again."""
        config = self.run.config
        del config["train"]["seconds"]
        config["train"]["generations"] = self.generation
        self.run.write_config(config)

    def _where(self) -> str:
        """The run as `cartwheel resume` finds it: its name in the usual folder, else its path."""
        return self.run.name if self.run.folder.parent == Path("runs") else str(self.run.folder)

    def _tell_start(self) -> None:
        plan = Plan(
            name=self.run.name,
            folder=self.run.folder,
            environment=self.environment.name,
            algorithm=str(self.run.config["algorithm"]),
            path=self.rollout.path,
            workers=self.executor.workers,
            parameters=self.rollout.network.size,
            budget=self.budget,
            threshold=self.threshold if self.early_stop else None,
            generation=self.generation,
        )
        for hook in self.hooks:
            hook.start(plan)

    # --- state -------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that the run needs to go on, as a flat dict: its own part and the algorithm's."""
        own = {
            "seed": self.algorithm.seed,
            "generation": self.generation,
            "steps": self.steps,
            "validation_steps": self.validation_steps,
            "seconds": self.seconds,
            "best_return": float(self.best_return),
            "solved": self.solved,
            **entries("latest", self._latest),
            **entries("champion", [*filter(None, [self._champion])]),
            "judged": self._judged,
            **({} if self._moments is None else {f"moments_{k}": v for k, v in vars(self._moments).items()}),
        }
        return {
            **{f"run/{name}": value for name, value in own.items()},
            **{f"algorithm/{name}": value for name, value in self.algorithm.state().items()},
        }

    def _save(self, metrics: MetricsWriter) -> None:
        """Rows first, so that no checkpoint is newer than its rows."""
        metrics.flush()
        self.run.checkpoints.write(self.state())
        if self.kept is not None:
            self._write_policy(self.kept)
        self._saved, self._saved_generation = time.perf_counter(), self.generation

    def _write_policy(self, best: Best) -> None:
        environment = self.environment
        spaces = environment.observation_space, environment.action_space
        policy = Policy(self.rollout.specification, *spaces, best.theta, best.normalisation)
        about = {
            "environment": environment.name,
            "env_args": dict(environment.arguments),
            "max_episode_steps": environment.limit,
            "run": self.run.name,
        }
        save(policy, self.run.policy_path, about=about)

    def load(self) -> None:
        """Go on from the last checkpoint, or from the beginning; StorageError where it does not fit the settings."""
        if self._loaded:
            return
        self._loaded = True
        with warnings.catch_warnings(
            record=True
        ) as said:  # that the last checkpoint is damaged, and the one before used
            warnings.simplefilter("always")
            state = self.run.checkpoints.read()
        for hook in self.hooks:
            for warning in said:
                hook.note(f"warning: {warning.message}")
        if state is not None:
            try:
                self._take(state)
            except (IndexError, KeyError, TypeError, ValueError) as problem:
                raise StorageError(
                    f"the checkpoint of {self.run.name} does not fit its settings: {one_line(problem)}"
                ) from None

    def _take(self, state: Mapping[str, Any]) -> None:
        own = part(state, "run/")
        if own["seed"] != self.algorithm.seed:
            raise ValueError(f"expected the seed {own['seed']}, got {self.algorithm.seed}")
        self.generation, self.steps = int(own["generation"]), int(own["steps"])
        self.validation_steps = int(own["validation_steps"])
        self._seconds_before = float(own["seconds"])
        self.best_return, self.solved = float(own["best_return"]), bool(own["solved"])
        self._judged = own["judged"]
        self._latest = bests_in(own, "latest")
        self._champion = next(iter(bests_in(own, "champion")), None)
        if self._moments is not None:
            count, mean, squares = (own[f"moments_{name}"] for name in ("count", "mean", "squares"))
            self._moments = Moments(int(count), mean, squares)
        self.algorithm.restore(part(state, "algorithm/"))


@dataclass(frozen=True)
class _Validation:
    """What validation episodes said of a policy, and how many steps they took."""

    judged: Best
    steps: int
