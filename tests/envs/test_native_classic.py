"""Acrobot, MountainCar and Pendulum where random actions do not get: goals, walls, wrapped angles and top speeds."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from cartwheel.envs.environment import find_environment
from cartwheel.envs.native import acrobot, pendulum
from cartwheel.envs.native.parity import find_difference
from cartwheel.envs.native.registry import find_native
from cartwheel.envs.native.squares import square
from cartwheel.kernels.random import generators

ANGLES = np.pi * np.array([[1.0], [1.0]])
TOP_SPEEDS = np.pi * np.array([[4.0], [9.0]])


def watched(name: str, wanted: Callable[[Any], Any], spread: float) -> list[Any]:
    """Compare over 40,000 steps, a random action being taken with the chance `spread`, else the wanted one for a state.

    What came of it: the state of each step, and whether it ended the episode.
    """
    seen: list[Any] = []

    def factory() -> Any:
        made = gymnasium.make(name).unwrapped
        space, rng = made.action_space, np.random.default_rng(2)
        random, plain = type(space).sample, made.step

        def sample(*given: Any, **more: Any) -> Any:
            return random(space) if rng.random() < spread else wanted(made.state)

        def step(action: Any) -> Any:
            answer = plain(action)
            seen.append((*(float(number) for number in made.state), answer[2]))
            return answer

        made.action_space.sample, made.step = sample, step  # type: ignore[method-assign]
        return made

    native = find_native(name)
    assert native is not None
    found = dataclasses.replace(find_environment(name), factory=factory)
    assert find_difference(native, found, steps=40_000, seed=5) is None
    return seen


# --- MountainCar ------------------------------------------------------------------------------------------------------


def test_a_car_that_reaches_the_goal_and_the_wall() -> None:
    states = watched("MountainCar-v0", lambda state: np.int64(2 if state[1] >= 0 else 0), 0.1)
    assert sum(ended for _, _, ended in states) > 200
    assert sum(place == -1.2 and speed == 0.0 for place, speed, _ in states) > 50


# --- Pendulum ---------------------------------------------------------------------------------------------------------


def test_a_pendulum_at_full_speed_and_many_turns_away() -> None:
    for sign in (1.0, -1.0):
        pushed = np.array([2.0 * sign], np.float32)
        states = watched(
            "Pendulum-v1", lambda state, pushed=pushed: pushed if state[1] * pushed[0] > -6 else -pushed, 0.1
        )
        assert sum(speed == 8.0 * sign for _, speed, _ in states) > 1000
        assert max(angle * sign for angle, _, _ in states) > 40.0


def test_the_rest_of_turns_is_pythons() -> None:
    """Around whole turns to the last bit, as many as fit, negative, zero, and at random."""
    whole = np.arange(-1000, 1001) * pendulum.TURN
    near = np.concatenate([whole, np.nextafter(whole, np.inf), np.nextafter(whole, -np.inf)])
    rng = np.random.default_rng(0)
    random = [rng.uniform(-scale, scale, 30_000) for scale in (1e-300, 1e-3, 10.0, 1e3, 1e8)]
    numbers = np.concatenate([[0.0, 1e-320, -1e-320], near, *random])
    got = np.array([pendulum._rest_of_turns(x) for x in numbers])
    expected = np.array([x % (2 * np.pi) for x in numbers])
    assert got.tobytes() == (expected + 0.0).tobytes()  # the rest of a zero is a zero, of whatever sign


# --- Acrobot ----------------------------------------------------------------------------------------------------------


def test_acrobot_from_any_state() -> None:
    """300 times 48 states over all angles and speeds: steps that wrap, that are bounded, that end the episode."""
    made: Any = gymnasium.make("Acrobot-v1").unwrapped
    made.reset(seed=0)
    native, rng, lanes = acrobot.NATIVE, np.random.default_rng(7), 48
    state, random = np.zeros((native.state_size, lanes)), generators(range(lanes))
    seen, reward, ended = np.zeros((6, lanes), np.float32), np.zeros(lanes), np.zeros(lanes, np.bool_)
    wraps = bounds = ends = 0
    for lane in range(lanes):
        native.reset(lane, state, random)
    for _ in range(300):
        state[:2] = rng.uniform(-ANGLES, ANGLES, (2, lanes))
        state[2:4] = rng.uniform(-TOP_SPEEDS, TOP_SPEEDS, (2, lanes))
        state[acrobot.COSINE_2], state[acrobot.SINE_2] = np.cos(state[1]), np.sin(state[1])
        before, action = state[:4].copy(), rng.integers(3, size=(1, lanes))
        native.step(lanes, state, action.astype(np.float32), random, reward, ended)
        native.observe(lanes, state, seen)
        for lane in range(lanes):
            made.state = before[:, lane]
            shown, value, terminated, _, _ = made.step(action[0, lane])
            assert state[:4, lane].tobytes() == made.state.tobytes()
            assert seen[:, lane].tobytes() == shown.tobytes()
            assert (reward[lane], ended[lane]) == (value, terminated)
        wraps += int((abs(state[:2] - before[:2]) > math.pi).sum())
        bounds += int((abs(state[2:4]) == TOP_SPEEDS).sum())
        ends += int(ended.sum())
    assert min(wraps, bounds, ends) > 1000


def test_angles_are_wrapped_as_often_as_it_takes() -> None:
    from gymnasium.envs.classic_control.acrobot import wrap

    for angle in np.random.default_rng(0).uniform(-200.0, 200.0, 10_000):
        assert acrobot._wrapped(angle) == wrap(angle, -np.pi, np.pi)
    assert (acrobot._wrapped(math.pi), acrobot._wrapped(-math.pi)) == (math.pi, -math.pi)


def sines_and_cosines(numbers: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [np.array([f(x) for x in numbers], np.float32) for f in (acrobot.numpys_sine, acrobot.numpys_cosine)]


def test_the_first_observation_is_numpys_of_float32() -> None:
    numbers = np.random.default_rng(1).uniform(-0.1, 0.1, 300_000).astype(np.float32)
    numbers[:5] = 0.0, -0.0, 0.1, -0.1, 0.00044363295  # the last: a sum in the middle between two float32
    sine, cosine = sines_and_cosines(numbers)
    assert sine.tobytes() == np.sin(numbers).tobytes()
    assert cosine.tobytes() == np.cos(numbers).tobytes()
    if acrobot._POLYNOMIALS:  # which are not the nearest float32
        assert (sine != np.sin(numbers.astype(np.float64)).astype(np.float32)).sum() > 20
        assert (cosine != np.cos(numbers.astype(np.float64)).astype(np.float32)).sum() > 100


OLD_PROCESSOR = """
import numpy as np
from cartwheel.envs.environment import find_environment
from cartwheel.envs.native import acrobot
from cartwheel.envs.native.parity import find_difference
assert not acrobot._POLYNOMIALS
numbers = np.random.default_rng(1).uniform(-0.1, 0.1, 300_000).astype(np.float32)
for numpys, f in ((np.sin, acrobot.numpys_sine), (np.cos, acrobot.numpys_cosine)):
    assert np.array([f(x) for x in numbers], np.float32).tobytes() == numpys(numbers).tobytes()
