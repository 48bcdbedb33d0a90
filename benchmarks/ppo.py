"""PPO and A2C on CartPole-v1 beside stable-baselines3's and a PPO in JAX: steps a second, and the time to 475."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from benchmarks.dqn import INTERPRETER, _numbered, _reaches, rate
from benchmarks.dqn_peer import ENVIRONMENT, Answer
from benchmarks.ppo_process import BUDGET, EVERY, REACH, Job, Process, in_pieces, reached
from benchmarks.ppo_settings import A2C, BEST, PUBLISHED, PUREJAX, SAME, Settings, theirs
from benchmarks.records import Comparison, Contestant, Sample, Setting, benchmark
from benchmarks.startup import _process
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.settings import resolve
from cartwheel.training import build
from cartwheel.training.blas import one_thread
from cartwheel.training.settings import TrainSettings
from learning.peers.episodes import LOOK, VALIDATION

_OURS, _THEIRS, _JAX, _AHEAD = "Cartwheel", "stable-baselines3", "JAX", "JAX, rearranged"
_COMPILED = "JAX, compilation on the clock"
_WARM, _COLD = "Cartwheel, a whole process", "Cartwheel, a whole process, empty cache"

Train = Callable[[Job], Answer]


def _name(who: str, what: str) -> str:
    return f"{who}, {what}"


# --- steps a second --------------------------------------------------------------------------------------------------

_ZOO, _PURE = "rl-baselines3-zoo's settings", "PureJaxRL's settings"


def _beside(what: str, second: str, at_least: float | None) -> Comparison:
    first, other = _name(_OURS, what), _name(second, what)
    return Comparison(f"{first} / {second}", "per CPU second", "ratio", first, other, at_least=at_least)


@benchmark(
    "ppo",
    f"PPO on CartPole-v1, {BUDGET:,} steps, in one thread, another seed in each turn; a network of 64-64 tanh units "
    "for the policy, another for the value. rl-baselines3-zoo's settings: 8 environments, 32 steps, 20 epochs of one "
    "minibatch of 256; PureJaxRL's: 4 environments, 128 steps, 4 epochs of 4 minibatches of 128. stable-baselines3 is "
    "run in a process of its own, and so is JAX, on one core, whose PPO is one compiled call of float32, arranged as "
    "PureJaxRL is; rearranged, it draws random numbers before a stretch, computes values after it, and does not "
    "shuffle a minibatch that is the whole stretch. The making of a learner is left out, and what is loaded or "
    "compiled once; ours records its programs on the clock. JAX's compilation is in turns of its own; ours is in that "
    f"of a whole process, {EVERY:,} steps from its start to its end, with an empty cache or with kernels that were "
    "compiled before.",
    (
        _beside(_ZOO, _THEIRS, 7.0),
        _beside(_ZOO, _JAX, 1.0),
        _beside(_ZOO, _AHEAD, None),
        _beside(_PURE, _JAX, 1.5),
        _beside(_PURE, _AHEAD, None),
    ),
    unit="steps",
    rate="per CPU second",
)
def ppo(setting: Setting) -> Iterator[Contestant]:
    """Ours and the peers; under `quick` few steps, and nothing is compiled anew."""
    steps, jax, sb3 = (EVERY if setting.quick else BUDGET), *_rivals()
    for what, settings in ((_ZOO, SAME), (_PURE, PUREJAX)):
        job, ahead = Job(0, steps, settings=settings), {**settings, "ahead": True}
        train(replace(job, steps=EVERY))  # compiles
        yield _contestant(_OURS, what, train, job)
        if settings is SAME:
            yield _contestant(_THEIRS, what, sb3, replace(job, settings=PUBLISHED["ppo"]))
        yield _contestant(_JAX, what, jax, job)
        yield _contestant(_AHEAD, what, jax, replace(job, settings=ahead))
        if not setting.quick:
            yield _contestant(_COMPILED, what, jax, replace(job, anew=True))
    yield Contestant(_WARM, partial(_whole_process, None))
    if not setting.quick:
        yield Contestant(_COLD, _numbered(lambda turn: _whole_process(setting.folder / f"cache-{turn}")))


def _contestant(who: str, what: str, train: Train, job: Job) -> Contestant:
    return Contestant(_name(who, what), _numbered(lambda seed: rate(train(replace(job, seed=seed)))))


_PROCESS = f"""
from benchmarks import ppo
ppo.train(ppo.Job(0, {EVERY}, settings=ppo.SAME))
"""


def _whole_process(cache: Path | None) -> Sample:
    """Python's start, all imports and some steps, with this kernel cache or the usual one."""
    sample = _process([sys.executable, "-c", _PROCESS], Path(__file__).parents[1], cache)
    return replace(sample, work=float(EVERY))


