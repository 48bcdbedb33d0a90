"""One reset or step at a time: what came of it, or a fault that names the episode, the step and the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest

from cartwheel.envs.environment import Environment, find_environment
from cartwheel.envs.stepping import checked_reset, checked_step, flat_observation
from cartwheel.errors import EnvironmentFault

HERE = np.zeros(2, np.float32)


class Puppet(gymnasium.Env[Any, Any]):
    """Does at each call what it is told."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, does: Callable[..., Any] = lambda **_: (HERE, {})) -> None:
        self.does = does

    def reset(self, **given: Any) -> Any:
        return self.does(**given)

    def step(self, action: Any) -> Any:
        return self.does(action=action)


PUPPETS = find_environment(Puppet)


def fault_of(call: Callable[[], Any]) -> EnvironmentFault:
    with pytest.raises(EnvironmentFault) as caught:
        call()
    fault = caught.value
    assert fault.environment == PUPPETS.name
    assert "\n" not in str(fault)
    return fault


def step(answer: Any) -> Any:
    return checked_step(PUPPETS, Puppet(lambda action: answer), 1, seed=42, step=7)


def boom(error: BaseException) -> Callable[..., Any]:
    def does(**given: Any) -> Any:
        raise error

    return does


def test_reset_hands_on_the_seed_and_gives_the_observation() -> None:
    given: dict[str, Any] = {}

    def does(seed: int) -> Any:
        given["seed"] = seed
        return HERE, {"info": 1}

    assert checked_reset(PUPPETS, Puppet(does), 42) is HERE
    assert given == {"seed": 42}


def test_step_hands_on_the_action_and_gives_what_came() -> None:
    given = []

    def does(action: Any) -> Any:
        given.append(action)
        return HERE, 1, False, True, {}

    assert checked_step(PUPPETS, Puppet(does), 3, seed=0, step=1) == (HERE, 1.0, False, True)
    assert given == [3]


@pytest.mark.parametrize("reward", [2, 2.0, np.float32(2), np.float64(2), np.array(2.0), np.int64(2)])
def test_rewards_become_floats(reward: Any) -> None:
    got = step((HERE, reward, False, False, {}))[1]
    assert got == 2.0
    assert type(got) is float


@pytest.mark.parametrize("true", [True, np.True_, 1, np.int64(1)])
@pytest.mark.parametrize("false", [False, np.False_, 0, np.int8(0)])
def test_flags_become_booleans(true: Any, false: Any) -> None:
    assert step((HERE, 0, true, false, {}))[2:] == (True, False)
    for flag in step((HERE, 0, false, true, {}))[2:]:
        assert type(flag) is bool


@pytest.mark.parametrize(
    ("answer", "field", "problem"),
    [
        ((HERE, None, False, False, {}), "reward", "expected a number, got None"),
        ((HERE, "much", False, False, {}), "reward", "expected a number, got 'much'"),
        ((HERE, [1.0, 2.0], False, False, {}), "reward", "expected a number, got [1.0, 2.0]"),
        ((HERE, 1j, False, False, {}), "reward", "expected a number, got 1j"),
        ((HERE, np.nan, False, False, {}), "reward", "not finite: nan"),
        ((HERE, 1.1e100, False, False, {}), "reward", "larger than 1e+100: 1.1e+100"),
        ((HERE, -1e308, False, False, {}), "reward", "larger than 1e+100: -1e+308"),
        ((HERE, np.float32("-inf"), False, False, {}), "reward", "not finite: -inf"),
        ((HERE, 0, "yes", False, {}), "terminated", "expected true or false, got 'yes'"),
        ((HERE, 0, None, False, {}), "terminated", "expected true or false, got None"),
        ((HERE, 0, 2, False, {}), "terminated", "expected true or false, got 2"),
        ((HERE, 0, False, 0.0, {}), "truncated", "expected true or false, got 0.0"),
        ((HERE, 0, False, {}, {}), "truncated", "expected true or false, got {}"),
        ((HERE, 0, False, {}), "step", "ValueError: not enough values to unpack (expected 5, got 4)"),
        (None, "step", "TypeError: cannot unpack non-iterable NoneType object"),
    ],
)
def test_a_fault_of_a_step(answer: Any, field: str, problem: str) -> None:
    fault = fault_of(lambda: step(answer))
    assert (fault.seed, fault.step, fault.field, fault.problem) == (42, 7, field, problem)


