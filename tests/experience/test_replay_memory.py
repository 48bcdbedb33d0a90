"""The replay memory against hand tables, and against a plain history that never forgets."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from cartwheel.errors import UsageError
from cartwheel.experience.records import Transitions
from cartwheel.experience.replay import Replay
from cartwheel.storage.arrays import pack, unpack
from cartwheel.storage.checkpoint import state_digest

D, A, M = 3, 2, 2


class History:
    """Lanes that go on, whose every number is another; what they have given is kept for ever, (T, N, ...) each."""

    def __init__(self, seed: int, lanes: int, ending: float = 0.2) -> None:
        self.rng, self.lanes, self.ending = np.random.default_rng(seed), lanes, ending
        self.obs = self.rng.normal(size=(lanes, D)).astype(np.float32)
        self.rows: list[dict[str, Any]] = []

    def more(self, steps: int) -> Transitions:
        """The next stretch."""
        for _ in range(steps):
            boundary = self.rng.random(self.lanes) < self.ending
            following = self.rng.normal(size=(2, self.lanes, D)).astype(np.float32)
            self.rows.append(
                {
                    "obs": self.obs,
                    "action": self.rng.normal(size=(self.lanes, A)).astype(np.float32),
                    "reward": self.rng.normal(size=self.lanes),
                    "discount": np.where(boundary & (self.rng.random(self.lanes) < 0.5), 0.0, 1.0),
                    "boundary": boundary,
                    "next_obs": following[0],
                    "memory": self.rng.normal(size=(self.lanes, M)).astype(np.float32),
                }
            )
            self.obs = np.where(boundary[:, None], following[1], following[0])
        found = {name: np.stack([row[name] for row in self.rows[-steps:]]) for name in self.rows[0]}
        return Transitions(**found, taken=np.full(self.lanes, steps))

    def window(self, row: int, lane: int, n_step: int, gamma: float) -> tuple[float, float, Any]:
        """Return, discount and what followed, of the window from a row on."""
        total, power = 0.0, 1.0
        for step in self.rows[row : row + n_step]:
            total += power * float(np.float32(step["reward"][lane]))
            power *= gamma
            if step["boundary"][lane]:
                break
        return total, power * step["discount"][lane], step["next_obs"][lane]


def filled(memory: Replay, *steps: int, lanes: int = 3, seed: int = 0, ending: float = 0.2) -> History:
    history = History(seed, lanes, ending)
    for count in steps:
        memory.add(history.more(count))
    return history


def new(capacity: int, lanes: int = 3, **options: Any) -> Replay:
    return Replay(capacity, lanes, obs=D, action=A, memory=M, **options)


STRETCHES = [(1,), (4, 4), (10,), (11,), (7, 7, 7), (1,) * 25, (35,), (3, 29, 2), (10, 10, 10)]


@pytest.mark.parametrize("ending", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("steps", STRETCHES, ids=str)
@pytest.mark.parametrize("n_step", [1, 3])
def test_windows_are_those_of_the_history(steps: tuple[int, ...], ending: float, n_step: int) -> None:
    """Ten rows of three lanes, over which the ring goes round once or more."""
    memory = new(32)  # 32 // 3 rows
    check_windows(memory, filled(memory, *steps, ending=ending), n_step)


def test_episodes_that_become_shorter_while_the_ring_goes_round() -> None:
    """So that what followed last steps needs more room in the middle of its own round; and longer again."""
    memory = new(30)
    history = filled(memory, *(4,) * 9, ending=0.1)
    for ending in (0.5, 1.0, 0.0, 0.3):
        history.ending = ending
        for _ in range(4):
            memory.add(history.more(3))
            check_windows(memory, history, 2)


def check_windows(memory: Replay, history: History, n_step: int) -> None:
    """Of a memory of ten rows, drawn as the docstring says."""
    kept = min(len(history.rows), 10)
    assert len(memory) == 3 * kept
    batch = memory.sample(np.random.default_rng(5), 4, 20, n_step, 0.9)
    keys = np.random.default_rng(5).integers(3 * kept, size=(4, 20)).ravel()
    for k, key in enumerate(keys):
        row, lane = len(history.rows) - kept + key // 3, key % 3
        total, discount, followed = history.window(row, lane, n_step, 0.9)
        assert batch.obs[k].tobytes() == history.rows[row]["obs"][lane].tobytes()
        assert batch.action[k].tobytes() == history.rows[row]["action"][lane].tobytes()
        assert batch.next_obs[k].tobytes() == followed.tobytes()
        assert batch.reward[k] == np.float32(total)
        assert batch.discount[k] == np.float32(discount)
    assert (batch.weight == 1).all()


@pytest.mark.parametrize("ending", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("steps", [(6,), (10,), (7, 7, 7), (35,)], ids=str)
@pytest.mark.parametrize(("burn_in", "length"), [(0, 1), (0, 4), (3, 2)])
def test_sequences_are_those_of_the_history(steps: tuple[int, ...], ending: float, burn_in: int, length: int) -> None:
    memory = new(30)
    history = filled(memory, *steps, ending=ending)
    kept = min(sum(steps), 10)
    oldest = len(history.rows) - kept
    found = memory.sample_sequences(np.random.default_rng(5), 2, 30, burn_in, length)
    keys = np.random.default_rng(5).integers(3 * (kept - length + 1), size=(2, 30))
    for (u, b), key in np.ndenumerate(keys):
        start, lane = oldest + key // 3, key % 3
        first, last = start, start
        while first > max(oldest, start - burn_in) and not history.rows[first - 1]["boundary"][lane]:
            first -= 1
        while last < start + length - 1 and not history.rows[last]["boundary"][lane]:
            last += 1
        steps_, count = history.rows[first : last + 1], last + 1 - first
        assert found.memory[u, b].tobytes() == history.rows[first]["memory"][lane].tobytes()
        expected = [*(step["obs"][lane] for step in steps_), steps_[-1]["next_obs"][lane]]
        np.testing.assert_array_equal(found.obs[u, : count + 1, b], expected)
        for name in ("action", "reward", "discount"):
            got = getattr(found, name)[u, :, b]
            np.testing.assert_array_equal(got[:count], np.float32([step[name][lane] for step in steps_]))
            assert not got[count:].any()
        assert not found.obs[u, count + 1 :, b].any()
        counts = [first + t >= start and t < count for t in range(burn_in + length)]
        np.testing.assert_array_equal(found.mask[u, :, b], counts)
    assert (found.mask.sum(axis=1) >= 1).all()


def test_a_time_limit_bootstraps_and_the_rules_end_does_not() -> None:
    """One lane, three steps of reward 1, the second one its episode's last; gamma 0.5, by hand."""
    one = np.ones((3, 1))
    for discount, expected in ((1.0, [0.25, 0.5, 0.5]), (0.0, [0.0, 0.0, 0.5])):
        memory = Replay(8, 1, obs=1, action=1)
        memory.add(
            Transitions(
                obs=np.float32([[[1]], [[2]], [[10]]]),
                action=np.zeros((3, 1, 1), np.float32),
                reward=one,
                discount=np.array([[1.0], [discount], [1.0]]),
                boundary=np.array([[False], [True], [False]]),
                next_obs=np.float32([[[2]], [[3]], [[11]]]),
                taken=np.array([3]),
            )
        )
        batch = memory.sample(np.random.default_rng(0), 1, 50, 4, 0.5)
        assert set(batch.index.tolist()) == {0, 1, 2}
        assert batch.reward.tolist() == [[1.5, 1.0, 1.0][k] for k in batch.index]
        assert batch.discount.tolist() == [expected[k] for k in batch.index]
        assert batch.next_obs[:, 0].tolist() == [[3.0, 3.0, 11.0][k] for k in batch.index]


