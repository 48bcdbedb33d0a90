"""The peers of the learning tables: judged in our episodes, by our rule, off the clock. Their libraries are played."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
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
from learning.peers import episodes, policies, training
from learning.peers.episodes import Champion, play, reported
from learning.peers.training import greedy, learn, run


def leaning(seen: Any, memory: Any = None) -> Any:
    """Push where the pole leans and falls."""
    return (seen[:, 2] + seen[:, 3] > 0).astype(int), None


def falling(seen: Any, memory: Any = None) -> Any:
    return np.zeros(len(seen), int), None


class Statistics:
    """Observations less what `obs_rms` says."""

    def __init__(self, shift: float) -> None:
        self.obs_rms = {"shift": shift}

    def normalize_obs(self, seen: Any) -> Any:
        return seen - self.obs_rms["shift"]


class Played:
    """A model that takes steps and knows nothing but which of the rules `policies` it is at, one for each 5,000.

    With `statistics`, their shift is the number of steps, from 5,000 to 5,000. It takes `lanes` steps at once.
    """

    def __init__(self, policies: list[Any], statistics: Statistics | None = None, lanes: int = 1) -> None:
        self.policies, self.policy, self.num_timesteps, self.rule = policies, self, 0, 0
        self.statistics, self.lanes = statistics, lanes

    def learn(self, steps: int, callback: Callable[..., bool]) -> None:
        while self.num_timesteps < steps:
            self.num_timesteps += self.lanes
            self.rule = min(self.num_timesteps // 5000, len(self.policies) - 1)
            if self.statistics is not None:
                self.statistics.obs_rms["shift"] = 5000.0 * self.rule
            if not callback({}, {}):
                return

    def get_vec_normalize_env(self) -> Statistics | None:
        return self.statistics

    def predict(self, seen: Any, deterministic: bool) -> tuple[Any, None]:
        assert deterministic
        return self.policies[self.rule](seen)[0], None

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
    returns, steps = play("CartPole-v1", lambda seen, _: ((seen[:, 2] > 0).astype(int), None), seeds)
    assert returns.tolist() == wanted
    assert len(set(wanted)) > 3
    assert steps == sum(wanted)


def test_rules_have_their_known_means_on_the_test_episodes() -> None:
    """The first stands in docs/learning/evolution.md; the second was measured in other episodes."""
    assert reported("CartPole-v1", leaning) == pytest.approx(479.75, abs=0.01)
    assert reported("MountainCar-v0", pushed) == pytest.approx(-119.9, abs=1)


def pushed(seen: Any, memory: Any) -> Any:
    """Along the velocity."""
    return np.where(seen[:, 1] >= 0, 2, 0), None


def test_actions_may_be_rows_of_numbers() -> None:
    """The velocity's sign at force 0.3 is worth 97.8 on the mountain, as docs/learning/evolution.md has it."""
    rule = lambda seen, _: (np.where(seen[:, 1:] > 0, 0.3, -0.3).astype(np.float32), None)  # noqa: E731
    returns, _ = play("MountainCarContinuous-v0", rule, np.arange(4))
    assert returns.mean() == pytest.approx(97.8, abs=0.3)


def test_an_episode_ends_at_the_time_limit() -> None:
    returns, steps = play("MountainCar-v0", falling, np.arange(3))
    assert returns.tolist() == [-200.0] * 3
    assert steps == 600


def test_each_lane_keeps_its_own_memory() -> None:
    """A policy that remembers what it saw first, and pushes by it: alone and among others it does the same."""

    def first_lean(seen: Any, memory: Any) -> Any:
        memory = seen[:, 2:3] if memory is None else memory
        lengths.append(len(memory))
        return ((memory[:, 0] > 0) ^ (np.abs(seen[:, 0]) > 0.03)).astype(int), memory

    lengths: list[int] = []
    seeds = episode_seeds(3, Purpose.VALIDATION, count=12)
    together, steps = play("CartPole-v1", first_lean, seeds)
    assert sum(lengths) == steps
    assert together.tolist() == [play("CartPole-v1", first_lean, seeds[k : k + 1])[0][0] for k in range(12)]
    assert len(set(together)) > 3


def test_pendulum_without_its_velocity() -> None:
    """The same swing; what is seen of it is the direction."""
    blind, seeing = gymnasium.make("cartwheel/PendulumNoVelocity-v0"), gymnasium.make("Pendulum-v1")
    for seed in range(3):
        pairs = [(blind.reset(seed=seed)[0], seeing.reset(seed=seed)[0])]
        over = False
        while not over:
            torque = np.array([np.sin(len(pairs))], np.float32)
            (seen, reward, _, over, _), (whole, wanted, *_) = blind.step(torque), seeing.step(torque)
            assert reward == wanted
            pairs.append((seen, whole))
        assert len(pairs) == 201
        seen, whole = map(np.array, zip(*pairs, strict=True))
        assert np.array_equal(seen[:, :2], whole[:, :2])
        assert not seen[:, 2].any()
        assert np.abs(whole[:, 2]).max() > 1
    blind.close()
    seeing.close()


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