def test_a_text_is_no_reward() -> None:
    assert fault_of(lambda: step((HERE, "1.5", False, False, {}))).field == "reward"


def test_a_huge_whole_number_is_no_reward() -> None:
    assert fault_of(lambda: step((HERE, 10**400, False, False, {}))).field == "reward"


def test_a_fault_with_an_array_in_it_is_still_one_line() -> None:
    fault_of(lambda: step((HERE, np.zeros(100), False, False, {})))


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (RuntimeError("the motor\n  is stuck"), "RuntimeError: the motor is stuck"),
        (KeyError("gear"), "KeyError: 'gear'"),
        (ZeroDivisionError(), "ZeroDivisionError: ZeroDivisionError"),
    ],
)
def test_what_an_environment_raises_is_a_fault(error: Exception, problem: str) -> None:
    fault = fault_of(lambda: checked_step(PUPPETS, Puppet(boom(error)), 0, seed=42, step=7))
    assert (fault.seed, fault.step, fault.field, fault.problem) == (42, 7, "step", problem)
    assert fault.__cause__ is error
    fault = fault_of(lambda: checked_reset(PUPPETS, Puppet(boom(error)), 42))
    assert (fault.seed, fault.step, fault.field, fault.problem) == (42, 0, "reset", problem)
    assert fault.__cause__ is error


def test_a_keyboard_interrupt_is_none() -> None:
    with pytest.raises(KeyboardInterrupt):
        checked_step(PUPPETS, Puppet(boom(KeyboardInterrupt())), 0, seed=42, step=7)


@pytest.mark.parametrize("answer", [None, HERE, (HERE, {}, 1)], ids=["None", "observation alone", "three"])
def test_a_reset_that_gives_no_pair_is_a_fault(answer: Any) -> None:
    if answer is HERE:  # two numbers are a pair: noticed where the observation is looked at
        alone = checked_reset(PUPPETS, Puppet(lambda seed: answer), 42)
        fault = fault_of(lambda: flat_observation(PUPPETS, alone, 42, 0))
        assert fault.field == "observation"
    else:
        fault = fault_of(lambda: checked_reset(PUPPETS, Puppet(lambda seed: answer), 42))
        assert fault.field == "reset"
    assert (fault.seed, fault.step) == (42, 0)


def test_a_reset_that_takes_no_seed_is_a_fault() -> None:
    fault = fault_of(lambda: checked_reset(PUPPETS, Puppet(lambda: (HERE, {})), 42))
    assert "unexpected keyword argument 'seed'" in fault.problem


# --- observations ----------------------------------------------------------------------------------------------------


def with_space(space: Any) -> Environment:
    class Room(Puppet):
        observation_space = space

    return find_environment(Room)


def test_observations_become_vectors() -> None:
    room = with_space(gymnasium.spaces.Dict({"a": gymnasium.spaces.Discrete(3), "b": gymnasium.spaces.MultiBinary(2)}))
    assert flat_observation(room, {"a": 1, "b": [1, 0]}, 0, 0).tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("observation", "problem"),
    [
        (np.zeros(3), "expected shape (2,), got (3,)"),
        (None, "expected shape (2,), got ()"),
        (np.array(["1", "2"]), "expected numbers, got array(['1', '2'], dtype='<U1')"),
        ([[1], [1, 2]], "inhomogeneous"),
    ],
)
def test_an_observation_that_does_not_belong_is_a_fault(observation: Any, problem: str) -> None:
    fault = fault_of(lambda: flat_observation(PUPPETS, observation, 42, 7))
    assert (fault.seed, fault.step, fault.field) == (42, 7, "observation")
    assert problem in fault.problem


@pytest.mark.parametrize("observation", [3, -1, np.nan, "1", [0]])
def test_a_state_that_does_not_belong_is_a_fault(observation: Any) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        flat_observation(with_space(gymnasium.spaces.Discrete(3)), observation, 42, 7)
    assert (caught.value.seed, caught.value.step, caught.value.field) == (42, 7, "observation")


def test_an_infinite_state_is_a_fault() -> None:
    with pytest.raises(EnvironmentFault):
        flat_observation(with_space(gymnasium.spaces.Discrete(3)), np.inf, 42, 7)
