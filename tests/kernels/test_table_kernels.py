"""The kernels of tables: each against its plain twin to the bit, and against targets worked out by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
import tables

from cartwheel.kernels.tables import episodes, one_step, prediction

KERNELS = Path(__file__).parents[2] / "src" / "cartwheel" / "kernels" / "tables"
S, A = 5, 3


def stretch(rng: np.random.Generator, T: int = 60, N: int = 3) -> tuple[Any, ...]:
    """Random steps, with ends by the rules and by a time limit; states that follow do so but at boundaries."""
    state = rng.integers(0, S, (T + 1, N))
    boundary = rng.random((T, N)) < 0.15
    discount = np.where(boundary & (rng.random((T, N)) < 0.6), 0.0, 1.0)
    following = np.where(boundary, rng.integers(0, S, (T, N)), state[1:])
    action, reward = rng.integers(0, A, (T, N)), rng.normal(size=(T, N))
    return np.ascontiguousarray(state[:-1]), action, reward, discount, boundary, following


def table(rng: np.random.Generator, *shape: int) -> tuple[Any, Any]:
    return rng.normal(size=shape).round(1), np.zeros(shape)  # rounded: equal values come


def cases() -> dict[str, tuple[Any, Any, Any]]:
    """Kernel, twin, and what they are given besides the stretch, by a generator."""
    sizes = [(0.9, 0.3, 0.0), (1.0, 1.0, 1.0), (0.5, 0.8, 0.6)]
    found: dict[str, tuple[Any, Any, Any]] = {}
    for number, size in enumerate(sizes):
        found[f"expected {size}"] = (
            one_step.expected,
            tables.expected,
            lambda rng, T, N, size=size: (*table(rng, S, A), rng.random(T), *size),
        )
        found[f"double_q {size}"] = (
            one_step.double_q,
            tables.double_q,
            lambda rng, T, N, size=size: (*table(rng, 2, S, A), rng.integers(0, 2, (T, N)), *size),
        )
        for about in ((-1.0, False), (0.0, False), (0.2, False), (0.2, True), (0.0, True)):
            found[f"sarsa {size} {about}"] = (
                episodes.sarsa,
                tables.sarsa,
                lambda rng, T, N, size=size, about=about, n=1 + 2 * number: controlled(rng, T, N, n, *about, *size),
            )
        for aim in (-1.0, 0.0, 0.2):
            found[f"monte_carlo {size} {aim}"] = (
                episodes.monte_carlo,
                tables.monte_carlo,
                lambda rng, T, N, size=size, aim=aim: controlled(rng, T, N, 200, aim, *size),
            )
        for ordinary in (False, True):
            found[f"td0 {size} {ordinary}"] = (
                prediction.td0,
                tables.td0,
                lambda rng, T, N, size=size, ordinary=ordinary: (*table(rng, S, 1), ratios(rng, T, N), ordinary, *size),
            )
            found[f"returns {size} {ordinary}"] = (
                prediction.returns,
                tables.returns,
                lambda rng, T, N, size=size, ordinary=ordinary: (
                    *table(rng, S, 1),
                    *waiting(200, N),
                    ratios(rng, T, N),
                    ordinary,
                    *size,
                ),
            )
    return found


def controlled(rng: np.random.Generator, T: int, N: int, room: int, *rest: Any) -> tuple[Any, ...]:
    return *table(rng, S, A), *waiting(room, N), rng.integers(0, A, S), rng.uniform(0.1, 1.0, T), *rest


def waiting(room: int, lanes: int) -> tuple[Any, Any, Any]:
    return np.zeros((room, lanes, 2), np.int64), np.zeros((room, lanes, 2)), np.zeros(lanes, np.int64)


def ratios(rng: np.random.Generator, T: int, N: int) -> Any:
    return np.where(rng.random((T, N)) < 0.2, 0.0, rng.uniform(0.2, 3.0, (T, N)))


CASES = cases()


def agree(name: str) -> None:
    """Two stretches in a row, so that what waits goes on."""
    kernel, twin, given = CASES[name]
    T, N = 60, 3
    one, other = given(np.random.default_rng(1), T, N), given(np.random.default_rng(1), T, N)
    for seed in (2, 3):
        steps = stretch(np.random.default_rng(seed), T, N)
        got, expected = kernel(*steps, *one), twin(*steps, *other)
        assert got == pytest.approx(expected, rel=1e-12)  # the figures; sums in another order
        assert got[1] == expected[1]
        for mine, plain in zip(one[:2], other[:2], strict=True):
            assert mine.tobytes() == plain.tobytes()
        if len(one) > 5 and np.ndim(one[4]) == 1:  # what waits
            assert one[4].tobytes() == other[4].tobytes()
            for lane, count in enumerate(one[4]):
                for mine, plain in zip(one[2:4], other[2:4], strict=True):
                    assert mine[:count, lane].tobytes() == plain[:count, lane].tobytes()
    assert len(np.unique(one[0])) > 4


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_agrees_with_its_twin(name: str) -> None:
    agree(name)


def test_kernels_agree_with_compilation_off() -> None:
    program = (
        "import sys, warnings; sys.path.insert(0, sys.argv[1]); warnings.simplefilter('ignore')\n"
        "import numba; assert numba.config.DISABLE_JIT\n"
        "from kernels.test_table_kernels import CASES, agree\nfor name in CASES: agree(name)\nprint(len(CASES))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent.parent)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(CASES)


def test_every_kernel_has_a_twin() -> None:
    entries = {
        name
        for path in KERNELS.glob("*.py")
        for name in re.findall(r"^@compiled\(FIGURES.*\ndef (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert (
        entries
        == {name.partition(" ")[0] for name in CASES}
        == {"expected", "double_q", "sarsa", "monte_carlo", "td0", "returns"}
    )


# --- targets by hand --------------------------------------------------------------------------------------------------

# One lane: states 0, 1, 2 with actions 1, 0, 1 and rewards 1, 2, 4; the third step is the last. gamma 1/2, alpha 1/2.
Q = [[0.0, 0.0], [8.0, 4.0], [2.0, 6.0], [16.0, 32.0]]
END, LIMIT = 0.0, 1.0


def column(*numbers: float, dtype: Any = np.float64) -> Any:
    return np.array(numbers, dtype)[:, None]


def episode(last: float) -> tuple[Any, ...]:
    """The episode, and whether it ends by the rules or by its time limit, before state 3."""
    state, action = column(0, 1, 2, dtype=np.int64), column(1, 0, 1, dtype=np.int64)
    following, boundary = column(1, 2, 3, dtype=np.int64), column(False, False, True, dtype=np.bool_)
    return state, action, column(1.0, 2.0, 4.0), column(1.0, 1.0, last), boundary, following


def after(kernel: Any, last: float, *given: Any, sizes: Any = (0.5, 0.5, 0.0)) -> list[float]:
    """The values of the three steps' actions afterwards."""
    values = np.array(Q)
    kernel(*episode(last), values, np.zeros((4, 2)), *given, *sizes)
    return [values[0, 1], values[1, 0], values[2, 1]]


