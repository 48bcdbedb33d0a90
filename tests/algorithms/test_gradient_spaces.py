"""Policy gradients in whatever spaces and for whatever rewards there are: each learns, and says what it can't do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import cartwheel
from cartwheel.errors import UsageError
from cartwheel.reports import page
from cartwheel.training.hooks import Hook

SHORT = {"lanes": 4, "stretch": 32, "minibatches": 4, "epochs": 4, "hidden": (8,), "early_stop": False}


class Told(gymnasium.Env[Any, Any]):
    """An episode of five steps, in which the reward is a function of the action alone."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space: spaces.Space[Any] = spaces.Discrete(2)
    length = 5

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self.seen(), {}

    def seen(self) -> Any:
        return self.np_random.uniform(-1.0, 1.0, 2).astype(np.float32)

    def worth(self, action: Any) -> float:
        return float(np.sum(action))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.steps += 1
        return self.seen(), self.worth(action), self.steps == self.length, False, {}


class Groups(Told):
    """The best is 2 + 0 + 3 in each step."""

    action_space = spaces.MultiDiscrete([3, 1, 4])


class Bits(Told):
    action_space = spaces.MultiBinary(3)


class Half(Told):
    """Best at 5, which lies far from where actions are drawn first; bounded from below alone."""

    action_space = spaces.Box(0.0, np.inf, (1,), np.float32)

    def worth(self, action: Any) -> float:
        return -abs(float(action[0]) - 2.0)


class Whole(Told):
    action_space = spaces.Box(-np.inf, np.inf, (1,), np.int64)  # type: ignore[arg-type]

    def worth(self, action: Any) -> float:
        return -abs(float(action[0]) - 2.0)


class Alike(Told):
    """Rewards that are large and hardly differ: 100 or 101, an episode each."""

    length = 1

    def worth(self, action: Any) -> float:
        return 100.0 + float(action)


class One(Told):
    length = 1


class Late(Told):
    """Says after a while what no network survives."""

    count = 0

    def worth(self, action: Any) -> float:
        Late.count += 1
        return 1e60 if Late.count == 40_000 else float(action)


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


def trained(environment: Any, runs: Path, **options: Any) -> cartwheel.Run:
    given = {"algorithm": "ppo", "seed": 1, "runs": runs, "hooks": [], "interval": 2048, **SHORT, **options}
    return cartwheel.train(environment, **given)


@pytest.mark.parametrize(("environment", "best"), [(Groups, 25.0), (Bits, 15.0), (Half, 0.0), (Alike, 101.0)])
def test_each_is_learnt(environment: type[Told], best: float, tmp_path: Path) -> None:
    run = trained(environment, tmp_path, steps=6_144)
    assert run.result["final_mean"] >= best - (1.0 if environment is Half else 1e-9)


@pytest.mark.parametrize(
    "options", [{"algorithm": "a2c"}, {"algorithm": "reinforce"}, {"memory": "gru", "minibatches": 2}]
)
def test_several_choices_by_each_algorithm(options: Any, tmp_path: Path) -> None:
    known = {name: value for name, value in SHORT.items() if name not in ("minibatches", "epochs")}
    given = {**(SHORT if "algorithm" not in options else known), **options}
    found = cartwheel.train(
        Groups, **{"algorithm": "ppo", **given}, seed=1, runs=tmp_path, hooks=[], steps=2_048, interval=2_048
    )
    assert found.result["final_mean"] > 12.5, "the mean of random actions"


def test_whole_numbers_without_bounds(tmp_path: Path) -> None:
    run = trained(Whole, tmp_path, steps=512)
    policy = cartwheel.load(run.policy_path)
    action, _ = policy.act(np.zeros(2, np.float32))
    assert action.dtype == np.int64
    assert action.shape == (1,)


def test_a_minibatch_of_one_step_learns(tmp_path: Path) -> None:
    """Normalised by itself its advantage would be 0."""
    run = trained(One, tmp_path, steps=2_048, minibatches=128, epochs=1)
    assert abs(run.metrics["policy_loss"]).max() > 0.0
    assert run.result["final_mean"] == 1.0


def test_the_policy_judged_best_outlives_an_update_that_breaks(tmp_path: Path) -> None:
    Late.count = 0
    with pytest.raises(UsageError, match="ppo: expected finite losses and gradients, got infinite ones or NaN"):
        trained(Late, tmp_path, steps=100_000, scale_rewards=False, name="late", native=False)
    policy = cartwheel.load(tmp_path / "late" / "policy.safetensors")
    assert np.isfinite(policy.theta).all()


def test_noise_that_stays_is_for_numbers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--noise-memory: expected 0 where actions are choices"):
        trained(Bits, tmp_path, steps=2_048, noise_memory=0.5)
    assert not list(tmp_path.iterdir())


def test_a_budget_beyond_the_last_step_size_is_said(tmp_path: Path) -> None:
    told: list[str] = []

    class Log(Hook):
        def note(self, text: str) -> None:
            told.append(text)

    trained(Bits, tmp_path, steps=512, anneal_steps=256, hooks=[Log()])
    assert any(
        "the step size is 0 after 256 steps (--anneal-steps): the rest of 512 teaches nothing" in t for t in told
    )
