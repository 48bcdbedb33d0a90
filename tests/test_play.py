from __future__ import annotations

import sys
from typing import Any

import gymnasium
import numpy as np
import pytest

from cartwheel.envs.environment import find_environment
from cartwheel.errors import EnvironmentFault, UsageError
from cartwheel.experience.play import play
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import MLP

CARTPOLE = find_environment("CartPole-v1")


def linear(weights: list[list[float]], bias: list[float], environment: Any = CARTPOLE) -> Policy:
    """A policy without hidden layer: outputs = weights (o, d) @ observation + bias."""
    spaces = environment.observation_space, environment.action_space
    network = build_network(MLP(hidden=()), *spaces)
    arrays = {"W1": np.array(weights, np.float32).T, "b1": np.array(bias, np.float32)}
    return Policy(MLP(hidden=()), *spaces, network.layout.pack(arrays))


ALWAYS_RIGHT = linear([[0, 0, 0, 0], [0, 0, 0, 0]], [0, 1])
BALANCING = linear([[0, 0, 0, 0], [0.1, 0.2, 1, 1]], [0, 0])


def by_hand(seed: int, rule: Any, steps: int = 500) -> tuple[float, int, list[Any]]:
    """The same episode stepped by Gymnasium alone: return, length, and the frame of each step."""
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array", max_episode_steps=steps)
    observation, _ = env.reset(seed=seed)
    total, frames, over = 0.0, [env.render()], False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(rule(observation))
        total += float(reward)
        frames.append(env.render())
        over = terminated or truncated
    env.close()
    return total, len(frames) - 1, frames


@pytest.mark.parametrize("seed", [0, 7])
def test_plays_the_episode_that_gymnasium_plays(seed: int) -> None:
    total, length, frames = by_hand(seed, lambda observation: 1)
    episode = play(CARTPOLE, ALWAYS_RIGHT, seed, frames=True)
    assert (episode.return_, episode.length, episode.over, episode.unseen) == (total, length, True, "")
    assert length in (8, 9, 10, 11)  # a pole that is pushed to one side falls in a fifth of a second
    assert len(episode.frames) == length + 1
    for ours, theirs in zip(episode.frames, frames, strict=True):
        assert np.array_equal(ours, theirs)


def test_holds_to_the_limit_of_the_environment() -> None:
    total, length, _ = by_hand(3, lambda o: int(0.1 * o[0] + 0.2 * o[1] + o[2] + o[3] > 0))
    assert (total, length) == (500.0, 500)
    episode = play(CARTPOLE, BALANCING, 3)
    assert (episode.return_, episode.length, episode.over, episode.frames) == (500.0, 500, True, [])
    longer = play(find_environment("CartPole-v1", max_episode_steps=700), BALANCING, 3, limit=10_000)
    assert (longer.length, longer.over) == (700, True)


def test_a_caller_may_stop_earlier() -> None:
    episode = play(CARTPOLE, BALANCING, 3, limit=20)
    assert (episode.return_, episode.length, episode.over) == (20.0, 20, False)
    assert play(CARTPOLE, BALANCING, 3, limit=500).over


def test_takes_a_picture_of_every_third_step_and_of_the_last() -> None:
    _, _, frames = by_hand(3, lambda o: int(0.1 * o[0] + 0.2 * o[1] + o[2] + o[3] > 0))
    episode = play(CARTPOLE, BALANCING, 3, frames=True, limit=20, every=3)
    assert len(episode.frames) == 8  # 0, 3, ..., 18, and 20
    for step, frame in zip([0, 3, 6, 9, 12, 15, 18, 20], episode.frames, strict=True):
        assert np.array_equal(frame, frames[step])
    assert len(play(CARTPOLE, BALANCING, 3, frames=True, limit=18, every=3).frames) == 7


def test_draws_actions_only_when_given_a_generator() -> None:
    undecided = linear([[0, 0, 0, 0], [0, 0, 0, 0]], [0, 0])
    greedy = play(CARTPOLE, undecided, 0).length  # the first action at a tie: the pole falls
    assert greedy <= 11
    lengths = [play(CARTPOLE, undecided, 0, rng=np.random.default_rng(k)).length for k in range(8)]
    assert max(lengths) > 11
    again = [play(CARTPOLE, undecided, 0, rng=np.random.default_rng(k)).length for k in range(8)]
    assert again == lengths