@benchmark(
    "a2c",
    f"A2C on CartPole-v1, {BUDGET:,} steps, in one thread, another seed in each turn, at the settings that "
    "rl-baselines3-zoo publishes: 8 environments, an update for each 5 steps; a network of 64-64 tanh units for the "
    "policy, another for the value. Ours takes Adam; stable-baselines3's, in a process of its own, RMSprop. The making "
    "of a learner is left out, and what is loaded or compiled once; ours records its programs on the clock.",
    (Comparison(f"{_OURS} / {_THEIRS}", "per CPU second", "ratio", _OURS, _THEIRS, at_least=15.0),),
    unit="steps",
    rate="per CPU second",
)
def a2c(setting: Setting) -> Iterator[Contestant]:
    """Ours and stable-baselines3's; under `quick` few steps."""
    job = Job(0, EVERY if setting.quick else BUDGET, settings=A2C, algorithm="a2c")
    sb3 = learner(stable_baselines())
    told = replace(job, settings=PUBLISHED["a2c"])
    train(replace(job, steps=EVERY))  # compiles
    yield Contestant(_OURS, _numbered(lambda seed: rate(train(replace(job, seed=seed)))))
    yield Contestant(_THEIRS, _numbered(lambda seed: rate(sb3(replace(told, seed=seed)))))


# --- the time to 475 -------------------------------------------------------------------------------------------------

_SAME, _BEST, _OWN = "the same settings", "Cartwheel's best settings", "its own settings"
_RUNS = (
    *((who, _SAME) for who in (_OURS, _THEIRS, _JAX)),
    *((who, _BEST) for who in (_OURS, _THEIRS, _JAX)),
    *((who, _OWN) for who in (_THEIRS, _JAX)),
)
_WANTED = {(_OURS, _BEST): 0.2}


@benchmark(
    "ppo-475",
    f"The time until PPO's greedy policy has a mean return of {REACH:g} on CartPole-v1: looked at in {LOOK} episodes "
    f"whenever the steps pass a multiple of {EVERY:,}, and confirmed in {VALIDATION} fresh ones, both off the clock; "
    f"infinite where {BUDGET:,} steps do not do. The seed of a turn is its number, from 0 on, for all; ten turns are "
    "wanted. The same settings are rl-baselines3-zoo's, but for the clip's range, which stays; Cartwheel's best were "
    "chosen on seeds 1000 and up, and the others are given them too; their own are what rl-baselines3-zoo publishes, "
    "and PureJaxRL. One thread; the making of a learner is left out, and what is loaded or compiled once: see the "
    "benchmark `ppo`.",
    tuple(
        Comparison(
            f"{_name(*run)}: seconds", "CPU seconds", "value", _name(*run), at_most=_WANTED.get(run)
        )
        for run in _RUNS
    ),
)  # fmt: skip
def ppo_475(setting: Setting) -> Iterator[Contestant]:
    """All at the same settings, at our best and at their own; under `quick` a few steps, which are not enough."""
    steps, jax, sb3 = (EVERY if setting.quick else BUDGET), *_rivals()
    ours = {what: _within(settings, steps) for what, settings in ((_SAME, SAME), (_BEST, BEST))}
    words: dict[str, tuple[Train, dict[str, Settings]]] = {
        _OURS: (train, ours),
        _THEIRS: (sb3, {**{what: theirs(told, steps) for what, told in ours.items()}, _OWN: PUBLISHED["ppo"]}),
        _JAX: (jax, {**ours, _OWN: PUREJAX}),
    }
    for settings in ours.values():
        train(Job(0, EVERY, REACH, settings))  # compiles
    for who, what in _RUNS:
        learn, told = words[who][0], words[who][1][what]
        yield Contestant(_name(who, what), _numbered(partial(_time_to, learn, Job(0, steps, REACH, told))))


def _within(settings: Settings, steps: int) -> Settings:
    """The same with a step size that falls over these steps at most, so that a glance can be told to all."""
    return {**settings, "anneal_steps": min(settings["anneal_steps"], steps)}


def _time_to(learn: Train, job: Job, seed: int) -> Sample:
    return reached(learn(replace(job, seed=seed)))


# --- ours, and theirs ------------------------------------------------------------------------------------------------


def train(job: Job) -> Answer:
    """Do a job, whose settings are options of ours."""
    made = _made(job)

    def stretch() -> float:
        """What the trainer does between two rows: ask, measure, tell; and what is drawn to be asked for next."""
        assert made.collector is not None
        experience = made.collector(made.algorithm.ask())
        made.algorithm.tell(experience)
        made.algorithm.ask()
        return float(experience.steps)

    with one_thread():
        return in_pieces(job, stretch, lambda steps: _reaches(made, job.reach or 0.0, steps))


def _made(job: Job) -> build.Job:
    entry = ALGORITHMS[job.algorithm]
    general = {**entry.general, "hidden": job.settings["hidden"], "seed": job.seed}
    own = {"scale_rewards": False, **{name: value for name, value in job.settings.items() if name != "hidden"}}
    return build.prepare(entry, ENVIRONMENT, resolve(TrainSettings, general), resolve(entry.settings, own))


def stable_baselines(module: str = "benchmarks.ppo_peer") -> Process:
    """A process of the peer, by what it runs. UsageError where stable-baselines3 is not installed."""
    remedy = f"name a Python that has it, and Gymnasium, in {INTERPRETER}"
    return Process(module, "stable_baselines3", os.environ.get(INTERPRETER, sys.executable), remedy)


def learner(process: Process) -> Train:
    """How a process that trains is asked to."""
    return lambda job: Answer(**process.ask(asdict(job)))


def _rivals() -> tuple[Train, Train]:
    """The PPO in JAX and stable-baselines3's PPO and A2C. UsageError where these are not installed."""
    return learner(Process("benchmarks.ppo_jax_peer", "jax")), learner(stable_baselines())
