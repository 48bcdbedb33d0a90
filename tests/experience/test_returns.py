"""Returns and advantages against hand tables, definitions and each other; the plain twins are here (see `twins.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers.utils import RunningMeanStd

from cartwheel.errors import UsageError
from cartwheel.experience.returns import RewardScale, advantages, discounted, n_step

# Two lanes by hand, gamma 1/2. In the first one an episode ends after 2 steps, the next is cut after 2 more by its time
# limit, and a third is still open. In the second one all steps belong to one episode. The value of 100 after the end
# must not count; the one after the time limit is 20, not the 10 of the row below, which begins another episode.
REWARD = np.array([[1, 2, 4, 8, 16, 32], [0, 8, 0, 16, 0, 32]], np.float64).T
DISCOUNT = np.array([[1, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]], np.float64).T
BOUNDARY = np.array([[0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]], np.bool_).T
VALUES = np.array([[2, 4, 6, 8, 10, 12], [0, 4, 8, 12, 16, 20]], np.float64).T
NEXT = np.array([[4, 100, 8, 20, 12, 40], [4, 8, 12, 16, 20, 24]], np.float64).T
TAKEN_FOR_THE_END = np.where(BOUNDARY, 0.0, DISCOUNT)  # every boundary: the mistake that must be seen


@dataclass(frozen=True)
class Steps:
    """A stretch of random rewards and values, lanes of which end and are cut at random."""

    reward: Any
    discount: Any
    boundary: Any
    values: Any
    next_values: Any

    @classmethod
    def drawn(cls, seed: int, T: int = 23, N: int = 4) -> Steps:
        rng = np.random.default_rng(seed)
        boundary = rng.random((T, N)) < 0.2
        discount = np.where(boundary & (rng.random((T, N)) < 0.5), 0.0, 1.0)
        values, next_values = rng.normal(size=(T, N)), rng.normal(size=(T, N))
        next_values[:-1] = np.where(boundary[:-1], next_values[:-1], values[1:])  # what follows is what is seen next
        return cls(rng.normal(size=(T, N)), discount, boundary, values, next_values)

    @property
    def met(self) -> tuple[Any, Any, Any]:
        return self.reward, self.discount, self.boundary


# --- plain twins ------------------------------------------------------------------------------------------------------


def plain_n_step(steps: Steps, n: int, gamma: float) -> Any:
    """All windows grow together, one step at a time."""
    open_ = ~steps.boundary
    open_[-1:] = False
    found = steps.reward + gamma * steps.discount * steps.next_values
    for _ in range(n - 1):
        rest = np.where(open_, np.roll(found, -1, axis=0), steps.next_values)
        found = steps.reward + gamma * steps.discount * rest
    return found


def plain_discounted(steps: Steps, gamma: float) -> Any:
    return plain_n_step(steps, len(steps.reward), gamma)


def plain_advantages(steps: Steps, gamma: float, lam: float) -> Any:
    follows = gamma * steps.discount
    delta = steps.reward + follows * steps.next_values - steps.values
    found, rest = np.empty_like(delta), np.zeros(delta.shape[1])
    for t in reversed(range(len(delta))):
        rest = found[t] = delta[t] + follows[t] * lam * np.where(steps.boundary[t], 0.0, rest)
    return found


def plain_so_far(steps: Steps, gamma: float, sums: Any) -> Any:
    """S after each step, and what goes on, as rows one below the other."""
    found = []
    for reward, cut in zip(steps.reward, steps.boundary, strict=True):
        found.append(gamma * sums + reward)
        sums = np.where(cut, 0.0, found[-1])
    return np.stack([*found, sums])


# --- hand tables ------------------------------------------------------------------------------------------------------


def test_discounted_returns_by_hand() -> None:
    got = discounted(REWARD, DISCOUNT, BOUNDARY, 0.5, NEXT)
    assert got.T.tolist() == [[2, 2, 13, 18, 42, 52], [7.375, 14.75, 13.5, 27, 22, 44]]


def test_discounted_returns_without_what_was_not_seen_by_hand() -> None:
    got = discounted(REWARD, DISCOUNT, BOUNDARY, 0.5)
    assert got.T.tolist() == [[2, 2, 8, 8, 32, 32], [7, 14, 12, 24, 16, 32]]


@pytest.mark.parametrize(
    ("n", "open_lane"),
    [
        (1, [2, 12, 6, 24, 10, 44]),
        (2, [6, 11, 12, 21, 22, 44]),
        (3, [5.5, 14, 10.5, 27, 22, 44]),
        (99, [7.375, 14.75, 13.5, 27, 22, 44]),
    ],
)
def test_n_step_returns_by_hand(n: int, open_lane: list[float]) -> None:
    first = [3, 2, 8, 18, 22, 52] if n == 1 else [2, 2, 13, 18, 42, 52]
    assert n_step(REWARD, DISCOUNT, BOUNDARY, NEXT, n, 0.5).T.tolist() == [first, open_lane]


def test_advantages_by_hand() -> None:
    got = advantages(REWARD, DISCOUNT, BOUNDARY, VALUES, NEXT, 0.5, 0.5)
    assert got.T.tolist() == [[0.5, -2, 4.5, 10, 22, 40], [4.0625, 8.25, 1, 12, 0, 24]]


def test_a_time_limit_taken_for_the_end_gives_other_numbers() -> None:
    """The negative control: other in the cut episode (steps 2 and 3 of the first lane), and nowhere else."""
    wrong = TAKEN_FOR_THE_END
    assert discounted(REWARD, wrong, BOUNDARY, 0.5, NEXT).T.tolist()[0] == [2, 2, 8, 8, 42, 52]
    assert n_step(REWARD, wrong, BOUNDARY, NEXT, 2, 0.5).T.tolist()[0] == [2, 2, 8, 8, 42, 52]
    assert advantages(REWARD, wrong, BOUNDARY, VALUES, NEXT, 0.5, 0.5).T.tolist()[0] == [0.5, -2, 2, 0, 22, 40]


def test_where_the_value_is_known_a_time_limit_changes_nothing() -> None:
    """A reward of 1 for ever is worth 10 at gamma 0.9, wherever it is cut; taken for the end, it is not."""
    ones, known = np.ones((20, 1)), np.full((20, 1), 10.0)
    cut = np.arange(20)[:, None] % 5 == 4
    ignored = np.where(cut, 0.0, 1.0)
    for n in (1, 3, 20):
        np.testing.assert_allclose(n_step(ones, ones, cut, known, n, 0.9), known, rtol=1e-14)
    np.testing.assert_allclose(discounted(ones, ones, cut, 0.9, known), known, rtol=1e-14)
    np.testing.assert_allclose(advantages(ones, ones, cut, known, known, 0.9, 0.95), 0.0, atol=1e-14)
    steps_left = 5 - np.arange(20)[:, None] % 5
    wrong = discounted(ones, ignored, cut, 0.9, known)
    np.testing.assert_allclose(wrong, 10.0 * (1.0 - 0.9**steps_left), rtol=1e-14)
    assert (np.abs(advantages(ones, ignored, cut, known, known, 0.9, 0.95)) > 1.0).all()


# --- definitions and identities -----------------------------------------------------------------------------------


def episode_of(steps: Steps, t: int, lane: int) -> list[int]:
    """The rows from t on that belong to the same episode."""
    rows = [t]
    while rows[-1] + 1 < len(steps.boundary) and not steps.boundary[rows[-1], lane]:
        rows.append(rows[-1] + 1)
    return rows


def by_definition(steps: Steps, rows: list[int], lane: int, gamma: float) -> float:
    """The discounted sum of these rows' rewards, and the value of what followed them."""
    rewards = sum(gamma**i * steps.reward[row, lane] for i, row in enumerate(rows))
    last = rows[-1], lane
    return float(rewards + gamma ** len(rows) * steps.discount[last] * steps.next_values[last])


