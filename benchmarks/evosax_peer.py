"""evosax with gymnax, for the benchmark `evolution-peers`: the whole evolution one compiled call of JAX."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.peers import peer
from benchmarks.records import Sample, timed
from benchmarks.rivals import ENVIRONMENT, Task
from cartwheel.errors import CartwheelError, UsageError


def installed(package: str) -> None:
    """UsageError where a package is not installed; it is not loaded."""
    if find_spec(package) is None:
        raise UsageError(f"{package} is not installed; make bench installs it")


class Evosax:
    """evosax's SimpleGA on gymnax's CartPole, in a process of its own that may use so many cores.

    The whole evolution is one compiled call. `documented` measures candidates by evosax's GymnaxProblem, which takes
    500 steps in any case; otherwise all episodes take steps until the last one has ended.
    """

    def __init__(self, task: Task, cores: int, documented: bool) -> None:
        for package in ("evosax", "gymnax"):
            installed(package)  # JAX's threads are not wanted here
        self._arguments = (task, cores, documented)

    @cached_property
    def _process(self) -> Connection:
        """The process, when it is first needed; it ends with this one."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True).start()
        theirs.close()
        return ours

    def play(self, seeds: Sequence[int], compiled: bool) -> Sample:
        """One turn: a job for each seed. What it takes to compile is left out, or is a part of the first one."""
        try:
            self._process.send((list(seeds), compiled))
            sample: Sample = self._process.recv()
        except (EOFError, OSError):
            raise CartwheelError("the process that ran evosax died") from None
        return sample


def _serve(connection: Connection, task: Task, cores: int, documented: bool) -> None:
    """Does turns as they are asked for."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    os.environ["JAX_PLATFORMS"] = "cpu"
    if cores == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    jax = peer("jax")
    job: Any = jax.jit(_evosax(task, documented))
    _steps(jax, job, [0])
    while True:
        try:
            seeds, compiled = connection.recv()
        except EOFError:
            return
        if not compiled:
            jax.clear_caches()
            job = jax.jit(_evosax(task, documented))
        connection.send(timed(partial(_steps, jax, job, seeds)))


def _steps(jax: Any, job: Any, seeds: list[int]) -> float:
    return sum(float(job(jax.random.key(seed))) for seed in seeds)


def _evosax(task: Task, documented: bool) -> Callable[[Any], Any]:
    """The evolution from a random key to its steps, to be compiled."""
    jax, linen = peer("jax"), peer("flax.linen")
    policy = peer("evosax.problems.networks").MLP(
        layer_sizes=task.units[1:],
        activation=linen.relu,
        output_fn=lambda outputs, key: jax.numpy.argmax(outputs, -1),
        kernel_init=linen.initializers.normal(1.0),
    )
    problem = peer("evosax.problems").GymnaxProblem(
        ENVIRONMENT, policy, num_rollouts=task.episodes, use_normalize_obs=False
    )
    algorithm = peer("evosax.algorithms").SimpleGA(
        population_size=task.population,
        solution=problem.sample(jax.random.key(0)),
        std_schedule=peer("optax").constant_schedule(task.deviation),
    )
    algorithm.elite_ratio = 1 / task.population
    state, parameters = problem.init(jax.random.key(0)), algorithm.default_params
    together = _until_all_end(jax, problem, policy, task)

    def measure(key: Any, population: Any) -> Any:
        return problem.eval(key, population, state)[0] if documented else together(key, population)

    def evolve(key: Any) -> Any:
        first, begin, key = jax.random.split(key, 3)
        population = jax.vmap(problem.sample)(jax.random.split(first, task.population))
        returns = measure(begin, population)

        def generation(evolved: Any, key: Any) -> Any:
            asked, measured, told = jax.random.split(key, 3)
            population, evolved = algorithm.ask(asked, evolved, parameters)
            returns = measure(measured, population)
            evolved, _ = algorithm.tell(told, population, -returns, evolved, parameters)
            return evolved, returns.sum()

        evolved = algorithm.init(key, population, -returns, parameters)
        _, later = jax.lax.scan(generation, evolved, jax.random.split(key, task.generations - 1))
        return (returns.sum() + later.sum()) * task.episodes  # a reward of 1 for each step

    return evolve


def _until_all_end(jax: Any, problem: Any, policy: Any, task: Task) -> Callable[[Any, Any], Any]:
    """All candidates in all episodes step by step, until the last has ended: their mean lengths `(P,)`."""
    numpy, env, settings = jax.numpy, problem.env, problem.env_params

    def step(theta: Any, seen: Any, state: Any, over: Any, length: Any, key: Any) -> Any:
        action = policy.apply(theta, seen, key)
        seen, state, _, terminated, _ = env.step_env(key, state, action, settings)
        ended = terminated | env.is_truncated(state, settings)
        return seen, state, over | ended, length + numpy.where(over, 0, 1)

    every = jax.vmap(jax.vmap(step, (None, 0, 0, 0, 0, None)), (0, 0, 0, 0, 0, None))

    def measure(key: Any, population: Any) -> Any:
        keys, shape = jax.random.split(key, task.episodes), (task.population, task.episodes)
        begun = jax.vmap(lambda key: env.reset_env(key, settings))(keys)
        seen, state = jax.tree.map(lambda x: numpy.broadcast_to(x, (task.population, *x.shape)), begun)
        clock = numpy.broadcast_to(numpy.asarray(state.time), shape)
        lanes = (seen, state.replace(time=clock), numpy.zeros(shape, bool), numpy.zeros(shape, numpy.int32))
        lanes = jax.lax.while_loop(lambda lanes: ~lanes[2].all(), lambda lanes: every(population, *lanes, key), lanes)
        return lanes[3].mean(-1, dtype=numpy.float32)

    return measure
