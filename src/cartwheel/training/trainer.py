"""The training loop: ask, measure, tell; checkpoints, stop rules and the final test."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.algorithms.base import Algorithm, Best
from cartwheel.envs.environment import Environment
from cartwheel.errors import StorageError, one_line
from cartwheel.experience.collectors import Collector
from cartwheel.experience.moments import Moments
from cartwheel.experience.records import Experience, Request
from cartwheel.experience.rollouts import Rollout
from cartwheel.experience.statistics import summarise
from cartwheel.policies.policy import Policy
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.storage.metrics import MetricsWriter, delete_result, write_result
from cartwheel.storage.policy_file import save
from cartwheel.storage.run import Run
from cartwheel.training.blas import threads
from cartwheel.training.executors import Executor
from cartwheel.training.hooks import Budget, Hook, Plan
from cartwheel.training.interrupt import Interrupted, Interrupts, Stop
from cartwheel.training.judging import TEST_EPISODES, Judge, Validation
from cartwheel.training.state import Figures, bests_in, entries, part

# Between two checkpoints; more where one takes longer than a tenth of that, as with a large replay memory.
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
        collector: Collector | None = None,
        *,
        budget: Budget,
        threshold: float | None,
        interrupts: Interrupts | None = None,
        early_stop: bool = True,
        normalise: bool = False,
        finalists: int = 1,
        interval: int = 1,
        hooks: Sequence[Hook] = (),
    ) -> None:
        """`normalise`: observations, by what was seen so far. `finalists`: how many are judged at the end.

        An algorithm that asks for stretches has a `collector`, and a row of metrics each `interval` steps; others have
        one for each generation.
        """
        self.run, self.environment, self.algorithm = run, environment, algorithm
        self.rollout, self.executor, self.collector = rollout, executor, collector
        self.budget, self._interval = budget, interval
        self.hooks, self._interrupts = hooks, interrupts or Interrupts()
        self.judge = Judge(
            self.measure,
            algorithm.seed,
            threshold=threshold,
            early_stop=early_stop,
            finalists=finalists,
            normalised=normalise,
        )
        self._moments = Moments.none(rollout.network.inputs) if normalise else None
        self.generation = self.steps = 0
        self.best_return = -np.inf
        self.rows = 0  # of metrics that were due
        self._figures = Figures()  # of the generations since the last row
        self._latest: list[Best] = []  # the last row's, the best first
        self._chosen: Best | None = None  # at the end
        self._seconds_before = 0.0
        self._started = self._saved = time.perf_counter()
        self._saving = 0.0  # seconds that the last checkpoint took
        self._saved_generation = -1
        self._loaded = False
        self._ended = False  # the budget was used up when the last generation was over
        self._changing = False  # within a generation's change of state: not to be saved

    def train(self) -> dict[str, float | int | str]:
        """Train to the end of the budget or until solved; returns the figures that are reported, `stop` among them.

        On a signal (Interrupted) or a fault (EnvironmentFault), what is done is saved first.
        """
        metrics = MetricsWriter(self.run.metrics_path)
        try:
            self.load()
            self._ended = self.generation > 0 and self._used(self.generation, self.steps)
            # A row at the end of a budget that has been raised since is none: its figures go on.
            going_on = not self._ended and not self._figures.empty
            metrics.drop_after(self.generation - going_on)
            delete_result(metrics)
            self._tell_start()
            try:
                while self.generation == 0 or not self._over():
                    self._generation(metrics)
                    if self._save_is_due():
                        self._save(metrics)
                if self._saved_generation != self.generation:
                    self._save(metrics)
                return self._finish(metrics)
            except Stop as stop:
                if not self._changing:
                    self._save(metrics)
                raise Interrupted(stop.signal, f"go on with: cartwheel resume {self._where()}") from None
            except Exception:
                if not self._changing:
                    self._save(metrics)
                elif self.judge.champion is not None:  # of a torn state the policy that was judged best is whole
                    self._write_policy(self.judge.champion)
                raise
        finally:
            metrics.close()

    @property
    def seconds(self) -> float:
        """Seconds spent on this run, those before it was resumed included."""
        return self._seconds_before + time.perf_counter() - self._started

    # --- one generation ----------------------------------------------------------------------------------------------

    def _generation(self, metrics: MetricsWriter) -> None:
        latest: list[Best] | None = None
        with self._interrupts.breakable():
            request = self._request()
            experience = self.measure(request, self._episodes(request))
            after = self.steps + experience.steps
            due, ended = self._is_due(after), self._used(self.generation + 1, after)
            if due or ended:
                found = self.algorithm.finalists(experience, self.judge.finalists)
                latest = [replace(one, normalisation=request.normalisation) for one in found]
            validation = self._verdict(latest[0], after) if due and latest else None
        self._changing = True
        if self.collector is not None:
            self.collector.keep()
        if self._moments is not None and experience.seen is not None:
            steps = experience.transitions
            counts = experience.lengths if steps is None else steps.taken
            self._moments = self._moments.merged(counts, experience.seen)
        episodes = 1 if self.collector is None else experience.returns.shape[1]
        self._figures.add(self.algorithm.tell(experience), episodes)
        self.generation, self.steps, self._ended = self.generation + 1, after, ended
        row: dict[str, float] = {}
        if latest is not None:
            self._latest = latest
            row = self._row(validation, due)
            metrics.add(row)
        self._changing = False
        if row:
            for hook in self.hooks:
                hook.row(row)
                if validation is not None and validation.confirmed is False and self.judge.confirmations == 1:
                    hook.note("reached in the validation episodes, but not in as many fresh ones: the run goes on")

    def _row(self, validation: Validation | None, due: bool) -> dict[str, float]:
        """What came of the generations since the last row, and of the policies that they led to.

        A row that is not due, at the end of a budget between two others, leaves the state as it is: a run that goes on
        with a larger budget is as if it had never ended.
        """
        best, figures = max(self.best_return, self._latest[0].value), self._figures.means()
        if due:
            self.best_return = best
            self._figures = Figures()
            self.rows += 1
        if validation is not None:
            self.judge.note(validation)
        return {
            "generation": self.generation,
            "steps": self.steps,
            "validation_steps": self.judge.steps,
            "seconds": self.seconds,
            "best": best,
            **figures,
            "validation_return": np.nan if validation is None else validation.judged.value,
        }

    def _request(self) -> Request:
        """What the algorithm asks for, with observations as they are to be seen."""
        request = self.algorithm.ask()
        if self._moments is None:
            return request
        return replace(request, normalisation=self._moments.normalisation, moments=True)

    def measure(self, request: Request, seeds: NDArray[np.int64]) -> Experience:
        """What comes of a request: of a stretch, or in the episodes `seeds (E,)`, shared out among the workers."""
        if request.stretch is not None:
            assert self.collector is not None
            return self.collector(request)
        return self.rollout.spread(request, seeds, self.executor)

    def _episodes(self, request: Request) -> NDArray[np.int64]:
        """The seeds of a request's episodes; a stretch has its own."""
        if request.stretch is not None:
            return np.zeros(0, np.int64)
        return episode_seeds(self.algorithm.seed, Purpose.TRAINING, self.generation, count=request.episodes)

    def _is_due(self, after: int) -> bool:
        """Whether a row is, after so many steps in all: when they pass a multiple of the interval."""
        return self.collector is None or after // self._interval > self.steps // self._interval

    def _used(self, generations: int, steps: int) -> bool:
        """Whether the budget is used up after so many generations and steps, now."""
        return self.budget.fraction(generations, steps, self.seconds) >= 1.0

    def _verdict(self, latest: Best, after: int) -> Validation | None:
        """What validation episodes say of the policy that a row is to tell of, after so many steps."""
        if self.collector is None:
            return self.judge.judge(latest)
        return self.judge.look(latest) if self.judge.affords(after) else None

    # --- the end -----------------------------------------------------------------------------------------------------

    @property
    def kept(self) -> Best | None:
        """The policy that the run stands for: what was chosen at its end.

        Until then the best on validation if any was judged, else the last generation's.
        """
        return self._chosen or self.judge.champion or (self._latest[0] if self._latest else None)

    def _over(self) -> bool:
        """Solved, out of budget or ended by itself."""
        return bool(self.judge.solved or self.algorithm.stopped) or self._ended

    def _finish(self, metrics: MetricsWriter) -> dict[str, float | int | str]:
        """Choose the policy to keep, test it, once, and store both it and the figures."""
        with self._interrupts.breakable():
            self._chosen, steps = self.judge.choose(self._latest)
            kept = self.kept
            assert kept is not None  # a budget is at least one generation
            test = self.judge.examine(kept, Purpose.TEST, TEST_EPISODES)
            final = test if self._is_latest(kept) else self.judge.examine(self._latest[0], Purpose.TEST, TEST_EPISODES)
        self._write_policy(kept)
        figures = summarise(test.returns[0])
        result: dict[str, float | int | str] = {
            "stop": "solved" if self.judge.solved else self.algorithm.stopped or "budget",
            "path": self.rollout.path,
            "generations": self.generation,
            "steps": self.steps,
            "validation_steps": self.judge.steps + steps,
            "seconds": self.seconds,
            "best": max(self.best_return, self._latest[0].value),
            "final_mean": float(final.returns.mean()),
            "test_mean": figures.mean,
            "test_std": figures.std,
            "test_low": figures.low,
            "test_high": figures.high,
            "test_length": float(test.lengths.mean()),
            "test_episodes": TEST_EPISODES,
        }
        if self.judge.threshold is not None:
            result["threshold"] = self.judge.threshold
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
            threshold=self.judge.threshold if self.judge.early_stop else None,
            generation=self.generation,
            steps=self.steps,
            by_steps=self.collector is not None,
            room=self.algorithm.room,
            blas=None if self.collector is None else threads(),
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
            "seconds": self.seconds,
            "best_return": float(self.best_return),
            "rows": self.rows,
            **entries("latest", self._latest),
            **self.judge.state(),
            **self._figures.state(),
            **({} if self._moments is None else {f"moments_{k}": v for k, v in vars(self._moments).items()}),
        }
        return {
            **{f"run/{name}": value for name, value in own.items()},
            **{f"algorithm/{name}": value for name, value in self.algorithm.state().items()},
            **({} if self.collector is None else {f"lanes/{k}": v for k, v in self.collector.state().items()}),
        }

    def _save_is_due(self) -> bool:
        wait = _CHECKPOINT_SECONDS * max(1.0, 5.0 * self._saving)  # ten times what the last one took, or more
        return time.perf_counter() - self._saved > wait

    def _save(self, metrics: MetricsWriter) -> None:
        """Rows first, so that no checkpoint is newer than its rows."""
        begun = time.perf_counter()
        metrics.flush()
        self.run.checkpoints.write(self.state())
        if self.kept is not None:
            self._write_policy(self.kept)
        self._saved, self._saved_generation = time.perf_counter(), self.generation
        self._saving = self._saved - begun

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
                why = f"it has no {problem}" if isinstance(problem, KeyError) else one_line(problem)
                raise StorageError(f"the checkpoint of {self.run.name} does not fit its settings: {why}") from None

    def _take(self, state: Mapping[str, Any]) -> None:
        own = part(state, "run/")
        if own["seed"] != self.algorithm.seed:
            raise ValueError(f"expected the seed {own['seed']}, got {self.algorithm.seed}")
        self.generation, self.steps = int(own["generation"]), int(own["steps"])
        self._seconds_before = float(own["seconds"])
        self.best_return, self.rows = float(own["best_return"]), int(own["rows"])
        self._latest = bests_in(own, "latest")
        self.judge.restore(own)
        self._figures.restore(own)
        if self._moments is not None:
            count, mean, squares = (own[f"moments_{name}"] for name in ("count", "mean", "squares"))
            self._moments = Moments(int(count), mean, squares)
        self.algorithm.restore(part(state, "algorithm/"))
        if self.collector is not None:
            self.collector.restore(part(state, "lanes/"))