def job(begin: Callable[[int], Any]) -> training.Job:
    return training.Job("numpy", "Rule", "CartPole-v1", 50_000, begin)


@pytest.fixture(autouse=True)
def no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "versions", lambda package: f"of {package}")


def test_a_run_reports_both_the_final_policy_and_the_best() -> None:
    """It falls, balances from step 10,000 on, and has forgotten it from step 15,000 on."""
    line = run(job(lambda _: Played([falling, falling, leaning, falling])), 1)
    assert line["final_mean"] == reported("CartPole-v1", falling) < 12
    assert line["best_mean"] == reported("CartPole-v1", leaning) > 475
    assert line["steps"] == 50_000
    seeds = episode_seeds(1, Purpose.VALIDATION, count=100)
    whole = play("CartPole-v1", falling, seeds)[1] + play("CartPole-v1", leaning, seeds)[1]
    assert line["validation_steps"] == whole + 8 * play("CartPole-v1", falling, seeds[:10])[1]


def test_the_final_policy_can_be_the_best() -> None:
    line = run(job(lambda _: Played([*[falling] * 10, leaning])), 1)
    assert line["final_mean"] == line["best_mean"] > 475


def test_the_best_is_kept_with_what_it_saw_through() -> None:
    """From step 10,000 to 15,000 a rule balances by observations that were shifted by 10,000, and by no others."""

    def shifted(seen: Any) -> Any:
        return leaning(seen + 10_000.0)

    seeds: list[int] = []

    def begin(seed: int) -> Played:
        seeds.append(seed)
        return Played([shifted] * 11, Statistics(0.0))

    line = run(job(begin), 1)
    assert seeds == [1]
    assert line["final_mean"] < 12
    assert line["best_mean"] == reported("CartPole-v1", leaning)
    assert (line["algorithm"], line["environment"], line["versions"]) == ("numpy Rule", "CartPole-v1", "of numpy")


def test_a_best_that_stays_the_best_is_not_mixed_with_what_came_later() -> None:
    """What is kept is a copy: statistics go on changing in place."""
    statistics = Statistics(0.0)
    model = Played([leaning, *[falling] * 10], statistics)
    seen = []

    def normalize_obs(given: Any) -> Any:
        seen.append(statistics.obs_rms["shift"])
        return given

    statistics.normalize_obs = normalize_obs  # type: ignore[method-assign]
    model.policies[1] = leaning
    run(job(lambda _: model), 2)
    assert set(seen[-100:]) == {5000.0}
    assert 50_000.0 in seen


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
    spent = learn(model, 5000, 1000, check)
    assert checked == [1000, 2000, 3000]
    assert model.num_timesteps == 3000
    assert spent.cpu == pytest.approx(time.process_time() - begun - 0.3, abs=0.05)
    assert 0 < spent.cpu < 0.1
    assert spent.wall > 0


def test_lanes_are_checked_at_the_next_step_of_theirs() -> None:
    checked: list[int] = []
    learn(Played([falling], lanes=16), 4000, 1000, lambda steps: checked.append(steps) is None)
    assert checked == [1008, 2000, 3008, 4000]


def test_versions_are_those_of_the_package_and_what_it_stands_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(training, "version", lambda name: f"v{len(name)}")
    rest = "stable-baselines3 v17, torch v5, gymnasium v9, numpy v5"
    assert training.versions() == rest
    assert training.versions("sb3-contrib") == f"sb3-contrib v11, {rest}"


# --- memories and settings of the libraries --------------------------------------------------------------------------


class Recurrent:
    """A model whose LSTM of one layer and two units adds up what it sees: the state is `(1, B, 2)`, twice."""

    def predict(self, seen: Any, state: Any = None, deterministic: bool = False) -> Any:
        assert deterministic
        empty = np.zeros((1, len(seen), 2))
        output, cell = (empty, empty) if state is None else state
        assert output.shape == cell.shape == empty.shape
        output, cell = output + seen[:, :2], cell - seen[:, 2:]
        return (output[0, :, 0] > cell[0, :, 1]).astype(int), (output, cell)


def test_a_recurrent_models_memory_comes_lanes_first() -> None:
    act, seen = greedy(Recurrent()), np.arange(12.0).reshape(3, 4)
    _, memory = act(seen, None)
    assert memory is not None
    assert memory.shape == (3, 2, 1, 2)
    assert memory[1, :, 0].tolist() == [[4.0, 5.0], [-6.0, -7.0]]
    actions, memory = act(seen[1:], memory[1:])
    assert memory[:, 0, 0].tolist() == [[8.0, 10.0], [16.0, 18.0]]
    assert actions.tolist() == [1, 1]
    seeds = episode_seeds(3, Purpose.VALIDATION, count=5)
    together = play("CartPole-v1", act, seeds)[0]
    assert together.tolist() == [play("CartPole-v1", act, seeds[k : k + 1])[0][0] for k in range(5)]
    assert len(set(together)) > 1


