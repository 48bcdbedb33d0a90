"""The peers of the learning tables: judged in our episodes, by our rule, off the clock. Their libraries are played."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks/ and learning/ are no installed packages

from benchmarks import dqn_peer
from benchmarks.dqn_peer import Answer, Job, StableBaselines
from benchmarks.records import UnavailableError
from cartwheel.errors import CartwheelError
from cartwheel.seeds import Purpose, episode_seeds
from learning.peers import __main__ as program
from learning.peers import dqn, episodes
from learning.peers.episodes import Champion, play, reported


def leaning(seen: Any) -> Any:
    """Push where the pole leans and falls."""
    return (seen[:, 2] + seen[:, 3] > 0).astype(int)


def falling(seen: Any) -> Any:
    return np.zeros(len(seen), int)


class Played:
    """A model that takes steps and knows nothing but which of the rules `policies` it is at, one for each 5,000."""

    def __init__(self, policies: list[Any]) -> None:
        self.policies, self.policy, self.num_timesteps, self.rule = policies, self, 0, 0

    def learn(self, steps: int, callback: Callable[..., bool]) -> None:
        for self.num_timesteps in range(1, steps + 1):
            self.rule = min(self.num_timesteps // 5000, len(self.policies) - 1)
            if not callback({}, {}):
                return

    def predict(self, seen: Any, deterministic: bool) -> tuple[Any, None]:
        assert deterministic
        return self.policies[self.rule](seen), None

    def state_dict(self) -> dict[str, int]:
        return {"rule": self.rule}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.rule = state["rule"]


# --- episodes --------------------------------------------------------------------------------------------------------


def test_episodes_side_by_side_are_those_one_by_one() -> None:
    seeds = episode_seeds(3, Purpose.VALIDATION, count=7)
    wanted = []
    for seed in seeds.tolist():
        env = gymnasium.make("CartPole-v1")
        seen, _ = env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            seen, reward, terminated, truncated, _ = env.step(int(seen[2] > 0))
            total, over = total + float(reward), terminated or truncated
        env.close()
        wanted.append(total)
    returns, steps = play("CartPole-v1", lambda seen: (seen[:, 2] > 0).astype(int), seeds)
    assert returns.tolist() == wanted
    assert len(set(wanted)) > 3
    assert steps == sum(wanted)


def test_rules_have_their_known_means_on_the_test_episodes() -> None:
    """The first stands in docs/learning/evolution.md; the second was measured in other episodes."""
    assert reported("CartPole-v1", leaning) == pytest.approx(479.75, abs=0.01)
    assert reported("MountainCar-v0", lambda seen: np.where(seen[:, 1] >= 0, 2, 0)) == pytest.approx(-119.9, abs=1)


def test_an_episode_ends_at_the_time_limit() -> None:
    returns, steps = play("MountainCar-v0", falling, np.arange(3))
    assert returns.tolist() == [-200.0] * 3
    assert steps == 600


# --- which policy is the best ----------------------------------------------------------------------------------------


def test_only_what_looks_better_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means over the first ten and over the ninety others, given by hand; a step for each episode."""
    asked = []

    def given(environment: str, act: Any, seeds: Any) -> Any:
        asked.append(seeds)
        return np.full(len(seeds), act[len(seeds) == 90]), len(seeds)

    monkeypatch.setattr(episodes, "play", given)
    champion = Champion("CartPole-v1", 4)
    trials: list[Any] = [(100.0, 200.0), (150.0, 300.0), (191.0, 0.0), (191.0, 200.0), (199.1, 400.0)]
    assert [champion.beaten_by(trial) for trial in trials] == [True, False, False, True, False]
    assert champion.mean == pytest.approx(199.1)
    assert champion.steps == 100 + 10 + 100 + 100 + 10
    both = np.concatenate(asked[:2])
    assert both.tolist() == episode_seeds(4, Purpose.VALIDATION, count=100).tolist()


def test_a_run_reports_both_the_final_policy_and_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """It falls, balances from step 10,000 on, and has forgotten it from step 15,000 on."""
    monkeypatch.setattr(dqn, "dqn", lambda *_: Played([falling, falling, leaning, falling]))
    monkeypatch.setattr(dqn, "versions", lambda: "none")
    line = dqn.run("CartPole-v1", 1)
    assert line["final_mean"] == reported("CartPole-v1", falling) < 12
    assert line["best_mean"] == reported("CartPole-v1", leaning) > 475
    assert line["steps"] == 50_000
    seeds = episode_seeds(1, Purpose.VALIDATION, count=100)
    whole = play("CartPole-v1", falling, seeds)[1] + play("CartPole-v1", leaning, seeds)[1]
    assert line["validation_steps"] == whole + 8 * play("CartPole-v1", falling, seeds[:10])[1]


