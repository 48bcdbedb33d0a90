"""The tasks that need a memory: known traces, the best scores with and without one, and compiled physics that agree."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from cartwheel import spaces
from cartwheel.envs.environment import environment_ids, find_environment, is_plain
from cartwheel.envs.native.parity import find_difference
from cartwheel.envs.native.registry import find_native
from cartwheel.envs.repeat_previous import RepeatPrevious
from cartwheel.envs.t_maze import EAST, NORTH, SOUTH, WEST, TMaze, TMaze50
from cartwheel.errors import UsageError

IDS = (
    "cartwheel/TMaze-v0",
    "cartwheel/TMaze-50-v0",
    "cartwheel/RepeatPrevious-v0",
    "cartwheel/CartPoleNoVelocity-v0",
)
each_id = pytest.mark.parametrize("name", IDS)
PAGE = Path(__file__).parents[2] / "docs" / "memory-tasks.md"


def maze(length: int, north: bool) -> TMaze:
    """A T-maze after its reset, the goal on the given side."""
    made = TMaze(length)
    for seed in itertools.count():
        made.reset(seed=seed)
        if made.goal_is_north == north:
            return made
    raise AssertionError


def played(made: Any, actions: list[int]) -> list[tuple[list[float], float, bool]]:
    steps = [made.step(action) for action in actions]
    return [(np.atleast_1d(seen).tolist(), reward, terminated) for seen, reward, terminated, _, _ in steps]


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "limit", "threshold", "actions"),
    [(IDS[0], 50, 4.0, 4), (IDS[1], 250, 4.0, 4), (IDS[2], 200, 0.95, 4), (IDS[3], 500, 475.0, 2)],
)
def test_registered_with_a_limit_a_threshold_and_compiled_physics(
    name: str, limit: int, threshold: float, actions: int
) -> None:
    found, native = find_environment(name), find_native(name)
    assert name in environment_ids()
    assert (found.limit, found.threshold, found.action_space) == (limit, threshold, spaces.Discrete(actions))
    assert native is not None
    assert is_plain(found, native.entry_point)


@pytest.mark.filterwarnings("ignore:.*A Box observation space m:UserWarning")  # CartPole's velocities have no bounds
@each_id
def test_gymnasiums_own_checks(name: str) -> None:
    check_env(gymnasium.make(name, render_mode="rgb_array").unwrapped)


@each_id
def test_a_picture_and_none_without_a_mode(name: str) -> None:
    made = find_environment(name).make("rgb_array")
    made.reset(seed=0)
    picture = made.render()
    assert (picture.dtype, picture.ndim, picture.shape[2]) == (np.uint8, 3, 3)
    made.close()
    if "CartPole" not in name:  # Gymnasium's warns
        assert find_environment(name).make().render() is None


def test_one_wrong_suit_in_the_compiled_observation_is_noticed() -> None:
    """Discrete observations are compared in their flat form."""
    found, native = find_environment(IDS[2]), find_native(IDS[2])
    assert native is not None

    def turned(lanes: int, state: Any, observation: Any) -> None:
        native.observe(lanes, state, observation)
        observation[:] = np.roll(observation, 1, axis=0)

    wrong = dataclasses.replace(native, observe=turned)
    assert "reset 1: expected" in str(find_difference(wrong, found, steps=10))


def test_an_observation_beyond_its_space_is_a_difference() -> None:
    class Wild(RepeatPrevious):
        def reset(self, **given: Any) -> Any:
            return 4, super().reset(**given)[1]

    native = find_native(IDS[2])
    assert native is not None
    found = dataclasses.replace(find_environment(IDS[2]), factory=Wild)
    assert "reset 1: expected 4" in str(find_difference(native, found, steps=10))


# --- T-maze -----------------------------------------------------------------------------------------------------------


def test_the_t_maze_by_hand() -> None:
    """North, west and south into walls; to the junction of a corridor of 2 and against its end; back, and the turn."""
    start, corridor, junction = [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]
    made = maze(2, north=True)
    assert played(made, [NORTH, WEST, EAST, SOUTH, EAST, EAST, WEST, WEST, EAST, EAST, NORTH]) == [
        (start, -0.1, False),
        (start, -0.1, False),
        (corridor, 0.0, False),
        (corridor, -0.1, False),
        (junction, 0.0, False),
        (junction, -0.1, False),
        (corridor, 0.0, False),
        (start, 0.0, False),
        (corridor, 0.0, False),
        (junction, 0.0, False),
        (junction, 4.0, True),
    ]


def test_the_other_sign_and_the_wrong_turn() -> None:
    made = maze(1, north=False)
    assert made._observation().tolist() == [1.0, 1.0, 0.0]
    assert played(made, [EAST, NORTH]) == [([0.0, 1.0, 0.0], 0.0, False), ([0.0, 1.0, 0.0], -0.1, True)]
    assert played(maze(1, north=False), [EAST, SOUTH])[-1][1:] == (4.0, True)
    assert played(maze(1, north=True), [EAST, SOUTH])[-1][1:] == (-0.1, True)


def test_both_goals_are_as_likely() -> None:
    made = TMaze(1)
    north = sum(made.reset(seed=seed)[0][0] == 0.0 for seed in range(1000))
    assert abs(north - 500) < 60  # 3.8 standard deviations


def return_without_memory(length: int, north: bool, limit: int, choice: dict[tuple[float, ...], int]) -> float:
    made, total, terminated = maze(length, north), 0.0, False
    seen = made._observation()
    for _ in range(limit):
        seen, reward, terminated, _, _ = made.step(np.int64(choice[tuple(seen.tolist())]))
        total += reward
        if terminated:
            break
    return total


@pytest.mark.parametrize(("name", "length"), [(IDS[0], 10), (IDS[1], 50)])
def test_the_best_scores_of_the_t_maze(name: str, length: int) -> None:
    """All 256 policies that choose by what they see, and one that remembers the sign."""
    found = find_environment(name)
    assert found.make().unwrapped.length == length
    sights = [(0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.0, 1.0, 0.0)]
    means = []
    for actions in itertools.product(range(4), repeat=4):
        choice = dict(zip(sights, actions, strict=True))
        returns = [return_without_memory(length, north, found.limit, choice) for north in (True, False)]
        means.append(sum(returns) / 2)
    assert max(means) == pytest.approx(1.95, abs=1e-12)
    assert found.threshold is not None
    assert found.threshold > max(means)
    for north, turn in ((True, NORTH), (False, SOUTH)):
        rewards = [reward for _, reward, _ in played(maze(length, north), [EAST] * length + [turn])]
        assert sum(rewards) == 4.0
        assert len(rewards) <= found.limit


class _Eastwards(gymnasium.spaces.Discrete):
    """Samples lead to the junction, which chance alone hardly finds at the end of 50 steps."""

    def sample(self, mask: Any = None, probability: Any = None) -> np.int64:
        return np.int64(self.np_random.choice(4, p=[0.03, 0.91, 0.03, 0.03]))


@pytest.mark.parametrize(("name", "maker"), [(IDS[0], TMaze), (IDS[1], TMaze50)])
def test_the_compiled_junction_equals_the_plain_one(name: str, maker: Any) -> None:
    ended = []

    class Eastwards(maker):  # type: ignore[misc]
        action_space = _Eastwards(4)

        def step(self, action: Any) -> Any:
            answer = super().step(action)
            ended.extend([answer[1]] * answer[2])
            return answer

    native = find_native(name)
    assert native is not None
    found = dataclasses.replace(find_environment(name), factory=Eastwards)
    assert find_difference(native, found, steps=20_000, seed=5) is None
    assert min(ended.count(4.0), ended.count(-0.1)) > 100


def test_the_t_maze_drawn() -> None:
    text, picture = maze(3, north=True), maze(3, north=False)
    text.render_mode, picture.render_mode = "ansi", "rgb_array"
    text.step(np.int64(EAST))
    assert text.render() == "   G\n.@..\n   ."
    drawn = picture.render()
    assert drawn.shape == (72, 96, 3)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 4
    assert (drawn[24:48, :24] == drawn[24, 0]).all()  # the agent's tile at the start
    assert drawn[30, 30].tolist() == drawn[0, 95].tolist() != drawn[71, 95].tolist()  # floor, floor, goal


@pytest.mark.parametrize("length", [0, -1, 2.5, "10"])
def test_a_length_that_is_none_is_refused(length: Any) -> None:
    with pytest.raises(UsageError, match="expected length to be a whole number of at least 1, got"):
        find_environment(IDS[0], {"length": length})


def test_a_length_is_an_argument() -> None:
    found = find_environment(IDS[0], {"length": 3})
    native = find_native(IDS[0])
    assert found.make().unwrapped.length == 3
    assert native is not None
    assert not is_plain(found, native.entry_point)


# --- repeat-previous --------------------------------------------------------------------------------------------------


class _Dealt(RepeatPrevious):
    """Deals given suits."""

    suits: tuple[int, ...] = ()

    def _deal(self) -> np.int64:
        suit = np.int64(self.suits[len(self.dealt)])
        self.left[suit] -= 1
        self.dealt.append(suit)
        return suit


def test_a_trace_of_popgym() -> None:
    """An episode of popgym 1.0.7's RepeatPreviousEasy, recorded: reset(seed=0), what it showed, and its rewards.

    The actions were half random, half right. 400 more episodes with one to three decks and k from 1 to 64 were compared
    in the same way, and were equal in observations, rewards and ends.
    """
    seen = "3311121333010212102030021210130223113021033200032232"
    actions = "100331113132301101220203032102033221311332213321223"
    judged = "000+++++-++-+++--++-+++++-++--+-+-+-++++-+--+++---+"
    worth = {"0": 0.0, "+": 0.020833333333333332, "-": -0.020833333333333332}
    made = _Dealt()
    made.suits = tuple(map(int, seen))
    assert made.reset(seed=0)[0] == int(seen[0])
    steps = [made.step(np.int64(action)) for action in actions]
    assert [step[0] for step in steps] == [int(suit) for suit in seen[1:]]
    assert [step[1] for step in steps] == [worth[sign] for sign in judged]
    assert [step[2] for step in steps] == [False] * 50 + [True]


def episode(made: RepeatPrevious, seed: int, choose: Any) -> tuple[list[int], float]:
    """The suits of an episode and its return; `choose` sees all suits so far."""
    suits, total, terminated = [int(made.reset(seed=seed)[0])], 0.0, False
    while not terminated:
        suit, reward, terminated, _, _ = made.step(choose(suits))
        suits.append(int(suit))
        total += reward
    return suits, total


def test_cards_are_dealt_as_from_a_shuffled_deck() -> None:
    """Thirteen of each suit, and the same suit three cards on with the chance 12/51, not 1/4 as with draws put back."""
    episodes = [episode(RepeatPrevious(), seed, lambda suits: 0)[0] for seed in range(1500)]
    dealt = np.array(episodes)
    assert dealt.shape == (1500, 52)
    for suit in range(4):
        assert ((dealt == suit).sum(axis=1) == 13).all()
        assert (dealt == suit).mean(axis=0) == pytest.approx(0.25, abs=0.05)  # at each place; 4.5 standard deviations
    same = (dealt[:, 3:] == dealt[:, :-3]).mean()
    assert same == pytest.approx(12 / 51, abs=0.005)
    assert len({tuple(suits) for suits in episodes}) == 1500


def test_the_best_scores_of_repeat_previous() -> None:
    """Of who remembers, 1; of who does not, -25/51: a suit that is not the one seen is right 13 times in 51."""
    made = RepeatPrevious()
    with_memory = [episode(made, seed, lambda suits: suits[-4] if len(suits) > 3 else 0)[1] for seed in range(20)]
    assert with_memory == pytest.approx([1.0] * 20, abs=1e-12)
    without = np.mean([episode(made, seed, lambda suits: (suits[-1] + 1) % 4)[1] for seed in range(1500)])
    assert without == pytest.approx(-25 / 51, abs=0.012)  # 4 standard deviations
    the_same = np.mean([episode(made, seed, lambda suits: suits[-1])[1] for seed in range(1500)])
    assert the_same == pytest.approx(-27 / 51, abs=0.012)


@pytest.mark.parametrize(("k", "decks"), [(1, 1), (4, 2), (64, 3)])
def test_other_delays_and_decks(k: int, decks: int) -> None:
    """Popgym's convention: k = 1 is the card that lies there."""
    found = find_environment(IDS[2], {"k": k, "decks": decks})
    made = found.make().unwrapped
    suits, total = episode(made, 7, lambda suits: suits[-k] if len(suits) >= k else 0)
    assert len(suits) == 52 * decks
    assert len(suits) - 1 <= found.limit
    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("arguments", [{"k": 0}, {"k": 52}, {"decks": 0}, {"k": 1.5}])