def test_all_transitions_have_the_same_chance() -> None:
    """30 of them, 60,000 draws: 2,000 each, of which the deviation is 44."""
    memory = new(30)
    filled(memory, 7, 7)
    times = np.bincount(memory.sample(np.random.default_rng(1), 100, 600, 1, 0.9).index)
    assert sorted(times)[:3] == [0, 0, 0]  # the free row
    assert (np.abs(times[times > 0] - 2000) < 6 * 44).all()


def prioritised(alpha: float = 0.5) -> tuple[Replay, Any]:
    """Two lanes with 4 transitions, whose priorities^alpha are 1, 2, 3 and 4, and their numbers."""
    memory = Replay(8, 2, obs=D, action=A, alpha=alpha)
    memory.add(History(0, 2).more(2))
    memory.update(np.arange(4), np.array([1.0, -(2.0 ** (1 / alpha)), 3.0 ** (1 / alpha), -(4.0 ** (1 / alpha))]))
    return memory, np.array([0.1, 0.2, 0.3, 0.4])


def test_draws_by_priorities() -> None:
    """100,000 draws one by one: within six deviations of the chances; and a uniform memory is found wrong by this."""
    memory, chances = prioritised()
    times = np.bincount(memory.sample(np.random.default_rng(1), 100_000, 1, 1, 0.9).index)
    assert (np.abs(times - 1e5 * chances) < 6 * np.sqrt(1e5 * chances)).all()
    assert not (np.abs(25_000 - 1e5 * chances) < 6 * np.sqrt(1e5 * chances)).all()