def test_q_learning_by_hand() -> None:
    """Targets 1 + 8/2 = 5, 2 + 6/2 = 5, and 4 or 4 + 32/2 = 20; each value goes half the way."""
    none = np.zeros(3)
    assert after(one_step.expected, END, none) == [2.5, 6.5, 5.0]
    assert after(one_step.expected, LIMIT, none) == [2.5, 6.5, 13.0]


def test_expected_sarsa_by_hand() -> None:
    """With half of the actions random the next states are worth 7, 5 and 28: targets 4.5, 4.5 and 18."""
    assert after(one_step.expected, LIMIT, np.full(3, 0.5)) == [2.25, 6.25, 12.0]


def test_double_q_learning_by_hand() -> None:
    """The first table learns: it says which action, the second what it is worth: 1 + 3/2, 2 + 5/2, 4 + 1/2."""
    values = np.array([Q, [[0.0, 0.0], [3.0, 9.0], [9.0, 5.0], [9.0, 1.0]]])
    coin = np.zeros((3, 1), np.int64)
    one_step.double_q(*episode(LIMIT), values, np.zeros((2, 4, 2)), coin, 0.5, 0.5, 0.0)
    assert [values[0, 0, 1], values[0, 1, 0], values[0, 2, 1]] == [1.25, 6.25, 5.25]
    assert values[1].tolist() == [[0.0, 0.0], [3.0, 9.0], [9.0, 5.0], [9.0, 1.0]]