assert find_difference(acrobot.NATIVE, find_environment("Acrobot-v1"), steps=2000) is None
"""


@pytest.mark.slow
@pytest.mark.skipif(not acrobot._POLYNOMIALS, reason="this is such a processor, or another family's")
def test_the_first_observation_on_a_processor_that_does_not_fuse(tmp_path: Path) -> None:
    """NumPy asks the C library there."""
    features = {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL", "CARTWHEEL_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OLD_PROCESSOR],
        env={**os.environ, **features},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_first_observation_for_every_float32() -> None:
    """All from 2**-40 on: below, the sine is the number and the cosine 1."""
    from cartwheel.kernels import compiled

    @compiled()
    def both(numbers: Any, sine: Any, cosine: Any) -> None:
        for i in range(len(numbers)):
            sine[i], cosine[i] = acrobot.numpys_sine(numbers[i]), acrobot.numpys_cosine(numbers[i])

    first, last = (int(np.float32(x).view(np.uint32)) for x in (2.0**-40, 0.1))
    for begin in range(first, last + 1, 2**22):
        words = np.arange(begin, min(begin + 2**22, last + 1), dtype=np.uint32)
        for numbers in (words.view(np.float32), -words.view(np.float32)):
            sine, cosine = np.empty_like(numbers), np.empty_like(numbers)
            both(numbers, sine, cosine)
            assert np.array_equal(sine, np.sin(numbers))
            assert np.array_equal(cosine, np.cos(numbers))


# --- squares ----------------------------------------------------------------------------------------------------------


def squares(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.stack([numbers, np.zeros_like(numbers), np.full_like(numbers, 2.0)])
    square(len(numbers), rows, 0, 1, 2)
    return rows[1]


def test_squares_are_the_c_librarys_powers() -> None:
    rng = np.random.default_rng(4)
    special = [0.0, -0.0, 1.0, -3.0, 1e-170, -1e-150, 1e150, 1e200, math.inf, -math.inf, math.nan, 5e-324]
    scales = (1e-160, 3e-154, 1e-80, 1e-3, 1.0, 1.75, 30.0, 1e8, 1e90)
    numbers = np.concatenate([special, *(rng.uniform(-scale, scale, 30_000) for scale in scales)])
    with np.errstate(all="ignore"):
        expected = np.array([x**2 for x in numbers])
        products = numbers * numbers
    assert (expected != products).sum() > 50  # products would not do
    np.testing.assert_array_equal(squares(numbers), expected)


def test_the_c_library_is_rarely_asked() -> None:
    """Where it is, an exponent that is none tells."""
    numbers = np.random.default_rng(4).uniform(-30.0, 30.0, 10_000)
    rows = np.stack([numbers, numbers, np.full_like(numbers, math.nan)])
    square(len(numbers), rows, 0, 1, 2)
    asked = np.isnan(rows[1])
    assert asked.mean() < 0.12 or platform.libc_ver()[0] != "glibc"
    assert (rows[1] == numbers * numbers)[~asked].all()


@pytest.mark.slow
def test_squares_are_the_c_librarys_powers_over_8_million_numbers() -> None:
    rng = np.random.default_rng(5)
    for scale in (0.1, 1.75, 8.0, 30.0):
        numbers = rng.uniform(-scale, scale, 2_000_000)
        assert squares(numbers).tobytes() == np.array([x**2 for x in numbers]).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.25, 4.0, 12.0, 100.0])
def test_numpys_sine_and_cosine_of_a_double_are_the_c_librarys(scale: float) -> None:
    """What the sources of Gymnasium call, scalar by scalar, is what compiled code calls."""
    from cartwheel.kernels import compiled

    @compiled()
    def librarys(numbers: Any, sine: Any, cosine: Any) -> None:
        for i in range(len(numbers)):
            sine[i], cosine[i] = math.sin(numbers[i]), math.cos(numbers[i])

    numbers = np.random.default_rng(6).uniform(-scale, scale, 1_000_000)
    sine, cosine = np.empty_like(numbers), np.empty_like(numbers)
    librarys(numbers, sine, cosine)
    assert sine.tobytes() == np.array([np.sin(x) for x in numbers]).tobytes()
    assert cosine.tobytes() == np.array([np.cos(x) for x in numbers]).tobytes()
