"""DQN on CartPole-v1 beside stable-baselines3's: steps a second at the same settings, and the time to a mean of 475."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.dqn_peer import ENVIRONMENT, Answer, Job, StableBaselines
from benchmarks.records import Comparison, Contestant, Sample, Setting, UnavailableError, benchmark, timed
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.errors import CartwheelError, UsageError
from cartwheel.experience.records import Request
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.settings import resolve
from cartwheel.training import build
from cartwheel.training.settings import TrainSettings
from learning.peers.episodes import LOOK, VALIDATION

#: A Python that has stable-baselines3, where it is not the one that measures.
INTERPRETER = "CARTWHEEL_PEER_PYTHON"

#: The steps of a run at most, those between two looks at its policy, and the mean return to be reached.
BUDGET, EVERY, REACH = 50_000, 1000, 475.0

Settings = Mapping[str, Any]

#: What rl-baselines3-zoo publishes for stable-baselines3's DQN, in our words.
SAME: Settings = {
    "hidden": (256, 256),
    "stretch": 256,
    "updates": 128,
    "batch": 64,
    "capacity": 100_000,
    "learning_rate": 2.3e-3,
    "learning_starts": 1000,
    "gamma": 0.99,
    "epsilon_end": 0.04,
    "epsilon_steps": 8000,
    "target_interval": 10,
    "double": False,
    "n_step": 1,
}

#: Ours, chosen on seeds 1000 and up.
BEST: Settings = {
    **SAME,
    "hidden": (64, 64),
    "stretch": 64,
    "updates": 64,
    "learning_rate": 1e-3,
    "target_interval": 500,
    "double": True,
    "n_step": 10,
}

_OURS, _THEIRS, _BARE = "Cartwheel", "stable-baselines3", "bare matrix products"
_WARM, _COLD = "Cartwheel, a new process, its first steps", "Cartwheel, a new process, its first steps, empty cache"


# --- steps a second --------------------------------------------------------------------------------------------------


@benchmark(
    "dqn",
    "DQN on CartPole-v1 with 256-256 units, 128 updates of 64 transitions after each 256 steps, and the other settings "
    "that rl-baselines3-zoo publishes for stable-baselines3's, which is run in a process of its own: the first 10,240 "
    "steps, in one thread, another seed in each turn. Of both, the making of the learner is left out, and what is "
    "loaded or compiled once; it is in the turns of a new process, which imports Cartwheel (what it stands on is "
    "loaded before) and takes 1,280 steps, with its kernels compiled before and kept, or compiling them. The bare "
    "matrix products are those of the same updates by NumPy's BLAS, forward through both networks and back through "
    "one, and nothing else: the rate that they leave is the ceiling of a program that calls BLAS for each of them.",
    (
        Comparison(f"{_OURS} / {_THEIRS}", "per CPU second", "ratio", _OURS, _THEIRS, at_least=2.5),
        Comparison(f"{_OURS} / {_BARE}", "per CPU second", "ratio", _OURS, _BARE),
    ),
    unit="steps",
    rate="per CPU second",
)
def dqn(setting: Setting) -> Iterator[Contestant]:
    """Ours, the peer's and the ceiling; under `quick` an eighth of the steps, and nothing is compiled anew."""
    steps, peer = (1280 if setting.quick else 10_240), stable_baselines()
    train(Job(0, 1280, settings=SAME))  # compiles
    yield Contestant(_OURS, _numbered(lambda seed: rate(train(Job(seed, steps, settings=SAME)))))
    yield Contestant(_THEIRS, _numbered(lambda seed: peer.rate(Job(seed, steps, settings=theirs(SAME, steps)))))
    calls = products((4, *SAME["hidden"], 2), SAME["batch"])
    yield Contestant(_BARE, partial(timed, partial(_multiply, calls, updates_in(SAME, steps), float(steps))))
    yield Contestant(_WARM, partial(_new_process, {}))
    if not setting.quick:
        yield Contestant(_COLD, _numbered(lambda turn: _new_process(_empty_cache(setting.folder, turn))))


