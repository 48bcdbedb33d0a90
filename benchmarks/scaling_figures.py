"""What the simulation of many workers rests on, measured: the coordinator's motions, episodes, steps, generations.

Of what is measured several times the least is taken: a machine that is busy with other things only ever adds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any

import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv
from numpy.typing import NDArray

from benchmarks import machine
from cartwheel.algorithms.genetic import Genetic, GeneticSettings
from cartwheel.envs.environment import find_environment
from cartwheel.experience.chains import Recipe
from cartwheel.experience.records import Experience, Request
from cartwheel.experience.rollouts import GeneralRollout, Rollout, make_rollout
from cartwheel.policies.specification import MLP, Specification
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.settings import resolve
from cartwheel.training.executors import Processes, make_executor, packed
from cartwheel.training.executors.pool import Pool

_SMALL, _LARGE = MLP((16,)), MLP((1998, 1998))  # 114 and 4 million weights, on CartPole
_POPULATION, _EPISODES = 10_000, 5
# Of a generation's candidates, the lengths of so many are kept; later is so many generations after the first.
_KEPT, _LATER = 200, 8
# Workers that are waited for, to see what each of them adds to a look.
_MANY = 1000
# Workers of the real runs; their candidates, these' episodes, and the steps and seconds a step of each at most.
_WORKERS, _CANDIDATES, _FEW, _LIMIT, _WAIT = (1, 2, 4, 8), 24, 2, 20, 5e-3
_TIMES = 7


class Waiting(CartPoleEnv):
    """CartPole by a simulator somewhere else: each step waits for five milliseconds."""

    def step(self, action: Any) -> Any:
        """Gymnasium's, later."""
        time.sleep(_WAIT)
        return super().step(action)  # type: ignore[no-untyped-call]


def measure() -> dict[str, Any]:
    """All figures, in seconds and steps, as `docs/scaling.json` holds them."""
    kinds = ["processes", *(["ray"] if find_spec("ray") else [])]
    plain = GeneralRollout(find_environment("CartPole-v1"), _SMALL)
    slow = GeneralRollout(find_environment(Waiting, max_episode_steps=_LIMIT), _SMALL)
    request, seeds = _request(slow, _CANDIDATES, _FEW), np.arange(_FEW)
    make, large = _large()
    return {
        "about": machine.describe(),
        "executors": {kind: executor_costs(kind) for kind in kinds},
        "lengths": lengths_of_generations(),
        "step": {"general": _step(plain, _request(plain, 64)), "waiting": _step(slow, request), "large": large},
        "make": make,
        "alone": {"dense": _alone(_SMALL, "dense"), "seeds": _alone(_LARGE, "seeds")},
        "run_lengths": slow(request, seeds).lengths.tolist(),
        "runs": {kind: {str(n): _run(slow, request, kind, n) for n in _WORKERS} for kind in kinds},
    }