@pytest.mark.parametrize("seed", range(20))
def test_returns_are_their_definitions(seed: int) -> None:
    steps, gamma = Steps.drawn(seed), 0.9
    found = {n: n_step(*steps.met, steps.next_values, n, gamma) for n in (1, 2, 5)}
    found[23] = discounted(*steps.met, gamma, steps.next_values)
    for t, lane in np.ndindex(23, 4):
        rows = episode_of(steps, t, lane)
        for n, returns in found.items():
            assert returns[t, lane] == pytest.approx(by_definition(steps, rows[:n], lane, gamma), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_advantages_are_the_weighted_mean_of_those_of_all_windows(seed: int, lam: float) -> None:
    """Schulman, eq. 11 to 16: (1 - lambda) (A1 + lambda A2 + ...), in which Ak stays as it is after the episode."""
    steps, gamma = Steps.drawn(seed), 0.9
    got = advantages(*steps.met, steps.values, steps.next_values, gamma, lam)
    for t, lane in np.ndindex(23, 4):
        rows = episode_of(steps, t, lane)
        windows = [by_definition(steps, rows[:k], lane, gamma) for k in range(1, len(rows) + 1)]
        weights = [(1.0 - lam) * lam**k for k in range(len(rows) - 1)] + [lam ** (len(rows) - 1)]
        assert got[t, lane] == pytest.approx(np.dot(weights, windows) - steps.values[t, lane], rel=1e-11, abs=1e-12)


def test_identities() -> None:
    """Lambda 0 is delta, lambda 1 the returns less the values (eq. 17, 18), n of at least T the discounted returns."""
    steps, gamma = Steps.drawn(99, T=200), 0.97
    deep = discounted(*steps.met, gamma, steps.next_values)
    ahead = [advantages(*steps.met, steps.values, steps.next_values, gamma, lam) for lam in (0.0, 1.0)]
    one = n_step(*steps.met, steps.next_values, 1, gamma)
    np.testing.assert_array_equal(ahead[0], one - steps.values)
    np.testing.assert_allclose(ahead[1], deep - steps.values, rtol=1e-10, atol=1e-12)
    assert n_step(*steps.met, steps.next_values, 200, gamma).tobytes() == deep.tobytes()
    assert n_step(*steps.met, steps.next_values, 10**12, gamma).tobytes() == deep.tobytes()
    assert (n_step(*steps.met, steps.next_values, 3, gamma) != deep).any()


def test_lanes_and_rest_do_not_matter_to_each_other() -> None:
    """A lane alone has the same numbers; so has one that rested after its episode, whatever its values are there."""
    steps = Steps.drawn(3)
    whole = advantages(*steps.met, steps.values, steps.next_values, 0.9, 0.8)
    for lane in range(4):
        own = [array[:, [lane]] for array in (*steps.met, steps.values, steps.next_values)]
        assert advantages(*own, 0.9, 0.8).tobytes() == whole[:, [lane]].tobytes()
    end = int(np.flatnonzero(steps.boundary[:, 0])[0]) + 1
    rested = [np.concatenate([array[:end, :1], np.zeros((9, 1), array.dtype)]) for array in steps.met]
    values = [np.concatenate([array[:end, :1], np.full((9, 1), 7.0)]) for array in (steps.values, steps.next_values)]
    assert advantages(*rested, *values, 0.9, 0.8)[:end].tobytes() == whole[:end, :1].tobytes()
    assert discounted(*rested, 0.9, values[1])[end:].tolist() == [[0.0]] * 9


def test_what_is_given_stays_as_it_is_and_may_be_of_any_floats() -> None:
    single = [np.asfortranarray(array, np.float32) for array in (REWARD, DISCOUNT, VALUES, NEXT)]
    got = advantages(single[0], single[1], BOUNDARY, single[2], single[3], 0.5, 0.5)
    assert got.dtype == np.float64
    assert got.tobytes() == advantages(REWARD, DISCOUNT, BOUNDARY, VALUES, NEXT, 0.5, 0.5).tobytes()
    np.testing.assert_array_equal(single[0], REWARD)
    np.testing.assert_array_equal(single[3], NEXT)


def test_what_is_wrong_is_said() -> None:
    for gamma in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="expected gamma from 0 to 1"):
            discounted(REWARD, DISCOUNT, BOUNDARY, gamma)
        with pytest.raises(UsageError, match="expected gamma from 0 to 1"):
            RewardScale.none(2, gamma)
    with pytest.raises(UsageError, match="expected lambda from 0 to 1, got 2"):
        advantages(REWARD, DISCOUNT, BOUNDARY, VALUES, NEXT, 0.5, 2.0)
    with pytest.raises(UsageError, match="at least 1 step, got 0"):
        n_step(REWARD, DISCOUNT, BOUNDARY, NEXT, 0, 0.5)
    with pytest.raises(ValueError, match=r"one shape \(T, N\), got shapes \(6, 2\), \(6, 2\), \(6, 2\), \(5, 2\)"):
        n_step(REWARD, DISCOUNT, BOUNDARY, NEXT[1:], 1, 0.5)
    with pytest.raises(ValueError, match=r"one shape \(T, N\)"):
        discounted(REWARD[0], DISCOUNT[0], BOUNDARY[0], 0.5)
    with pytest.raises(ValueError, match="of 3 lanes"):
        RewardScale.none(3, 0.5).merged(REWARD, BOUNDARY, np.array([6, 6]))