def test_the_final_policy_can_be_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dqn, "dqn", lambda *_: Played([*[falling] * 10, leaning]))
    monkeypatch.setattr(dqn, "versions", lambda: "none")
    line = dqn.run("CartPole-v1", 1)
    assert line["final_mean"] == line["best_mean"] > 475


# --- the clock -------------------------------------------------------------------------------------------------------


def test_checks_are_off_the_clock() -> None:
    checked = []

    def check(steps: int) -> bool:
        checked.append(steps)
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        return steps < 3000

    model = Played([falling])
    begun = time.process_time()
    spent = dqn.learn(model, 5000, 1000, check)
    assert checked == [1000, 2000, 3000]
    assert model.num_timesteps == 3000
    assert spent.cpu == pytest.approx(time.process_time() - begun - 0.3, abs=0.05)
    assert 0 < spent.cpu < 0.1
    assert spent.wall > 0


# --- the table's file ------------------------------------------------------------------------------------------------


def test_what_is_in_the_file_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(environment: str, seed: int) -> dict[str, Any]:
        ran.append((environment, seed))
        return {**dict.fromkeys(program.FIELDS, 0), "environment": environment, "seed": seed, "final_mean": -0.1}

    monkeypatch.setattr(program, "run", run)
    file = tmp_path / "runs.csv"
    program.main(["--csv", str(file), "--only", "Mountain", "--seeds", "1-2"])
    program.main(["--csv", str(file), "--only", "tain", "--seeds", "0-2"])
    assert ran == [("MountainCar-v0", seed) for seed in (1, 2, 0)]
    lines = program.read(file)
    assert [line["seed"] for line in lines] == ["1", "2", "0"]
    assert list(lines[0]) == program.FIELDS
    assert lines[0]["final_mean"] == "-0.1"


# --- the benchmark's process -----------------------------------------------------------------------------------------

_TORCH = "def set_num_threads(count): print('threads', count, file=__import__('sys').stderr)"
_LIBRARY = """
class DQN:
    def __init__(self, policy, env, seed, device, learning_rate, **settings):
        self.rate, self.num_timesteps = learning_rate, 0

    def learn(self, steps, callback):
        while self.num_timesteps < steps:
            self.num_timesteps += 256
            self.num_timesteps == 256 * 125 and callback()
        if self.rate == 7:
            raise SystemExit

    def predict(self, seen, deterministic):
        return (seen[:, 2] + seen[:, 3] > 0 if self.rate == 1 else seen[:, 0] > 9), None
"""


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The process with a library that is made up: it learns nothing, and balances at a learning rate of 1."""
    for name, text in {"torch": _TORCH, "stable_baselines3": _LIBRARY}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += "from learning.peers import dqn; from benchmarks import dqn_peer\n"
    code += "dqn_peer.versions = lambda: 'made up'; dqn_peer.serve()"
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\nexec {sys.executable} -c "{code}"\n', encoding="utf-8")
    script.chmod(0o755)
    made = StableBaselines(script)
    yield made
    made.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_the_process_answers_jobs(peer: StableBaselines, capfd: pytest.CaptureFixture[str]) -> None:
    assert peer.versions == "made up"
    assert "threads 1" in capfd.readouterr().err
    assert peer.rate(Job(seed=0, steps=1000)).work == 1024
    found = peer.ask(Job(seed=0, steps=40_000, reach=475, settings={"learning_rate": 1}))
    assert found.reached
    assert found.steps >= 32_000
    assert 0 < peer.time_to(Job(seed=0, steps=40_000, reach=475, settings={"learning_rate": 1})).cpu < 1
    assert peer.time_to(Job(seed=0, steps=40_000, reach=475)).cpu == float("inf")
    with pytest.raises(CartwheelError, match="the process that ran stable-baselines3 died"):
        peer.ask(Job(seed=0, steps=1000, settings={"learning_rate": 7}))


def test_a_peer_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="not installed"):
        StableBaselines()


def test_a_mean_is_confirmed_in_other_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks good in ten and is not in a hundred is not enough, and training goes on."""
    asked: list[list[int]] = []

    def given(environment: str, act: Any, seeds: Any) -> Any:
        asked.append(seeds.tolist())
        return np.full(len(seeds), 475.0 if len(asked) in (1, 4, 5) else 474.0), 0

    monkeypatch.setattr(dqn_peer, "play", given)
    monkeypatch.setattr(dqn_peer, "dqn", lambda *_: Played([falling]))
    answer = dqn_peer.train(Job(seed=5, steps=9000, reach=475.0))
    assert (answer.steps, answer.reached) == (3000, True)  # looked good, was not; did not look good; is
    assert [len(seeds) for seeds in asked] == [10, 100, 10, 10, 100]
    assert not {*asked[3]} & {*asked[4]}
    assert json.loads(json.dumps(answer.__dict__)) == answer.__dict__
    assert isinstance(answer, Answer)
