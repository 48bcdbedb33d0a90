"""What is found out about an environment before a run: its faults, and whether a seed gives the same episode."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from cartwheel.envs.check import check_environment
from cartwheel.envs.environment import find_environment
from cartwheel.errors import UsageError
from cartwheel.seeds import Purpose, episode_seeds

SEED = int(episode_seeds(0, Purpose.CHECK, count=1)[0])


class Walk(gymnasium.Env[Any, Any]):
    """A random walk as it should be: all its chance comes from its own generator.

    `faults` says what it gives instead, by step (0 is the reset) and field; an exception is raised.
    """

    observation_space: Any = spaces.Box(-np.inf, np.inf, (2,))
    action_space: Any = spaces.Discrete(2)
    faults: dict[tuple[int, str], Any] = {}  # noqa: RUF012

    def __init__(self, length: int = 100) -> None:
        self.length = length

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps, self.place = 0, self.noise()
        return self.observe(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        self.place = self.place + self.noise() + action
        reward = self.told("reward", self.reward())
        return self.observe(), reward, self.told("terminated", self.steps >= self.length), False, {}

    def told(self, field: str, value: Any) -> Any:
        value = self.faults.get((self.steps, field), value)
        if isinstance(value, Exception):
            raise value
        return value

    def noise(self) -> Any:
        return self.np_random.normal(size=2)

    def observe(self) -> Any:
        return self.told("observation", self.place.astype(np.float32))

    def reward(self) -> float:
        return float(self.place[0])


class Deaf(Walk):
    """Draws without regard to the seed."""

    def noise(self) -> Any:
        return np.random.default_rng().normal(size=2)


class DeafInSteps(Walk):
    """Starts as the seed says, and then draws from a generator that reset does not touch."""

    def __init__(self) -> None:
        super().__init__()
        self.own = np.random.default_rng(1)

    def step(self, action: Any) -> Any:
        answer = super().step(action)
        self.place = self.place + self.own.normal(size=2)
        return answer


class Remembers(Walk):
    """Goes on where the last episode ended."""

    memory = 0

    def reset(self, **given: Any) -> Any:
        answer = super().reset(**given)
        self.memory += 1
        self.place = self.place + self.memory
        return self.observe(), answer[1]


class Numbered(Walk):
    """Is another environment each time it is made."""

    counter = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.number = next(self.counter)

    def reward(self) -> float:
        return float(self.number)


class Tired(Walk):
    """The second episode of an environment ends sooner."""

    episodes = 0

    def reset(self, **given: Any) -> Any:
        self.episodes += 1
        self.length = 20 - self.episodes
        return super().reset(**given)


class Shared(Walk):
    """Seeds NumPy's global generator in reset, and draws from it ever after."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        np.random.seed(seed)  # noqa: NPY002 (that is what is wrong with it)
        return super().reset(seed=seed)

    def noise(self) -> Any:
        return np.random.normal(size=2)  # noqa: NPY002


WARNING = (
    "gives another episode for the same seed: this run can't be repeated or resumed to the bit, "
    "its result depends on the number of workers, and candidates meet different episodes"
)


@pytest.mark.parametrize(
    "maker", ["CartPole-v1", "MountainCarContinuous-v0", "Blackjack-v1", "FrozenLake-v1", Walk, lambda: Walk(3)]
)
def test_nothing_is_said_of_an_environment_that_keeps_to_its_seed(maker: Any) -> None:
    assert check_environment(find_environment(maker)) == []


@pytest.mark.parametrize("maker", [Deaf, DeafInSteps, Remembers, Numbered, Tired])
def test_one_that_ignores_its_seed_gets_a_warning_of_what_no_longer_holds(maker: Any) -> None:
    environment = find_environment(maker)
    assert check_environment(environment) == [f"{environment.name} {WARNING}"]


def test_environments_that_disturb_each_other_get_a_warning() -> None:
    """GeneralRollout steps 16 side by side: with a shared generator the result depends on lanes and workers."""
    assert check_environment(find_environment(Shared))


def test_a_factory_that_hands_out_the_same_environment_again_is_refused() -> None:
    """All lanes would step one environment, and every return would be wrong."""
    only = Walk()
    with pytest.raises(UsageError, match="same"):
        check_environment(find_environment(lambda: only))