def test_draws_are_stratified() -> None:
    """Each batch of ten has a number in each tenth of the sum: so one, two, three and four of each."""
    memory, _ = prioritised()
    index = memory.sample(np.random.default_rng(1), 7, 10, 1, 0.9).index.reshape(7, 10)
    assert (index == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]).all()


def test_importance_weights_by_hand() -> None:
    """(N P)^-beta is .4^-1 = 2.5, 1.25, .8333 and .625 at beta 1; over the batch's largest."""
    memory, chances = prioritised()
    for beta in (0.0, 0.4, 1.0):
        batch = memory.sample(np.random.default_rng(1), 1, 10, 1, 0.9, beta)
        expected = ((4 * chances) ** -beta / (4 * 0.1) ** -beta)[batch.index]
        np.testing.assert_allclose(batch.weight, expected, rtol=1e-5)
    assert batch.weight[0] == 1.0
    np.testing.assert_allclose(batch.weight[-1], 0.25, rtol=1e-5)


def test_weights_are_relative_to_their_own_batch() -> None:
    memory, _ = prioritised()
    batch = memory.sample(np.random.default_rng(1), 50, 1, 1, 0.9, 1.0)
    assert len(set(batch.index.tolist())) == 4
    assert (batch.weight == 1).all()


def test_new_transitions_get_the_largest_priority_so_far() -> None:
    """Even after the one that had it has lost it: 4, beside 1, 2, 3 and 1e-3."""
    memory, _ = prioritised()
    memory.update(np.array([3]), np.array([0.0]))
    history = History(1, 2)
    history.obs = memory.state()["obs"][-1]
    stretch = history.more(1)
    memory.add(replace(stretch, obs=history.rows[0]["obs"][None]))
    np.testing.assert_allclose(memory.state()["priority"], [[1, 2], [3, 1e-3], [4, 4]], rtol=1e-5)


def test_new_transitions_come_first_with_priority_1() -> None:
    memory = new(30, alpha=0.6)
    filled(memory, 4)
    assert (memory.state()["priority"] == 1).all()


def test_what_is_overwritten_is_never_drawn() -> None:
    """Over many stretches: those drawn are stored, though what was there had other priorities."""
    memory, history, rng = new(30, alpha=1.0), History(0, 3), np.random.default_rng(2)
    for _ in range(40):
        memory.add(history.more(int(rng.integers(1, 6))))
        batch = memory.sample(rng, 1, 40, 2, 0.9, 0.5)
        stored = {row["obs"][lane].tobytes() for row in history.rows[-10:] for lane in range(3)}
        assert {row.tobytes() for row in batch.obs} <= stored
        memory.update(batch.index, rng.normal(scale=5.0, size=40))


def test_of_a_transition_that_comes_twice_the_last_error_stays() -> None:
    memory, _ = prioritised(1.0)
    memory.update(np.array([2, 0, 2]), np.array([9.0, 8.0, -7.0]))
    np.testing.assert_allclose(memory.state()["priority"].ravel(), [8, 2, 7, 4], rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6])
