"""What kernels read from a replay memory, against hand tables; the plain twins are here too (see `twins.py`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.kernels.replay import CUT, GOES_ON, OVER, Ring, assign, find, sequences, windows


def random_ring(seed: int, rows: int, lanes: int, head: int, ending: float = 0.3) -> tuple[Ring, Any]:
    """A full ring of random numbers whose free row is `head`, and each last step's {(row, lane): what followed it}."""
    rng = np.random.default_rng(seed)
    shape = rows, lanes
    end = np.where(rng.random(shape) < ending, rng.integers(CUT, OVER + 1, shape), GOES_ON).astype(np.uint8)
    places = [((head + k) % rows, lane) for k in range(1, rows) for lane in range(lanes)]
    last = [place for place in places if end[place] != GOES_ON]
    finals = rng.normal(size=(len(last) + 3, 2)).astype(np.float32)  # the numbers of those before came to 1000
    earlier = np.full(rows, -1)
    for row in {row for row, _ in places}:
        order = [(head + k) % rows for k in range(1, rows)]
        earlier[row] = 1000 + sum(order.index(other) < order.index(row) for other, _ in last)
    after = {place: finals[(1000 + k) % len(finals)] for k, place in enumerate(last)}
    obs, action = (rng.normal(size=(*shape, width)).astype(np.float32) for width in (2, 1))
    return Ring(obs, action, rng.normal(size=shape).astype(np.float32), end, earlier, finals), after


def after_step(ring: Ring, finals: Any, row: int, lane: int) -> Any:
    return finals.get((row, lane), ring.obs[(row + 1) % len(ring.obs), lane])


def plain_windows(start: Any, head: int, n_step: int, gamma: float, ring: Ring, finals: Any) -> Any:
    """Observation, action, return, discount and what followed, side by side: (K, 2 d + a + 2)."""
    found = []
    for row, lane in zip(*divmod(start, ring.end.shape[1]), strict=True):
        path = [row]
        while len(path) < n_step and ring.end[path[-1], lane] == GOES_ON and (path[-1] + 1) % len(ring.obs) != head:
            path.append((path[-1] + 1) % len(ring.obs))
        powers = np.cumprod([1.0, *[gamma] * len(path)])
        total = np.cumsum(powers[:-1] * ring.reward[path, lane].astype(np.float64))[-1]
        discount = powers[-1] * (ring.end[path[-1], lane] != OVER)
        followed = after_step(ring, finals, path[-1], lane)
        found.append(np.concatenate([ring.obs[row, lane], ring.action[row, lane], [total, discount], followed]))
    return np.array(found).astype(np.float32)


def run_windows(start: Any, head: int, n_step: int, gamma: float, ring: Ring) -> Any:
    made = [np.full((len(start), width), np.nan, np.float32) for width in (2, 1)]
    made += [np.full(len(start), np.nan, np.float32) for _ in range(2)] + [np.full((len(start), 2), np.nan, np.float32)]
    windows(start, head, n_step, gamma, *ring, *made)
    return np.column_stack(made)


def plain_sequences(start: Any, oldest: int, burn_in: int, length: int, ring: Ring, memory: Any, finals: Any) -> Any:
    """All arrays of the kernel, flat one after the other."""
    T, rows, (U, B) = burn_in + length, len(ring.obs), start.shape
    obs, action = np.zeros((U, T + 1, B, 2), np.float32), np.zeros((U, T, B, 1), np.float32)
    flags, remembered = np.zeros((3, U, T, B), np.float32), np.zeros((U, B, memory.shape[2]), np.float32)
    for (u, b), number in np.ndenumerate(start):
        row, lane = divmod(int(number), ring.end.shape[1])
        path = [row]
        while len(path) <= burn_in and path[0] != oldest and ring.end[path[0] - 1, lane] == GOES_ON:
            path.insert(0, (path[0] - 1) % rows)
        warm = len(path) - 1
        while len(path) < warm + length and ring.end[path[-1], lane] == GOES_ON:
            path.append((path[-1] + 1) % rows)
        n, last = len(path), path[-1]
        obs[u, :n, b], action[u, :n, b] = ring.obs[path, lane], ring.action[path, lane]
        obs[u, n, b] = after_step(ring, finals, last, lane)
        flags[0, u, :n, b] = ring.reward[path, lane]
        flags[1, u, :n, b] = ring.end[path, lane] != OVER
        flags[2, u, warm:n, b] = 1.0
        remembered[u, b] = memory[path[0], lane]
    return np.concatenate([part.ravel() for part in (obs, action, flags, remembered)])


