"""Settings of DQN."""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.algorithms.explorer import ExplorerSettings
from cartwheel.errors import UsageError
from cartwheel.settings import option


@dataclass(frozen=True)
class DQNSettings(ExplorerSettings):
    """Settings of DQN."""

    stretch: int = option(
        64, "steps of each lane between two updates of the policy that acts", minimum=1, maximum=1_000_000
    )
    updates: int = option(64, "updates after each stretch", minimum=1, maximum=1_000_000)
    batch: int = option(64, "windows, or sequences, that an update learns from", minimum=1, maximum=1_000_000)
    capacity: int = option(100_000, "transitions that the replay memory holds", minimum=1, maximum=1_000_000_000)
    learning_starts: int = option(1_000, "environment steps before the first update", minimum=0)
    learning_rate: float = option(1e-3, "step size of Adam (alpha)", above=0.0, maximum=1e3)
    target_interval: int = option(500, "environment steps after which the target network is set anew", minimum=1)
    tau: float = option(
        0.0, "move the target network by this share at each update instead (0: not)", minimum=0.0, maximum=1.0
    )
    double: bool = option(True, "let the learning network choose the action that the target network values")
    dueling: bool = option(False, "values of states and advantages of actions apart")
    n_step: int = option(5, "steps of a window, whose rewards are added up", minimum=1, maximum=10_000)
    priority: float = option(
        0.0, "draw by TD errors to this power (alpha of prioritised replay; 0: all alike)", minimum=0.0, maximum=1.0
    )
    priority_correction: float = option(
        0.4, "what importance weights begin with (beta); they grow to 1", minimum=0.0, maximum=1.0
    )
    priority_steps: int = option(100_000, "environment steps until importance weights are whole", minimum=1)
    max_gradient: float = option(10.0, "longest gradient; longer ones are shortened", above=0.0, maximum=1e9)
    burn_in: int = option(10, "networks with a memory: steps that only bring the memory up to date", minimum=0)
    sequence: int = option(20, "networks with a memory: steps of a sequence that are learnt from", minimum=1)

    def __post_init__(self) -> None:
        if self.capacity < self.lanes * self.stretch:
            raise UsageError(
                f"--capacity: expected room for a stretch of {self.lanes * self.stretch:,} transitions at least, "
                f"got {self.capacity:,}"
            )