@pytest.mark.parametrize("steps", [(), (4,), (7, 7, 9)], ids=str)
def test_a_restored_memory_goes_on_as_if_never_stopped(steps: tuple[int, ...], alpha: float) -> None:
    """Through the bytes of a checkpoint; the same states and draws, to the bit, while both go on."""
    memory, rng = new(30, alpha=alpha), np.random.default_rng(3)
    history = filled(memory, *steps)
    if steps and alpha:
        memory.update(memory.sample(rng, 1, 20, 1, 0.9).index, rng.normal(size=20))
    state = memory.state()
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    read, scalars = unpack(pack(arrays, {name: state[name] for name in set(state) - set(arrays)}), "a state")
    again = new(30, alpha=alpha)
    filled(again, 5, seed=9)  # whatever it was before
    again.restore({**read, **scalars})
    for count in (2, 9, 3):
        assert state_digest(memory.state()) == state_digest(again.state())
        stretch = history.more(count)
        drawn = []
        for one in (memory, again):
            one.add(stretch)
            draws = np.random.default_rng(8)
            batch, found = one.sample(draws, 3, 8, 3, 0.9, 0.4), one.sample_sequences(draws, 2, 5, 2, 2)
            if alpha:
                one.update(batch.index, draws.normal(size=24))
            drawn.append([getattr(part, field.name).tobytes() for part in (batch, found) for field in fields(part)])
        assert drawn[0] == drawn[1]


def test_a_state_holds_the_filled_part_alone_and_is_nobody_elses() -> None:
    memory = new(3_000)
    history = filled(memory, 5)
    state = memory.state()
    assert state["obs"].shape == (6, 3, D)
    assert len(state["finals"]) == sum(row["boundary"].sum() for row in history.rows)
    before = state_digest(state)
    memory.add(history.more(2_000))
    assert state_digest(state) == before


@pytest.mark.parametrize("options", [{}, {"alpha": 0.5}], ids=str)
def test_bytes_are_those_of_its_arrays(options: dict[str, float]) -> None:
    """Told before; reached where each step is an episode's last, and a part of it else."""
    told = Replay.bytes(100, 3, obs=D, action=A, memory=M, prioritised=bool(options))
    for ending, equal in ((0.1, False), (1.0, True)):
        memory = new(100, **options)
        filled(memory, *(5,) * 16, ending=ending)
        taken = (
            memory._memory.nbytes
            + (memory._priorities.nbytes if memory._priorities else 0)
            + sum(part.nbytes for part in memory._ring)
        )
        assert (taken == told) is equal
        assert taken <= told


def test_bytes_by_hand() -> None:
    """CartPole's 100,000 steps of 8 lanes: 33 bytes a transition and 16 for what follows a last step, 8 a row."""
    assert Replay.bytes(100_000, 8, obs=4, action=1) == 12_501 * 8 * (16 + 4 + 4 + 1) + 12_501 * 8 + 100_000 * 16


def test_what_followed_a_last_step_takes_room_only_then() -> None:
    memory = new(3_000)
    filled(memory, 900, ending=0.01)
    assert len(memory._ring.finals) < 100


def test_given_arrays_are_left_alone() -> None:
    memory, history = new(30), History(0, 3)
    stretch = history.more(25)
    memory.add(stretch)
    assert all((stretch.obs[t] == history.rows[t]["obs"]).all() for t in range(25))
    assert not np.shares_memory(memory._ring.obs, stretch.obs)