@pytest.mark.parametrize(("limit", "every"), [(0, 1), (-5, 1), (None, 0)])
def test_counts_begin_at_one(limit: int | None, every: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        play(CARTPOLE, BALANCING, 0, limit=limit, every=every)


def test_watching_in_a_window_is_the_same_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    plain, watched = (play(CARTPOLE, ALWAYS_RIGHT, 0, watch=watch) for watch in (False, True))
    assert watched == plain
    with pytest.raises(UsageError, match="not both"):
        play(CARTPOLE, ALWAYS_RIGHT, 0, watch=True, frames=True)


@pytest.mark.skipif(sys.platform != "linux", reason="others have screens by other means")
def test_watching_wants_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="no window can be opened"):
        play(CARTPOLE, ALWAYS_RIGHT, 0, watch=True)

    class Shown(Line):
        def __init__(self, render_mode: str | None = None) -> None:
            super().__init__()

    found = find_environment(Shown)  # may show itself by other means
    assert play(found, linear([[0, 0], [0, 0]], [0, 1], found), 0, watch=True).length == 5


class Line(gymnasium.Env[Any, Any]):
    """Five steps of reward 1 in a room with nothing to see, with a fault on request."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.steps = 0
        return self.observe("first"), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.fault == "raises" and self.steps == 2:
            raise RuntimeError("the gripper\nis stuck")
        return self.observe("later"), np.nan if self.fault == "reward" else 1.0, self.steps == 5, False, {}

    def observe(self, when: str) -> Any:
        return np.array([np.nan if self.fault == when else 0.0, 0.0], np.float32)


def test_an_environment_that_takes_no_render_mode_is_played_unseen() -> None:
    environment = find_environment(Line)
    episode = play(environment, linear([[0, 0], [0, 0]], [0, 0], environment), 0, frames=True)
    assert (episode.return_, episode.length, episode.frames) == (5.0, 5, [])
    assert "render_mode" in episode.unseen


class Painted(Line):
    """Draws into one array, again and again; or draws what is no picture."""

    def __init__(self, render_mode: str | None = None, drawing: str = "good") -> None:
        super().__init__()
        self.render_mode, self.drawing = render_mode, drawing
        self.canvas = np.zeros((4, 6, 3), np.uint8)

    def render(self) -> Any:
        if self.drawing == "raises" and self.steps == 2:
            raise OSError("no screen")
        if self.drawing == "none":
            return None
        self.canvas[:] = self.steps
        return self.canvas.astype(np.float32) if self.drawing == "floats" else self.canvas


def test_pictures_do_not_change_after_they_were_taken() -> None:
    environment = find_environment(Painted)
    episode = play(environment, linear([[0, 0], [0, 0]], [0, 0], environment), 0, frames=True)
    assert [int(frame[0, 0, 0]) for frame in episode.frames] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("drawing", "words"), [("raises", "no screen"), ("none", "got NoneType"), ("floats", "float32")]
)
def test_a_picture_that_fails_does_not_stop_the_episode(drawing: str, words: str) -> None:
    environment = find_environment(Painted, {"drawing": drawing})
    episode = play(environment, linear([[0, 0], [0, 0]], [0, 0], environment), 0, frames=True)
    assert (episode.length, episode.frames) == (5, [])
    assert words in episode.unseen


@pytest.mark.parametrize(
    ("fault", "field", "step"),
    [("raises", "step", 2), ("reward", "reward", 1), ("first", "observation", 0), ("later", "observation", 1)],
)
def test_faults_name_the_seed_the_step_and_the_field(fault: str, field: str, step: int) -> None:
    environment = find_environment(Line, {"fault": fault})
    with pytest.raises(EnvironmentFault) as caught:
        play(environment, linear([[0, 0], [0, 0]], [0, 0], environment), 11)
    assert (caught.value.seed, caught.value.step, caught.value.field) == (11, step, field)
    assert "\n" not in str(caught.value)