def test_environments_are_closed_and_the_global_generator_left_alone() -> None:
    made: list[Any] = []

    class Closing(Walk):
        def __init__(self) -> None:
            super().__init__()
            self.closed = 0
            made.append(self)

        def close(self) -> None:
            self.closed += 1

    state = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    check_environment(find_environment(Closing))
    assert [env.closed for env in made] == [1, 1, 1]
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index]  # noqa: NPY002


# --- faults ----------------------------------------------------------------------------------------------------------


def refusal(env: type[Walk]) -> str:
    environment = find_environment(env)
    with pytest.raises(UsageError) as caught:
        check_environment(environment)
    text = str(caught.value)
    assert "\n" not in text
    start = f"environment {environment.name} failed in its "
    assert text.startswith(start)
    return text.removeprefix(start)


def faulty(step: int, field: str, value: Any) -> type[Walk]:
    class Faulty(Walk):
        faults = {(step, field): value}  # noqa: RUF012

    return Faulty


STUCK = RuntimeError("the motor\nis stuck")


@pytest.mark.parametrize(
    ("step", "field", "value", "text"),
    [
        (0, "observation", STUCK, "reset (episode seed {seed}, step 0): RuntimeError: the motor is stuck"),
        (4, "observation", STUCK, "step (episode seed {seed}, step 4): RuntimeError: the motor is stuck"),
        (0, "observation", np.array([0, np.nan]), "observation (episode seed {seed}, step 0): not finite: [0.0, nan]"),
        (5, "observation", np.array([np.inf, 0]), "observation (episode seed {seed}, step 5): not finite: [inf, 0.0]"),
        (0, "observation", [0, 0, 0], "observation (episode seed {seed}, step 0): expected shape (2,), got (3,)"),
        (6, "observation", [[0], [0]], "observation (episode seed {seed}, step 6): expected shape (2,), got (2, 1)"),
        (1, "reward", None, "reward (episode seed {seed}, step 1): expected a number, got None"),
        (9, "reward", np.nan, "reward (episode seed {seed}, step 9): not finite: nan"),
        (2, "terminated", "yes", "terminated (episode seed {seed}, step 2): expected true or false, got 'yes'"),
    ],
)
def test_a_fault_is_a_usage_error_that_says_where(step: int, field: str, value: Any, text: str) -> None:
    assert refusal(faulty(step, field, value)) == text.format(seed=SEED)


def test_an_observation_of_the_last_step_is_looked_at_too() -> None:
    class Ends(Walk):
        faults = {(3, "observation"): np.full(2, np.nan), (3, "terminated"): True}  # noqa: RUF012

    assert refusal(Ends) == f"observation (episode seed {SEED}, step 3): not finite: [nan, nan]"


def test_a_fault_in_a_long_observation_is_one_line() -> None:
    class Wide(Walk):
        observation_space = spaces.Box(-1, 1, (30,))

        def observe(self) -> Any:
            return np.full(30, np.nan)

    refusal(Wide)


def test_every_kind_of_action_is_tried() -> None:
    """An environment that takes only what belongs to its space finds nothing to complain of."""
    kinds = [
        spaces.Discrete(3, start=3),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary([2, 2]),
        spaces.Box(-1, 1, (2, 3), np.float64),
        spaces.Box(0, 9, (2,), np.int64),
    ]
    for kind in kinds:
        seen = []

        class Particular(Walk):
            action_space = kind

            def step(self, action: Any) -> Any:
                assert self.action_space.contains(action)
                seen.append(np.asarray(action).tobytes())  # noqa: B023 (used up within the round)
                return super().step(0)

        assert check_environment(find_environment(Particular)) == []
        assert len(seen) == 120  # twice alone, then two side by side
        assert seen[:30] == seen[30:60] == seen[60::2] == seen[61::2]
        assert len(set(seen)) > 1


def test_an_environment_that_exits_or_can_not_be_closed_is_borne() -> None:
    class Leaving(Walk):
        def step(self, action: Any) -> Any:
            raise SystemExit(3)

    class Clinging(Walk):
        def close(self) -> None:
            raise RuntimeError("no")

    with pytest.raises(UsageError, match="SystemExit"):
        check_environment(find_environment(Leaving))
    assert check_environment(find_environment(Clinging)) == []
