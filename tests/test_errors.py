from __future__ import annotations

import pickle

import pytest

from cartwheel.errors import CartwheelError, EnvironmentFault, StorageError, UsageError, did_you_mean

KNOWN = ["CartPole-v1", "Pendulum-v1", "Acrobot-v1"]


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("CartPol-v1", KNOWN, "did you mean 'CartPole-v1'?"),
        ("Pendulm-v1", KNOWN, "did you mean 'Pendulum-v1'?"),
        ("ACROBOT-V1", KNOWN, "did you mean 'Acrobot-v1'?"),  # no letter but A is the same
        ("GENETIC", ["genetic"], "did you mean 'genetic'?"),
        ("x", KNOWN, "known are: Acrobot-v1, CartPole-v1, Pendulum-v1"),
        ("", ["b", "a"], "known are: a, b"),
        ("x", [], "none is known"),
        ("x", [f"{k:02}" for k in range(31)], f"known are: {', '.join(f'{k:02}' for k in range(30))} and 1 more"),
        ("abc", iter(["abd", "xyz"]), "did you mean 'abd'?"),
    ],
)
def test_suggests_the_nearest_name(name: str, known: list[str], expected: str) -> None:
    assert did_you_mean(name, known) == expected


@pytest.mark.parametrize(
    ("kind", "status"), [(CartwheelError, 1), (UsageError, 2), (StorageError, 2), (EnvironmentFault, 1)]
)
def test_exit_statuses(kind: type[CartwheelError], status: int) -> None:
    assert kind.exit_status == status
    assert issubclass(kind, CartwheelError)


def test_a_caller_may_catch_what_python_calls_it() -> None:
    assert issubclass(UsageError, ValueError)
    assert issubclass(StorageError, UsageError)
    assert not issubclass(EnvironmentFault, UsageError)


def test_an_environment_fault_says_where() -> None:
    fault = EnvironmentFault("Line-v0", 42, 7, "reward", "not finite: nan")
    assert str(fault) == "environment Line-v0 failed in its reward (episode seed 42, step 7): not finite: nan"
    parts = fault.environment, fault.seed, fault.step, fault.field, fault.problem
    assert parts == ("Line-v0", 42, 7, "reward", "not finite: nan")


def test_an_environment_fault_comes_back_from_a_worker() -> None:
    fault = EnvironmentFault("Line-v0", 42, 7, "reward", "not finite: nan")
    again = pickle.loads(pickle.dumps(fault))
    assert str(again) == str(fault)
    assert (again.environment, again.seed, again.step, again.field) == ("Line-v0", 42, 7, "reward")