def rate(answer: Answer) -> Sample:
    """A turn whose work is the steps it took."""
    return Sample(answer.cpu, answer.wall, answer.steps)


def updates_in(settings: Settings, steps: int) -> int:
    """How many updates are made in so many steps: after each whole stretch, from the first that is late enough."""
    ends = range(settings["stretch"], steps + 1, settings["stretch"])
    return sum(settings["updates"] for end in ends if end >= settings["learning_starts"])


Product = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def products(sizes: Sequence[int], batch: int) -> list[Product]:
    """The matrix products of one update, with places for what comes of them.

    Forward through both networks; back through one, to its weights and to what all layers but the first are given.
    """
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((batch, units), np.float32) for units in sizes]
    W = [rng.standard_normal(shape, np.float32) for shape in pairwise(sizes)]
    layers = range(len(W))
    pairs = [(x[k], W[k]) for k in layers] * 2
    pairs += [(x[k].T, x[k + 1]) for k in layers] + [(x[k + 1], W[k].T) for k in layers if k > 0]
    return [(a, b, np.zeros((a.shape[0], b.shape[1]), np.float32)) for a, b in pairs]


def _multiply(calls: Sequence[Product], times: int, work: float) -> float:
    for _ in range(times):
        for a, b, out in calls:
            np.matmul(a, b, out=out)
    return work


# What Cartwheel stands on is loaded before, as what the peer stands on is.
_PROCESS = """
import numba, gymnasium, scipy.linalg
from benchmarks.records import timed
def job():
    from benchmarks import dqn
    return float(dqn.train(dqn.Job(0, 1280, settings=dqn.SAME)).steps)
sample = timed(job)
print(sample.cpu, sample.wall, sample.work)
"""


def _new_process(own: Mapping[str, str]) -> Sample:
    """The first steps in a new process, with these variables in its environment."""
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS],
        env={**os.environ, **own},
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    return Sample(*map(float, done.stdout.split()))


def _empty_cache(folder: Path, turn: int) -> dict[str, str]:
    return {"CARTWHEEL_CACHE_DIR": str(folder / f"cache-{turn}")}


# --- the time to 475 -------------------------------------------------------------------------------------------------

_JOBS: Mapping[str, Settings] = {"the same settings": SAME, "Cartwheel's best settings": BEST}


def _name(who: str, what: str) -> str:
    return f"{who}, {what}"


_WANTED = {_name(_OURS, "Cartwheel's best settings"): 3.0}


@benchmark(
    "dqn-475",
    f"The time until DQN's greedy policy has a mean return of {REACH:g} on CartPole-v1: looked at in {LOOK} episodes "
    f"whenever the steps pass a multiple of {EVERY:,}, and confirmed in {VALIDATION} fresh ones, both off the clock; "
    f"infinite where {BUDGET:,} steps do not do. The seed of a turn is its number, from 0 on, for all; ten turns are "
    "wanted. The same settings are those that rl-baselines3-zoo publishes for stable-baselines3's, its best that are "
    "known; Cartwheel's best were chosen on seeds 1000 and up, and stable-baselines3 is given them too. One thread; "
    "the making of a learner is left out, and what is loaded or compiled once: see the benchmark `dqn`.",
    tuple(
        Comparison(f"{name}: seconds", "CPU seconds", "value", name, at_most=_WANTED.get(name))
        for name in (_name(who, what) for what in _JOBS for who in (_OURS, _THEIRS))
    ),
)
def dqn_475(setting: Setting) -> Iterator[Contestant]:
    """Both libraries at both settings; under `quick` a few steps, which are not enough."""
    steps, peer = (1536 if setting.quick else BUDGET), stable_baselines()
    for what, settings in _JOBS.items():
        train(Job(0, 1536, REACH, settings))  # compiles
        yield Contestant(_name(_OURS, what), _numbered(partial(_ours_to, settings, steps)))
        yield Contestant(_name(_THEIRS, what), _numbered(partial(_theirs_to, peer, settings, steps)))


def _ours_to(settings: Settings, steps: int, seed: int) -> Sample:
    answer = train(Job(seed, steps, REACH, settings))
    return Sample(answer.cpu, answer.wall) if answer.reached else Sample(float("inf"), float("inf"))