def test_a_delay_beyond_the_deck_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"expected whole numbers with 1 <= k < 52 \* decks, got"):
        find_environment(IDS[2], arguments)


def test_no_card_is_dealt_before_the_reset_or_after_the_last() -> None:
    made = RepeatPrevious()
    with pytest.raises(gymnasium.error.ResetNeeded):
        made.step(np.int64(0))
    episode(made, 0, lambda suits: 0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        made.step(np.int64(0))


def test_a_draw_on_the_border_of_two_suits_is_the_second() -> None:
    """Chance does not get there: of 52 cards the first 13 are spades, those from place 13.0 on diamonds."""

    class Fixed(np.random.Generator):
        def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
            return 13.0

    made = RepeatPrevious()
    made.np_random = Fixed(np.random.PCG64(0))
    assert made.reset()[0] == 1


def test_the_cards_drawn() -> None:
    made = _Dealt(render_mode="ansi")
    made.suits = (3, 0, 1, 2, *range(4)) * 7
    made.reset(seed=0)
    for _ in range(13):
        made.step(np.int64(0))
    assert made.render() == "\n".join(["hsdcsdchhsdcs", "d" + "." * 12, "." * 13, "." * 13])
    made.render_mode = "rgb_array"
    picture = made.render()
    assert picture.shape == (96, 312, 3)
    assert picture[0, 0].tolist() == [200, 50, 60]
    assert picture[30, 0].tolist() == [225, 140, 40]
    assert picture[30, 30].tolist() == picture[95, 311].tolist() == [225, 225, 225]


# --- CartPole without velocities --------------------------------------------------------------------------------------


def test_cartpole_but_for_the_velocities() -> None:
    ours, gymnasiums = find_environment(IDS[3]).make(), find_environment("CartPole-v1").make()
    hidden, _ = ours.reset(seed=4)
    shown, _ = gymnasiums.reset(seed=4)
    rng, terminated = np.random.default_rng(0), False
    assert shown[[1, 3]].all()
    while not terminated:
        assert hidden.tolist() == [shown[0], 0.0, shown[2], 0.0]
        action = int(rng.integers(2))
        hidden, reward, terminated, truncated, _ = ours.step(action)
        shown, *rest, _ = gymnasiums.step(action)
        assert [reward, terminated, truncated] == rest
    assert ours.observation_space == gymnasiums.observation_space


def lengths(rule: Any, episodes: int) -> list[int]:
    """How long a rule `(observation, the one before) -> action` keeps the pole up."""
    found = find_environment(IDS[3])
    made, counts = found.make(), []
    for seed in range(episodes):
        seen, _ = made.reset(seed=seed)
        before, count, terminated = seen, 0, False
        while not terminated and count < found.limit:
            action = rule(seen, before)
            before = seen
            seen, _, terminated, _, _ = made.step(action)
            count += 1
        counts.append(count)
    return counts


def with_memory(seen: Any, before: Any) -> int:
    """Velocities as differences; gains as of a linear rule that balances the full CartPole."""
    speed = (seen - before) / 0.02
    return int(seen[0] * 0.1 + speed[0] * 0.3 + seen[2] * 4.0 + speed[2] > 0)


def test_scores_of_rules_with_and_without_memory() -> None:
    assert lengths(with_memory, 20) == [500] * 20
    assert np.mean(lengths(lambda seen, before: int(seen[2] > 0), 100)) == pytest.approx(42, abs=2)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_names_each_id_and_its_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in IDS)
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(program, names)
    assert names["run"].result["path"] == "native"