# --- the scale of rewards ---------------------------------------------------------------------------------------------

ALL = np.array([6, 6])


def test_sums_and_deviation_by_hand() -> None:
    """S of the hand tables: it begins anew after a boundary, whichever; and goes on in the next stretch."""
    sums = np.array([1, 2.5, 4, 10, 16, 40, 0, 8, 4, 18, 9, 36.5])
    scale = RewardScale.none(2, 0.5).merged(REWARD, BOUNDARY, ALL)
    assert scale.sums.tolist() == [40.0, 36.5]
    assert scale.moments.count == 12
    assert scale.deviation == pytest.approx(sums.std(), rel=1e-9)
    again = scale.merged(REWARD[:1], BOUNDARY[:1], np.array([1, 1]))
    assert again.sums.tolist() == [21.0, 18.25]
    assert again.deviation == pytest.approx(np.append(sums, [21.0, 18.25]).std(), rel=1e-9)
    assert scale.sums.tolist() == [40.0, 36.5]  # as it was
    assert scale.moments.count == 12


def test_rewards_are_divided_and_not_shifted() -> None:
    scale = RewardScale.none(2, 0.5).merged(REWARD, BOUNDARY, ALL)
    np.testing.assert_allclose(scale.apply(REWARD), REWARD / scale.deviation, rtol=1e-15)
    assert scale.apply(np.array([0.0, 1e9, -1e9])).tolist() == [0.0, 10.0, -10.0]