def on_policy(epsilon: float = 0.5) -> tuple[Any, ...]:
    """What acted, its epsilon, no aim, not ordinary."""
    return np.array([1, 0, 1, 1]), np.full(3, epsilon), -1.0, False


def test_sarsa_by_hand() -> None:
    """Targets 1 + Q(1, 0)/2 = 5, 2 + Q(2, 1)/2 = 5; the last 4, or with the expected value of what followed 18."""
    assert after(episodes.sarsa, END, *waiting(1, 1), *on_policy()) == [2.5, 6.5, 5.0]
    assert after(episodes.sarsa, LIMIT, *waiting(1, 1), *on_policy()) == [2.5, 6.5, 12.0]


def test_two_step_sarsa_by_hand() -> None:
    """Targets 1 + 2/2 + Q(2, 1)/4 = 3.5; then to the end 2 + 4/2 = 4 and 4, or 2 + 4/2 + 28/4 = 11 and 4 + 28/2."""
    assert after(episodes.sarsa, END, *waiting(2, 1), *on_policy()) == [1.75, 6.0, 5.0]
    assert after(episodes.sarsa, LIMIT, *waiting(2, 1), *on_policy()) == [1.75, 9.5, 12.0]


def test_a_step_waits_for_the_next_action_over_stretches() -> None:
    whole, values, held = np.array(Q), np.array(Q), waiting(2, 1)
    episodes.sarsa(*episode(END), whole, np.zeros((4, 2)), *waiting(2, 1), *on_policy(), 0.5, 0.5, 0.0)
    visits = np.zeros((4, 2))
    for t in range(3):
        part = tuple(np.ascontiguousarray(array[t : t + 1]) for array in episode(END))
        acted, epsilon, *rest = on_policy()
        before = values.copy()
        episodes.sarsa(*part, values, visits, *held, acted, epsilon[:1], *rest, 0.5, 0.5, 0.0)
        assert (values == before).all() == (t < 2)
    assert held[2].tolist() == [0]
    assert values.tolist() == whole.tolist()


def test_monte_carlo_by_hand() -> None:
    """Returns 4, 2 + 4/2 = 4, 1 + 4/2 = 3; after a time limit they begin with 28: 18, 11, 6.5."""
    assert after(episodes.monte_carlo, END, *waiting(3, 1), *on_policy()[:3]) == [1.5, 6.0, 5.0]
    assert after(episodes.monte_carlo, LIMIT, *waiting(3, 1), *on_policy()[:3]) == [3.25, 9.5, 12.0]


def test_off_policy_monte_carlo_by_hand() -> None:
    """The greedy policy does the last two actions (chance 3/4 each): weights 1, 4/3, 16/9 of the returns 4, 4, 3.

    A first return is its own average, whatever its weight, which counts with the next.
    """
    values, visits, held = np.array(Q), np.zeros((4, 2)), waiting(3, 1)
    off = (np.array([1, 0, 1, 1]), np.full(3, 0.5), 0.0)
    episodes.monte_carlo(*episode(END), values, visits, *held, *off, 0.5, 1.0, 1.0)
    assert [values[0, 1], values[1, 0], values[2, 1]] == [3.0, 4.0, 4.0]
    assert [visits[0, 1], visits[1, 0], visits[2, 1]] == pytest.approx([16 / 9, 4 / 3, 1.0])
    values[1] = 4.0, 3.0  # still greedy; a second episode, with a return of 8 at its last step
    steps = list(episode(END))
    steps[2] = column(1.0, 2.0, 8.0)
    episodes.monte_carlo(*steps, values, visits, *held, *off, 0.5, 1.0, 1.0)
    assert [values[0, 1], values[1, 0], values[2, 1]] == pytest.approx([3.5, 5.0, 6.0])