def lengths_of_generations() -> dict[str, list[list[int]]]:
    """The lengths of episodes of some candidates, in the first generation of a run on CartPole-v1 and later."""
    rollout, _ = make_rollout(find_environment("CartPole-v1"), _SMALL)
    algorithm = _genetic(rollout, population=1000)
    found = []
    for generation in range(_LATER + 1):
        experience = rollout(algorithm.ask(), episode_seeds(0, Purpose.TRAINING, generation, count=_EPISODES))
        algorithm.tell(experience)
        found.append(experience.lengths[:: 1000 // _KEPT].tolist())
    return {"early": found[0], "late": found[-1]}


# --- executors --------------------------------------------------------------------------------------------------------


def executor_costs(kind: str) -> dict[str, float]:
    """The costs of an executor, as `scaling_simulation.Costs` has them, with one worker that has no work."""
    executor = make_executor(1, "general", kind)
    assert isinstance(executor, Pool)
    items = [np.zeros((2, 114), np.float32)] * 300
    try:
        executor.map(_nothing, items)
        seen = _watched(executor)
        maps = [_motions(executor, items, seen) for _ in range(_TIMES)]
        looks = {many: _look(executor, many) for many in (1, _MANY)}
    finally:
        executor.close()
    least = {name: min(motions[name] for motions in maps) for name in maps[0]}
    each = max(0.0, (looks[_MANY] - looks[1]) / (_MANY - 1))
    travel = least.pop("item") - least["give"] - least["hear"] - looks[1]
    waits = {"look": looks[1] - each, "look_each": each, "travel": max(0.0, travel)}
    return {"begin": _least(lambda: packed(_nothing)), **least, **waits}


def _motions(executor: Pool[Any], items: Sequence[Any], seen: dict[str, list[float]]) -> dict[str, float]:
    """The median of each motion in a map, and what an item takes altogether."""
    for notes in seen.values():
        notes.clear()
    start = time.perf_counter()
    executor.map(_nothing, items)
    whole = time.perf_counter() - start
    return {**{name: statistics.median(notes) for name, notes in seen.items()}, "item": whole / len(items)}


def _nothing(item: NDArray[Any]) -> Experience:
    """What an item gives back, without its work."""
    return Experience(returns=np.zeros((len(item), _EPISODES)), lengths=np.zeros((len(item), _EPISODES), np.int64))


def _watched(executor: Pool[Any]) -> dict[str, list[float]]:
    """Note from now on how long each of the members' motions takes."""
    seen: dict[str, list[float]] = {"greet": [], "give": [], "hear": []}
    for member in executor.members:
        for name, notes in seen.items():
            setattr(member, name, _timing(getattr(member, name), notes))
    return seen


def _timing(motion: Callable[..., Any], notes: list[float]) -> Callable[..., Any]:
    def timed(*words: Any) -> Any:
        start = time.perf_counter()
        try:
            return motion(*words)
        finally:
            notes.append(time.perf_counter() - start)

    return timed


def _look(executor: Pool[Any], many: int) -> float:
    """The seconds of a look at so many members, one of whom has something to say."""
    if isinstance(executor, Processes):
        pipes = [Pipe() for _ in range(many)]
        members: Sequence[Any] = [SimpleNamespace(connection=ours) for ours, _ in pipes]
        pipes[0][1].send(None)
        try:
            return _least(lambda: executor.ready(members))
        finally:
            for ours, theirs in pipes:
                ours.close()
                theirs.close()
    import ray

    dozer = ray.remote(num_cpus=0)(_Dozer).remote()
    references = [ray.put(None), *(dozer.doze.remote() for _ in range(many - 1))]
    members = [_Awaited(reference) for reference in references]
    try:
        return _least(lambda: executor.ready(members))
    finally:
        ray.kill(dozer)


class _Dozer:
    """An actor that never answers."""

    def doze(self) -> None:
        time.sleep(3600)


@dataclass(frozen=True, eq=False)
class _Awaited:
    """A member of whom one answer is awaited."""

    reference: Any

    def awaited(self) -> list[Any]:
        return [self.reference]


def _run(rollout: Rollout, request: Request, kind: str, workers: int) -> float:
    """The seconds of a generation by so many workers, who are there and know the rollout."""
    executor, seeds = make_executor(workers, "general", kind), np.arange(request.episodes)
    assert isinstance(executor, Pool)
    try:
        while len(executor.members) < workers or not all(member.joined for member in executor.members):
            rollout.spread(request, seeds, executor)
        return _least(lambda: rollout.spread(request, seeds, executor))
    finally:
        executor.close()


# --- work -------------------------------------------------------------------------------------------------------------


def _genetic(rollout: Rollout, **options: Any) -> Genetic:
    return Genetic(resolve(GeneticSettings, {"episodes": _EPISODES, **options}), rollout.network, 0)


def _request(rollout: Rollout, candidates: int, episodes: int = _EPISODES) -> Request:
    return _genetic(rollout, population=candidates, episodes=episodes).ask()


def _step(rollout: Rollout, request: Request) -> float:
    """The seconds of a step, by one worker."""
    seeds = np.arange(request.episodes)
    steps = rollout(request, seeds).steps
    return _least(lambda: rollout(request, seeds)) / steps


def _large() -> tuple[float, float]:
    """The seconds that one link of a large candidate's chain costs, and a step with it."""
    rollout, _ = make_rollout(find_environment("CartPole-v1"), _LARGE)
    recipe = Recipe(0, rollout.network, 0.05, 0.01)
    parent = recipe.first(0, 0)
    make = _least(lambda: recipe.child(parent, 1, 1))
    return make, _step(rollout, Request(parameters=np.stack([parent] * 4), episodes=8))


def _alone(specification: Specification, encoding: str) -> float:
    """The seconds of `ask`, of naming the best and of `tell` for a whole population, from its second generation on."""
    rollout, _ = make_rollout(find_environment("CartPole-v1"), specification)
    algorithm, rng = _genetic(rollout, population=_POPULATION, encoding=encoding), np.random.default_rng(0)
    shape = (_POPULATION, _EPISODES)
    experience = Experience(returns=rng.random(shape), lengths=np.ones(shape, np.int64))

    def generation() -> None:
        algorithm.ask()
        algorithm.finalists(experience, 5)
        algorithm.tell(experience)

    generation()
    return _least(generation, 3)


def _least(act: Callable[[], object], times: int = _TIMES) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