@pytest.mark.parametrize(
    ("capacity", "options", "words"),
    [
        (2, {}, "expected room for a step of each of the 3 lanes, got 2"),
        (30, {"alpha": -0.1}, "from 0 to 1, got -0.1"),
        (30, {"alpha": np.nan}, "from 0 to 1, got nan"),
        (10**18, {}, "no room for 1000000000000000000 transitions"),
    ],
)
def test_memories_that_cannot_be(capacity: int, options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        new(capacity, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"obs": np.zeros((4, 3, D + 1), np.float32)}, r"obs \(4, 3, 3\), got \(4, 3, 4\)"),
        ({"next_obs": np.zeros((4, 2, D), np.float32)}, "next_obs"),
        ({"action": np.zeros((4, 3), np.float32)}, "action"),
        ({"memory": None}, "memory"),
        ({"memory": np.zeros((4, 3, M + 1), np.float32)}, "memory"),
        ({"boundary": np.zeros((5, 3), np.bool_)}, "boundary"),
        ({"taken": np.array([4, 3, 4])}, "all lanes to take 4 steps"),
        ({"next_obs": np.zeros((4, 3, D), np.float32), "boundary": np.zeros((4, 3), np.bool_)}, "step 1 of lane 0"),
    ],
)
def test_transitions_that_do_not_fit(change: dict[str, Any], words: str) -> None:
    memory, history = new(30), History(0, 3, ending=0.0)
    stretch = history.more(4)
    with pytest.raises(ValueError, match=words) as caught:
        memory.add(replace(stretch, **change))
    assert "\n" not in str(caught.value)
    assert len(memory) == 0


def test_a_stretch_follows_on_the_one_before() -> None:
    memory, history = new(30), History(0, 3, ending=0.0)
    memory.add(history.more(4))
    history.more(1)
    with pytest.raises(ValueError, match="step 0 of lane 0 does not follow"):
        memory.add(history.more(4))


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("sample", (0, 4, 1, 0.9), "updates of at least 1, got 0"),
        ("sample", (2, 0, 1, 0.9), "batch of at least 1, got 0"),
        ("sample", (2, 4, 0, 0.9), "n-step of at least 1, got 0"),
        ("sample", (2, 4, 1, 1.1), "gamma from 0 to 1"),
        ("sample", (2, 4, 1, np.nan), "gamma from 0 to 1"),
        ("sample", (2, 4, 1, 0.9, -1.0), "beta"),
        ("sample_sequences", (2, 4, -1, 2), "burn-in of at least 0, got -1"),
        ("sample_sequences", (2, 4, 1, 0), "length of at least 1, got 0"),
        ("sample_sequences", (2, 4, 1, 6), "6 or more steps of each lane to draw from, got 5"),
    ],
)
def test_draws_that_cannot_be(name: str, arguments: tuple[Any, ...], words: str) -> None:
    memory = new(30)
    filled(memory, 5)
    with pytest.raises(UsageError, match=words):
        getattr(memory, name)(np.random.default_rng(0), *arguments)


def test_nothing_is_drawn_from_an_empty_memory() -> None:
    for alpha in (0.0, 0.5):
        with pytest.raises(UsageError, match="1 or more steps of each lane to draw from, got 0"):
            new(30, alpha=alpha).sample(np.random.default_rng(0), 1, 1, 1, 0.9)


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        ([0, 1], [1.0], "expected 2 finite TD errors"),
        ([0, 1], [1.0, np.nan], "expected 2 finite TD errors"),
        ([0, 99], [1.0, 1.0], "the transitions of a batch"),
        ([0, -1], [1.0, 1.0], "the transitions of a batch"),
        ([0, 4], [1.0, 1.0], "the transitions of a batch"),  # the free row
    ],
)
def test_updates_that_cannot_be(index: list[int], error: list[float], words: str) -> None:
    memory, _ = prioritised()
    before = state_digest(memory.state())
    with pytest.raises(ValueError, match=words):
        memory.update(np.array(index), np.array(error))
    assert state_digest(memory.state()) == before


def test_a_uniform_memory_has_no_priorities() -> None:
    memory = new(30)
    filled(memory, 5)
    with pytest.raises(ValueError, match="got a uniform one"):
        memory.update(np.array([0]), np.array([1.0]))


@pytest.mark.parametrize("other", [new(60), new(30, lanes=2), new(30, alpha=0.5)], ids=["size", "lanes", "kind"])
def test_a_state_of_another_memory_is_refused(other: Replay) -> None:
    memory = new(30)
    filled(memory, 5)
    with pytest.raises(UsageError, match="expected the state of a memory of 10 steps of 3 lanes, widths 3, 2, 2, unif"):
        memory.restore(other.state())
    assert len(memory) == 15