def run_sequences(start: Any, oldest: int, burn_in: int, length: int, ring: Ring, memory: Any) -> Any:
    T, (U, B) = burn_in + length, start.shape
    obs, action = np.zeros((U, T + 1, B, 2), np.float32), np.zeros((U, T, B, 1), np.float32)
    flags, remembered = np.zeros((3, U, T, B), np.float32), np.zeros((U, B, memory.shape[2]), np.float32)
    sequences(start, oldest, burn_in, length, *ring, memory, obs, action, *flags, remembered)
    return np.concatenate([part.ravel() for part in (obs, action, flags, remembered)])


def plain_tree(leaves: Any) -> Any:
    """The tree over leaves (P,), made anew from the bottom."""
    levels = [leaves]
    while len(levels[0]) > 1:
        levels.insert(0, levels[0][::2] + levels[0][1::2])
    return np.concatenate([[0.0], *levels])


def plain_find(value: Any, tree: Any) -> Any:
    """By the same subtractions, recursively."""
    leaves = len(tree) // 2

    def below(node: int, rest: float) -> int:
        if node >= leaves:
            return node - leaves
        left, right = tree[2 * node], tree[2 * node + 1]
        return below(2 * node, rest) if rest < left or right == 0.0 else below(2 * node + 1, rest - left)

    return np.array([below(1, rest) for rest in value])


def empty_tree(leaves: int) -> Any:
    return np.zeros(2 * leaves)


# One lane of five rows, row 3 the free one: steps in the order of rows 4, 0, 1, 2.


def hand_ring(end: dict[int, int], lanes: int = 1) -> Ring:
    """Observation 10 * row, reward 2^k for the k-th row in time; after a row's last step came 10 * row + 5."""
    codes = np.zeros((5, lanes), np.uint8)
    reward, earlier, finals = np.zeros((5, lanes), np.float32), np.zeros(5, np.int64), []
    for k, row in enumerate((4, 0, 1, 2)):
        earlier[row] = len(finals)
        codes[row], reward[row] = end.get(row, GOES_ON), 2.0**k
        finals += [[10.0 * row + 5 + lane / 10] for lane in range(lanes) if row in end]
    obs = np.repeat(10.0 * np.arange(5, dtype=np.float32)[:, None], lanes, axis=1)[..., None]
    return Ring(obs, obs / 10, reward, codes, earlier, np.array(finals or [[0.0]], np.float32))


def window(end: dict[int, int], row: int, n_step: int, gamma: float = 0.5) -> tuple[float, ...]:
    """Return, discount and what followed."""
    made = [np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32), *np.zeros((2, 1), np.float32)]
    followed = np.zeros((1, 1), np.float32)
    windows(np.array([row]), 3, n_step, gamma, *hand_ring(end), *made, followed)
    assert (made[0].item(), made[1].item()) == (10.0 * row, row)
    return made[2].item(), made[3].item(), followed.item()