class Made:
    """What a library's classes are called with."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.given, self.named = given, named


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Libraries that only note what they are given; the threads of PyTorch."""
    noted: list[Any] = []
    torch = SimpleNamespace(set_num_threads=noted.append, nn=SimpleNamespace(ReLU="a rectifier"))
    modules: dict[str, Any] = {
        "torch": torch,
        "stable_baselines3": SimpleNamespace(PPO=Made, A2C=Made),
        "sb3_contrib": SimpleNamespace(RecurrentPPO=Made),
        "stable_baselines3.common.env_util": SimpleNamespace(make_vec_env=Made),
        "stable_baselines3.common.vec_env": SimpleNamespace(VecNormalize=Made),
    }
    monkeypatch.setattr(policies, "import_module", modules.__getitem__)
    return noted


def begun(name: str, seed: int) -> Any:
    (found,) = [job for job in policies.JOBS if job.name == name]
    return found.begin(seed)


def test_settings_are_handed_over_as_the_zoo_does(libraries: list[Any]) -> None:
    """Schedules are functions of the share that is left, environments come first, and the rest by name."""
    model = begun("stable-baselines3 PPO on CartPole-v1", 7)
    assert libraries == [1]
    policy, lanes = model.given
    assert (policy, lanes.given, lanes.named) == ("MlpPolicy", ("CartPole-v1",), {"n_envs": 8, "seed": 7})
    rate, clip = model.named.pop("learning_rate"), model.named.pop("clip_range")
    assert [rate(1.0), rate(0.5), rate(0.0)] == [0.001, 0.0005, 0.0]
    assert [clip(1.0), clip(0.25)] == [0.2, 0.05]
    given = {"n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20, "ent_coef": 0.0}
    assert model.named == {**given, "seed": 7, "device": "cpu"}


def test_what_is_normalised_discounts_as_the_learner_does(libraries: list[Any]) -> None:
    lanes = begun("stable-baselines3 PPO on MountainCar-v0", 3).given[1]
    assert lanes.named == {"gamma": 0.99}
    assert lanes.given[0].named == {"n_envs": 16, "seed": 3}
    lanes = begun("stable-baselines3 A2C on Acrobot-v1", 3).given[1]  # names no discount: both have their own default
    assert (lanes.named, lanes.given[0].given) == ({}, ("Acrobot-v1",))


def test_recurrent_models_are_the_other_packages(libraries: list[Any]) -> None:
    model = begun("sb3-contrib RecurrentPPO on cartwheel/PendulumNoVelocity-v0", 0)
    assert model.given[0] == "MlpLstmPolicy"
    assert model.named["policy_kwargs"]["activation_fn"] == "a rectifier"
    assert model.named["policy_kwargs"]["lstm_hidden_size"] == 64
    assert model.named["learning_rate"] == 1e-3
    assert (model.named["use_sde"], model.named["sde_sample_freq"]) == (True, 4)
    assert model.given[1].named == {"gamma": 0.9}


# --- the table's file ------------------------------------------------------------------------------------------------


def test_what_is_in_the_file_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(job: training.Job, seed: int) -> dict[str, Any]:
        ran.append((job.algorithm, seed))
        given = {"environment": job.environment, "algorithm": job.learner, "seed": seed, "final_mean": -0.1}
        return {**dict.fromkeys(program.FIELDS, 0), **given}

    monkeypatch.setattr(program, "run", run)
    file = tmp_path / "runs.csv"
    program.main(["policies", "--csv", str(file), "--only", "A2C on CartPole", "--seeds", "1-2"])
    program.main(["policies", "--csv", str(file), "--only", "on CartPole-v1", "--seeds", "0-2"])
    assert ran == [("A2C", 1), ("A2C", 2), ("A2C", 0), ("PPO", 0), ("PPO", 1), ("PPO", 2)]
    lines = program.read(file)
    assert [line["seed"] for line in lines] == ["1", "2", "0", "0", "1", "2"]
    assert list(lines[0]) == program.FIELDS
    assert lines[0]["final_mean"] == "-0.1"


def test_each_table_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(program, "FOLDER", tmp_path)
    monkeypatch.setattr(program, "run", lambda job, seed: ran.append(job.name) or dict.fromkeys(program.FIELDS, 0))
    for table in program.TABLES:
        program.main([table, "--only", "on Acrobot-v1", "--seeds", "0-0"])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["policies_peer.csv", "values_peer.csv"]
    assert ran == [f"stable-baselines3 {name} on Acrobot-v1" for name in ("DQN", "A2C", "PPO")]


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