def test_nothing_is_scaled_before_there_are_two() -> None:
    scale = RewardScale.none(1, 0.9)
    for rows in (0, 1):
        scale = scale.merged(np.full((rows, 1), 3.0), np.zeros((rows, 1), np.bool_), np.array([rows]))
        assert scale.deviation == 1.0
        assert scale.apply(np.array([3.0])).tolist() == [3.0]


def test_stretch_by_stretch_is_as_all_at_once() -> None:
    steps = Steps.drawn(5, T=60)
    whole = parts = RewardScale.none(4, 0.95)
    whole = whole.merged(steps.reward, steps.boundary, np.full(4, 60))
    for start, stop in ((0, 7), (7, 8), (8, 60)):
        parts = parts.merged(steps.reward[start:stop], steps.boundary[start:stop], np.full(4, stop - start))
    assert parts.sums.tobytes() == whole.sums.tobytes()
    assert parts.moments.count == whole.moments.count == 240
    assert parts.deviation == pytest.approx(whole.deviation, rel=1e-12)


def test_the_deviation_is_gymnasiums_of_the_same_sums() -> None:
    """That of its NormalizeReward, which begins with a ten-thousandth of an observation, and so is a little other."""
    steps = Steps.drawn(6, T=3000)
    rewards = steps.reward + 1.0
    scale = RewardScale.none(4, 0.95).merged(rewards, steps.boundary, np.full(4, 3000))
    running, sums = RunningMeanStd(), np.zeros(4)
    for reward, cut in zip(rewards, steps.boundary, strict=True):
        sums = sums * 0.95 + reward
        running.update(sums)
        sums[cut] = 0.0
    assert scale.deviation == pytest.approx(float(np.sqrt(running.var)), rel=1e-6)
    assert scale.moments.mean[0] == pytest.approx(float(running.mean), rel=1e-6)


def test_rows_of_rest_do_not_count() -> None:
    """Lane 0 rested after 3 steps, lane 2 did not take any."""
    reward, boundary = np.array([[4.0, 1.0, 0.0]] * 5), np.zeros((5, 3), np.bool_)
    reward[3:, 0], boundary[2, 0] = 0.0, True
    scale = RewardScale.none(3, 0.5).merged(reward, boundary, np.array([3, 5, 0]))
    sums = np.array([4, 6, 7, 1, 1.5, 1.75, 1.875, 1.9375])
    assert scale.moments.count == 8
    assert scale.deviation == pytest.approx(sums.std(), rel=1e-8)
    assert scale.sums.tolist() == [0.0, 1.9375, 0.0]


def test_a_restored_scale_goes_on_as_if_nothing_had_been() -> None:
    steps = Steps.drawn(7)
    first = RewardScale.none(4, 0.9).merged(steps.reward, steps.boundary, np.full(4, 23))
    state = first.state()
    restored = RewardScale.restored(state, 0.9)
    state["sums"][:] = np.nan  # a copy on both sides
    ways = [one.merged(steps.reward, steps.boundary, np.full(4, 23)) for one in (first, restored)]
    assert ways[0].deviation == ways[1].deviation != first.deviation
    assert ways[0].moments.mean.tobytes() == ways[1].moments.mean.tobytes()
    assert ways[0].sums.tobytes() == ways[1].sums.tobytes()


def test_sums_that_hardly_differ_are_divided_by_a_share_of_their_mean() -> None:
    """Rewards of 100 and 101, an episode each: clipped to 10 deviations, 0.5 each, they would all be the same."""
    reward = np.array([[100.0], [101.0]] * 8)
    scale = RewardScale.none(1, 0.99).merged(reward, np.ones(reward.shape, np.bool_), np.array([16]))
    assert scale.deviation == pytest.approx(2.0 * 100.5 / 10.0)
    np.testing.assert_allclose(scale.apply(reward), reward / 20.1)