@pytest.mark.parametrize(
    ("end", "row", "n_step", "expected"),
    [
        ({}, 4, 1, (1.0, 0.5, 0.0)),  # row 0 follows row 4
        ({}, 4, 2, (1.0 + 0.5 * 2, 0.25, 10.0)),
        ({}, 4, 3, (1.0 + 0.5 * 2 + 0.25 * 4, 0.125, 20.0)),
        ({}, 4, 4, (1.0 + 0.5 * 2 + 0.25 * 4 + 0.125 * 8, 0.0625, 30.0)),
        ({}, 4, 9, (4.0, 0.0625, 30.0)),  # not beyond the newest, whose successor stands in the free row
        ({}, 2, 3, (8.0, 0.5, 30.0)),
        ({0: CUT}, 4, 3, (2.0, 0.25, 5.0)),  # a time limit: gamma to the 2 it got to, and what truly followed
        ({0: OVER}, 4, 3, (2.0, 0.0, 5.0)),  # by the rules: nothing follows
        ({0: OVER}, 4, 1, (1.0, 0.5, 0.0)),  # and before it, all goes on
        ({4: CUT, 0: OVER, 2: CUT}, 4, 3, (1.0, 0.5, 45.0)),
        ({4: CUT, 0: OVER, 2: CUT}, 0, 3, (2.0, 0.0, 5.0)),
        ({4: CUT, 0: OVER, 2: CUT}, 1, 3, (4.0 + 0.5 * 8, 0.25, 25.0)),
        ({4: CUT, 0: OVER, 2: OVER}, 2, 3, (8.0, 0.0, 25.0)),
    ],
)
def test_windows_by_hand(end: dict[int, int], row: int, n_step: int, expected: tuple[float, ...]) -> None:
    assert window(end, row, n_step) == expected


def test_what_followed_is_that_of_the_lane() -> None:
    """Three lanes whose episodes all end in rows 0 and 2: the k-th final is that of row 0, lane k."""
    ring = hand_ring({0: CUT, 2: OVER}, lanes=3)
    made = [np.zeros((6, 1), np.float32), np.zeros((6, 1), np.float32), *np.zeros((2, 6), np.float32)]
    followed = np.zeros((6, 1), np.float32)
    windows(np.array([0, 1, 2, 6, 7, 8]), 3, 1, 0.9, *ring, *made, followed)
    np.testing.assert_allclose(followed[:, 0], [5.0, 5.1, 5.2, 25.0, 25.1, 25.2], rtol=1e-6)
    np.testing.assert_array_equal(made[3], np.float32([0.9, 0.9, 0.9, 0, 0, 0]))


def sequence(end: dict[int, int], row: int, burn_in: int, length: int) -> dict[str, list[float]]:
    T = burn_in + length
    obs, action, flags = np.zeros((1, T + 1, 1, 1)), np.zeros((1, T, 1, 1)), np.zeros((3, 1, T, 1), np.float32)
    obs, action, remembered = obs.astype(np.float32), action.astype(np.float32), np.zeros((1, 1, 1), np.float32)
    memory = 100.0 + np.arange(5, dtype=np.float32).reshape(5, 1, 1)
    sequences(np.array([[row]]), 4, burn_in, length, *hand_ring(end), memory, obs, action, *flags, remembered)
    names = "obs", "action", "reward", "discount", "mask", "memory"
    return {name: part.ravel().tolist() for name, part in zip(names, (obs, action, *flags, remembered), strict=True)}


def test_a_sequence_with_burn_in_by_hand() -> None:
    """Rows in time are 4, 0, 1, 2: drawn is row 1, and what the network remembered before row 0 warms up."""
    assert sequence({}, 1, 1, 2) == {
        "memory": [100.0],
        "obs": [0.0, 10.0, 20.0, 30.0],
        "action": [0.0, 1.0, 2.0],
        "reward": [2.0, 4.0, 8.0],
        "discount": [1.0, 1.0, 1.0],
        "mask": [0.0, 1.0, 1.0],
    }


@pytest.mark.parametrize(("code", "discount"), [(CUT, 1.0), (OVER, 0.0)])
def test_a_sequence_ends_with_its_episode(code: int, discount: float) -> None:
    """After the last step stands what truly followed it, and nothing of the next episode behind."""
    assert sequence({0: code}, 4, 0, 3) == {
        "memory": [104.0],
        "obs": [40.0, 0.0, 5.0, 0.0],
        "action": [4.0, 0.0, 0.0],
        "reward": [1.0, 2.0, 0.0],
        "discount": [1.0, discount, 0.0],
        "mask": [1.0, 1.0, 0.0],
    }


