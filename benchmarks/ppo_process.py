"""A peer in a process of its own, whose interpreter need not be the one that measures: it answers lines of JSON.

The process is `python -m MODULE`, which calls `serve`. Beside it, what is asked of all that train by policy gradients,
and the loop that ours and JAX's share.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks import dqn_peer
from benchmarks.dqn_peer import Answer
from benchmarks.records import Sample, timed
from cartwheel.errors import CartwheelError, UsageError

#: The steps of a run at most, those between two looks at its policy, and the mean return to be reached.
BUDGET, EVERY, REACH = 100_000, 2048, 475.0

_ROOT = Path(__file__).parents[1]
_FOUND = "import sys, importlib.util as u; sys.exit(u.find_spec(sys.argv[1]) is None)"


@dataclass(frozen=True)
class Job(dqn_peer.Job):
    """Training by `algorithm`, ppo or a2c, as for DQN; looks come whenever the steps pass a multiple of `EVERY`.

    With `anew`, what is compiled is compiled anew, on the clock.
    """

    algorithm: str = "ppo"
    anew: bool = False


# --- the side that measures ------------------------------------------------------------------------------------------


class Process:
    """The process of a module that stands on this package, begun when it is first needed.

    UsageError where the interpreter does not have the package; `remedy` says what to do then.
    """

    def __init__(self, module: str, package: str, interpreter: str = sys.executable, remedy: str = "") -> None:
        self._module, self._interpreter, self._package = module, interpreter, package
        if subprocess.run([interpreter, "-c", _FOUND, package], check=False).returncode:
            raise UsageError(f"{package} is not installed: {remedy or 'make bench installs it'}")

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """What the process answers. CartwheelError where it died; why, it has said on the terminal."""
        process = self._process
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
        except OSError:
            raise self._died() from None
        return self._heard(process)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    @cached_property
    def _process(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [self._interpreter, "-m", self._module],
            env={**os.environ, "PYTHONPATH": str(_ROOT / "src")},
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._heard(process)  # it is ready
        return process

    def _heard(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise self._died()
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _died(self) -> CartwheelError:
        return CartwheelError(f"the process that ran {self._package} died")


def reached(answer: Answer) -> Sample:
    """A turn whose seconds are what it took to reach the mean return, infinite where it was not reached."""
    return Sample(answer.cpu, answer.wall) if answer.reached else Sample(float("inf"), float("inf"))


# --- the side that trains --------------------------------------------------------------------------------------------


def serve(answer: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Say that all is ready; then answer until there are no more questions."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def in_pieces(job: Job, piece: Callable[[], float], reaches: Callable[[int], bool]) -> Answer:
    """Do a job by a piece of training again and again, which gives its steps.

    `reaches` is asked, off the clock, whether the mean return is reached after so many steps.
    """
    cpu = wall = 0.0
    steps, done = 0, False
    while steps < job.steps and not done:
        sample = timed(piece, whose=(resource.RUSAGE_SELF,))
        before, steps = steps, steps + int(sample.work)
        cpu, wall = cpu + sample.cpu, wall + sample.wall
        done = job.reach is not None and due(before, steps) and reaches(steps)
    return Answer(cpu, wall, steps, done)


def due(before: int, steps: int) -> bool:
    """Whether a look is due when the steps have come from `before` to `steps`."""
    return steps // EVERY > before // EVERY
