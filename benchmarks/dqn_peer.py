"""stable-baselines3's DQN for the benchmark `dqn`: a process of its own, which answers jobs, a line of JSON each.

`python -m benchmarks.dqn_peer` is that process; its interpreter need not be the one that measures. It trains on
CartPole-v1 at rl-baselines3-zoo's settings (`learning/peers/dqn.py`), or at those that a job puts in their place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.records import Sample, UnavailableError
from cartwheel.errors import CartwheelError
from cartwheel.seeds import Purpose, episode_seeds
from learning.peers.dqn import ZOO, dqn
from learning.peers.episodes import LOOK, VALIDATION, Act, play
from learning.peers.training import greedy, learn, versions

ENVIRONMENT = "CartPole-v1"

_ROOT = Path(__file__).parents[1]
_FOUND = "import sys, importlib.util as u; sys.exit(u.find_spec('stable_baselines3') is None)"


@dataclass(frozen=True)
class Job:
    """Training with a seed for so many steps.

    With `reach`, it ends as soon as the greedy policy has that mean return: looked at in 10 episodes every 1,000 steps,
    confirmed in 100 fresh ones. `settings` are keywords of stable-baselines3's DQN in place of the published ones.
    """

    seed: int
    steps: int
    reach: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The seconds of training alone, the steps taken, and whether the mean return was reached."""

    cpu: float
    wall: float
    steps: int
    reached: bool


# --- the side that measures ------------------------------------------------------------------------------------------


class StableBaselines:
    """The process, begun when it is first needed; `interpreter` is a Python that has stable-baselines3.

    UnavailableError where it has not.
    """

    def __init__(self, interpreter: Path | str = sys.executable) -> None:
        self._interpreter = str(interpreter)
        if subprocess.run([self._interpreter, "-c", _FOUND], check=False).returncode:
            raise UnavailableError("not installed")

    def rate(self, job: Job) -> Sample:
        """A turn whose work is the steps it took."""
        answer = self.ask(job)
        return Sample(answer.cpu, answer.wall, answer.steps)

    def time_to(self, job: Job) -> Sample:
        """A turn whose seconds are what it took to reach the mean return, infinite where it was not reached."""
        answer = self.ask(job)
        return Sample(answer.cpu, answer.wall) if answer.reached else Sample(float("inf"), float("inf"))

    def ask(self, job: Job) -> Answer:
        """What the process answers. CartwheelError where it died; why, it has said on the terminal."""
        return Answer(**self._asked(json.dumps(asdict(job))))

    @property
    def versions(self) -> str:
        """The versions of what it runs on."""
        return self._process[1]

    def close(self) -> None:
        """End the process."""
        self._process[0].communicate()

    def _asked(self, line: str) -> Any:
        process = self._process[0]
        assert process.stdin is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except OSError:
            raise _died() from None
        return _heard(process)

    @cached_property
    def _process(self) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [self._interpreter, "-m", "benchmarks.dqn_peer"],
            env={**os.environ, "PYTHONPATH": str(_ROOT / "src")},
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return process, _heard(process)["versions"]


def _heard(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise _died()
    return json.loads(line)


def _died() -> CartwheelError:
    return CartwheelError("the process that ran stable-baselines3 died")


# --- the side that trains --------------------------------------------------------------------------------------------


def serve() -> None:
    """Say the versions; then answer jobs until there are no more. What PyTorch does once is done before."""
    train(Job(seed=0, steps=1280))
    print(json.dumps({"versions": versions()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(train(Job(**json.loads(line))))), flush=True)


def train(job: Job) -> Answer:
    """Do a job."""
    model = dqn(ENVIRONMENT, job.seed, {**ZOO[ENVIRONMENT], **job.settings})
    act, reached = greedy(model), False

    def goes_on(steps: int) -> bool:
        nonlocal reached
        reached = job.reach is not None and reaches(act, job.reach, job.seed, steps)
        return not reached

    spent = learn(model, job.steps, 1000, goes_on)
    return Answer(spent.cpu, spent.wall, model.num_timesteps, reached)


def reaches(act: Act, wanted: float, seed: int, steps: int) -> bool:
    """Whether the mean return is at least `wanted` in ten episodes, and then in a hundred others."""
    trials = ((Purpose.CHECK, LOOK), (Purpose.VALIDATION, VALIDATION))
    return all(
        play(ENVIRONMENT, act, episode_seeds(seed, purpose, steps, count=count))[0].mean() >= wanted
        for purpose, count in trials
    )


if __name__ == "__main__":
    serve()