def test_burn_in_does_not_reach_into_the_episode_before() -> None:
    found = sequence({0: CUT}, 2, 3, 1)  # row 1 is its episode's first
    assert found["memory"] == [101.0]
    assert found["obs"] == [10.0, 20.0, 30.0, 0.0, 0.0]
    assert found["mask"] == [0.0, 1.0, 0.0, 0.0]


def test_burn_in_does_not_reach_beyond_the_oldest_row() -> None:
    found = sequence({}, 0, 3, 1)  # the oldest is row 4; row 3, before it, is the free one
    assert found["memory"] == [104.0]
    assert found["obs"] == [40.0, 0.0, 10.0, 0.0, 0.0]
    assert found["mask"] == [0.0, 1.0, 0.0, 0.0]


def test_the_sum_tree_by_hand() -> None:
    tree = empty_tree(4)
    assign(np.array([0, 1, 2, 3]), np.array([3.0, 0.0, 5.0, 1.0]), tree)
    assert tree.tolist() == [0.0, 9.0, 3.0, 6.0, 3.0, 0.0, 5.0, 1.0]
    found = np.zeros(8, np.int64)
    find(np.array([0.0, 2.9, 3.0, 7.9, 8.0, 8.9, 9.0, 99.0]), tree, found)
    assert found.tolist() == [0, 0, 2, 2, 3, 3, 3, 3]
    assign(np.array([3, 2, 3]), np.array([4.0, 0.0, 0.0]), tree)  # of a leaf that comes twice, the last stays
    assert tree.tolist() == [0.0, 3.0, 3.0, 0.0, 3.0, 0.0, 0.0, 0.0]
    find(np.array([0.0, 3.0, 99.0]), tree, found[:3])
    assert found[:3].tolist() == [0, 0, 0]  # a leaf of 0 is never found, not even behind all there is


def test_the_tree_does_not_drift() -> None:
    """After 20,000 changes of numbers of very different sizes it is, to the bit, the tree made anew."""
    rng, tree = np.random.default_rng(0), empty_tree(64)
    for _ in range(100):
        assign(rng.integers(64, size=200), 10.0 ** rng.uniform(-9, 9, 200), tree)
    assert tree.tobytes() == plain_tree(tree[64:]).tobytes()
    assign(np.arange(64), np.zeros(64), tree)
    assert not tree.any()


def test_a_tree_of_one_leaf() -> None:
    tree, found = empty_tree(1), np.array([-1])
    assign(np.array([0]), np.array([2.0]), tree)
    find(np.array([1.5]), tree, found)
    assert tree.tolist() == [0.0, 2.0]
    assert found.tolist() == [0]


@pytest.mark.parametrize("seed", range(20))
def test_windows_and_sequences_agree_with_their_twins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, lanes, n_step = int(rng.integers(2, 12)), int(rng.integers(1, 5)), int(rng.integers(1, 7))
    head, burn_in, gamma = int(rng.integers(rows)), int(rng.integers(0, 5)), float(rng.uniform(0.8, 1.0))
    ring, finals = random_ring(seed, rows, lanes, head, ending=rng.uniform(0.0, 0.9))
    length, oldest = int(rng.integers(1, rows)), (head + 1) % rows
    start = (rng.integers((rows - 1) * lanes, size=50) + oldest * lanes) % (rows * lanes)
    expected = plain_windows(start, head, n_step, gamma, ring, finals)
    assert run_windows(start, head, n_step, gamma, ring).tobytes() == expected.tobytes()
    start = (rng.integers((rows - length) * lanes, size=(4, 9)) + oldest * lanes) % (rows * lanes)
    memory = rng.normal(size=(rows, lanes, 3)).astype(np.float32)
    expected = plain_sequences(start, oldest, burn_in, length, ring, memory, finals)
    assert run_sequences(start, oldest, burn_in, length, ring, memory).tobytes() == expected.tobytes()
