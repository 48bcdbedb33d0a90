"""The general settings of a run: those that every algorithm shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cartwheel.errors import UsageError
from cartwheel.settings import option
from cartwheel.training.hooks import Budget

#: The budget, in environment steps, of a run that is given none.
DEFAULT_STEPS = 20_000_000

#: Seconds without progress after which a worker is taken to hang. A step of an environment is progress.
PATIENCE = 300.0


@dataclass(frozen=True)
class TrainSettings:
    """General settings of a run."""

    seed: int = option(0, "the number that all random numbers of the run follow from", minimum=0)
    workers: int = option(
        1,
        "how many work side by side (where single steps are learnt from in compiled physics, or by Ray, at validation "
        "and test alone); the result is the same for any number",
        minimum=1,
        maximum=1024,
    )
    executor: str = option(
        "auto",
        "who works: threads for compiled physics and processes for all other (auto), or actors of a Ray cluster",
        choices=("auto", "threads", "processes", "ray"),
    )
    address: str | None = option(
        None,
        "ray: HOST:PORT of a cluster that runs (default: one is started here, and ends with the run)",
        stored=False,
    )
    patience: float = option(
        PATIENCE, "processes, ray: seconds without a step after which a worker hangs, and is replaced", above=0
    )
    generations: int | None = option(
        None, "budget: stop after this many generations (learning from single steps: stretches)", minimum=1
    )
    steps: int | None = option(
        None, f"budget: stop after this many environment steps ({DEFAULT_STEPS:,} if no budget is given)", minimum=1
    )
    seconds: float | None = option(None, "budget: stop after this many seconds", above=0)
    solved_at: float | None = option(None, "the return that counts as solved (default: the environment's own)")
    early_stop: bool = option(True, "stop when solved; otherwise go on to the end of the budget")
    hidden: tuple[int, ...] = option((16,), "unit counts of the network's hidden layers", minimum=1, maximum=65_536)
    memory: str = option(
        "none",
        "what the network remembers by: its last hidden layer is then made of these recurrent cells",
        choices=("none", "rnn", "gru", "lstm"),
    )
    frames: int = option(
        1, "observations that the network sees at once: the last one, and those before it", minimum=1, maximum=1000
    )
    normalise: bool = option(False, "normalise observations by their running mean and deviation, a part of the policy")
    finalists: int = option(
        5,
        "evolution: the best candidates of the last generation that validation episodes choose from",
        minimum=1,
        maximum=1000,
    )
    interval: int = option(
        5_000,
        "learning from single steps: steps between two rows of metrics, most with a look at the greedy policy",
        minimum=1,
    )
    activation: str = option("relu", "activation of the hidden layers", choices=("relu", "tanh", "identity"))
    native: bool = option(True, "use compiled physics for the environments that have them")
    max_episode_steps: int | None = option(
        None, "time limit of an episode (default: the environment's own)", minimum=1, maximum=1_000_000_000
    )
    env_args: Mapping[str, Any] | None = option(None, "arguments for the environment")

    def __post_init__(self) -> None:
        if self.address is None:
            return
        host, _, port = self.address.rpartition(":")
        if self.executor != "ray":
            raise UsageError(f"--address: expected --executor ray with it, got {self.executor}")
        if not host or not port.isdecimal():
            raise UsageError(f"--address: expected HOST:PORT, such as 192.0.2.1:6379, got {self.address!r}")

    @property
    def budget(self) -> Budget:
        """When the run ends at the latest."""
        if self.generations is None and self.steps is None and self.seconds is None:
            return Budget(steps=DEFAULT_STEPS)
        return Budget(self.generations, self.steps, self.seconds)