def _theirs_to(peer: StableBaselines, settings: Settings, steps: int, seed: int) -> Sample:
    return peer.time_to(Job(seed, steps, REACH, theirs(settings, steps)))


def _numbered(play: Callable[[int], Sample]) -> Callable[[], Sample]:
    """Turns that are told their number."""
    numbers = count()
    return lambda: play(next(numbers))


# --- ours ------------------------------------------------------------------------------------------------------------


def train(job: Job) -> Answer:
    """Do a job, whose settings are options of ours, as `dqn_peer.train` does it: checks are off the clock."""
    made = _made(job.settings, job.seed)
    cpu = wall = 0.0
    steps, reached = 0, False
    while steps < job.steps and not reached:
        sample = timed(partial(_stretch, made), whose=(resource.RUSAGE_SELF,))
        before, steps = steps, steps + int(sample.work)
        cpu, wall = cpu + sample.cpu, wall + sample.wall
        if job.reach is not None and steps // EVERY > before // EVERY:
            reached = _reaches(made, job.reach, steps)
    return Answer(cpu, wall, steps, reached)


def _made(settings: Settings, seed: int) -> build.Job:
    entry = ALGORITHMS["dqn"]
    general = {"hidden": settings["hidden"], "seed": seed}
    own = {name: value for name, value in settings.items() if name not in general}
    return build.prepare(entry, ENVIRONMENT, resolve(TrainSettings, general), resolve(entry.settings, own))


def _stretch(made: build.Job) -> float:
    """What the trainer does between two rows: ask, measure, tell. The steps it took."""
    assert made.collector is not None
    experience = made.collector(made.algorithm.ask())
    made.algorithm.tell(experience)
    return float(experience.steps)


def _reaches(made: build.Job, wanted: float, steps: int) -> bool:
    """Whether the policy that would act next has that mean in ten episodes, and then in a hundred others."""
    theta = made.algorithm.ask().parameters[0]
    return all(
        _mean(made, theta, episode_seeds(made.settings.seed, purpose, steps, count=episodes)) >= wanted
        for purpose, episodes in ((Purpose.CHECK, LOOK), (Purpose.VALIDATION, VALIDATION))
    )


def _mean(made: build.Job, theta: NDArray[np.float32], seeds: NDArray[np.int64]) -> float:
    return float(made.rollout(Request(parameters=theta[None], episodes=len(seeds)), seeds).returns.mean())


# --- theirs ----------------------------------------------------------------------------------------------------------

_WORDS = {
    "stretch": "train_freq",
    "updates": "gradient_steps",
    "batch": "batch_size",
    "capacity": "buffer_size",
    "learning_rate": "learning_rate",
    "learning_starts": "learning_starts",
    "gamma": "gamma",
    "epsilon_end": "exploration_final_eps",
    "target_interval": "target_update_interval",
    "n_step": "n_steps",
}


def theirs(settings: Settings, steps: int) -> dict[str, Any]:
    """Our settings as keywords of stable-baselines3's DQN, for a run of so many steps.

    It knows no double learning and goes without. CartwheelError for what is not known how to say.
    """
    said = {"hidden", "epsilon_steps", "double"}
    unknown = settings.keys() - said - _WORDS.keys()
    if unknown:
        raise CartwheelError(f"stable-baselines3's DQN is not told {', '.join(sorted(unknown))}: put it in words")
    return {
        **{_WORDS[name]: value for name, value in settings.items() if name not in said},
        "exploration_fraction": min(1.0, settings["epsilon_steps"] / steps),
        "policy_kwargs": {"net_arch": [*settings["hidden"]]},
    }


def stable_baselines() -> StableBaselines:
    """The peer in a process of its own. UsageError where it is not installed."""
    try:
        return StableBaselines(os.environ.get(INTERPRETER, sys.executable))
    except UnavailableError:
        raise UsageError(
            f"stable-baselines3 is not installed: name a Python that has it, and Gymnasium, in {INTERPRETER}"
        ) from None