def test_a_weight_of_zero_ends_off_policy_monte_carlo() -> None:
    """The second action is not the greedy one any more when its own return is known: what was before learns nothing."""
    off = (np.array([1, 0, 1, 1]), np.full(3, 0.5), 0.0)
    values = np.array([[0.0, 0.0], [8.0, 7.0], [2.0, 6.0], [16.0, 32.0]])
    episodes.monte_carlo(*episode(END), values, np.zeros((4, 2)), *waiting(3, 1), *off, 0.5, 1.0, 1.0)
    assert values.tolist()[:3] == [[0.0, 0.0], [4.0, 7.0], [2.0, 4.0]]


def test_off_policy_sarsa_by_hand() -> None:
    """The next actions, (1, 0) and (2, 1), are the greedy ones: weights 1 / (3/4), with alpha 3/8 half the way."""
    off = (np.array([1, 0, 1, 1]), np.full(3, 0.5), 0.0, False)
    assert after(episodes.sarsa, END, *waiting(1, 1), *off, sizes=(0.5, 0.375, 0.0)) == pytest.approx(
        [2.5, 6.5, 6.0 - 0.375 * 2.0]
    )


def test_no_step_goes_beyond_its_target() -> None:
    """An action of chance 1/8 that is the greedy one weighs 8: alpha 8/2 would overshoot."""
    off = (np.array([0, 1, 0, 0]), np.full(3, 0.25), 0.0, False)
    assert after(episodes.sarsa, END, *waiting(1, 1), *off)[:2] == [5.0, 5.0]


def test_the_size_of_steps_falls_by_state_and_action() -> None:
    """With power 1 and rate 1 values are averages; another action's count does not matter."""
    state, following = np.zeros((4, 1), np.int64), np.zeros((4, 1), np.int64)
    action, reward = column(0, 0, 1, 0, dtype=np.int64), column(1.0, 2.0, 9.0, 6.0)
    over = np.ones((4, 1), np.bool_)
    values, visits = np.full((1, 2), 100.0), np.zeros((1, 2))
    figures = one_step.expected(
        state, action, reward, np.zeros((4, 1)), over, following, values, visits, np.zeros(4), 0.9, 1.0, 1.0
    )
    assert values.tolist() == [[3.0, 9.0]]
    assert visits.tolist() == [[3.0, 1.0]]
    assert figures == (99.0 + 1.0 + 91.0 + 4.5, 4.0)


def test_prediction_by_hand() -> None:
    """V = 0, 8, 2, 16; ratios 1, 0, 2. TD(0): 1 + 8/2; nothing; 4 + 16/2, all the way by its weight."""
    ratio = column(1.0, 0.0, 2.0)
    for kernel, held, expected in (
        (prediction.td0, (), [2.5, 8.0, 12.0]),
        (prediction.returns, waiting(3, 1), [0.0, 8.0, 12.0]),
    ):
        values = column(0.0, 8.0, 2.0, 16.0)
        kernel(*episode(LIMIT), values, np.zeros((4, 1)), *held, ratio, False, 0.5, 0.5, 0.0)
        assert values[:3, 0].tolist() == expected
    values = column(0.0, 8.0, 2.0, 16.0)  # ordinary: weights times returns 2 * 12, 0 and 0
    prediction.returns(*episode(LIMIT), values, np.zeros((4, 1)), *waiting(3, 1), ratio, True, 0.5, 0.5, 0.0)
    assert values[:3, 0].tolist() == [0.0, 4.0, 13.0]
