"""`cartwheel.minimize`: what it promises of any function and algorithm, and how many evaluations CMA-ES takes."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is no installed package

import cartwheel
from benchmarks.landscapes import LANDSCAPES, Vector, rastrigin, rosenbrock, sphere
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.training.minimize import Point

NAMES = pytest.mark.parametrize(
    "name", [name for name, entry in ALGORITHMS.items() if name != "neat" and not entry.by_steps]
)


def counting(f: Callable[[Vector], Any]) -> tuple[Callable[[Vector], Any], list[Vector]]:
    """The function, and the vectors that it has been called with."""
    seen: list[Vector] = []

    def counted(x: Vector) -> Any:
        seen.append(x.copy())
        return f(x)

    return counted, seen


# --- what is promised of any algorithm --------------------------------------------------------------------------------


@NAMES
def test_each_algorithm_descends(name: str) -> None:
    """From (3, 3), where the sphere is 18; random search looks only around there."""
    result = cartwheel.minimize(sphere, [3.0, 3.0], algorithm=name, sigma=1.0, max_evaluations=3000, seed=1)
    assert result.value < {"random-search": 3.0, "hill-climbing": 0.1, "genetic": 0.1}.get(name, 0.05)
    assert result.value == sphere(result.x)
    assert result.evaluations <= 3000
    assert (result.x.shape, result.x.dtype) == ((2,), np.float64)


@NAMES
def test_what_it_returns_is_the_best_that_was_evaluated(name: str) -> None:
    f, seen = counting(rosenbrock)
    result = cartwheel.minimize(f, [0.0, 0.0, 0.0], algorithm=name, sigma=0.5, max_evaluations=333)
    values = [rosenbrock(x) for x in seen]
    assert len(seen) == result.evaluations == 333
    assert result.stop == "max_evaluations"
    assert result.value == min(values)
    np.testing.assert_array_equal(result.x, seen[int(np.argmin(values))])


@NAMES
def test_the_same_seed_gives_the_same_search_and_another_another(name: str) -> None:
    def searched(seed: int) -> np.ndarray[Any, Any]:
        f, seen = counting(sphere)
        cartwheel.minimize(f, [1.0, 2.0], algorithm=name, sigma=0.5, max_evaluations=200, seed=seed)
        return np.array(seen)

    np.testing.assert_array_equal(searched(3), searched(3))
    assert not np.array_equal(searched(3), searched(4))


@NAMES
@pytest.mark.parametrize("n", [1, 7])
def test_any_number_of_numbers(name: str, n: int) -> None:
    result = cartwheel.minimize(sphere, np.ones(n), algorithm=name, sigma=0.3, max_evaluations=150)
    assert result.x.shape == (n,)
    assert result.value < n * 1.3


@NAMES
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_function_that_knows_no_number_ends_at_its_start(name: str, value: float) -> None:
    result = cartwheel.minimize(lambda x: value, [1.0, 2.0], algorithm=name, sigma=0.3, max_evaluations=500)
    np.testing.assert_array_equal(result.x, [1.0, 2.0])
    assert result.value == np.inf
    assert result.stop


def test_nan_counts_as_the_worst() -> None:
    """The better half of the plane is NaN: the least value is found at its edge."""
    result = cartwheel.minimize(
        lambda x: x[0] if x[0] > 1.0 else np.nan, [5.0, 0.0], sigma=1.0, max_evaluations=3000, target=1.001
    )
    assert result.stop == "target"
    assert 1.0 < result.x[0] <= 1.001


def test_it_begins_at_x0_in_steps_of_sigma() -> None:
    f, seen = counting(sphere)
    cartwheel.minimize(f, [100.0, -50.0], sigma=3.0, population=2000, max_evaluations=2000)
    np.testing.assert_allclose(np.mean(seen, axis=0), [100.0, -50.0], atol=0.3)
    np.testing.assert_allclose(np.std(seen, axis=0), 3.0, rtol=0.06)
    f, seen = counting(sphere)
    cartwheel.minimize(
        f, [100.0, -50.0], algorithm="genetic", sigma=3.0, population=2000, max_evaluations=2000
    )  # without a centre: scattered
    np.testing.assert_allclose(np.std(seen, axis=0), 3.0, rtol=0.06)


# --- the end ----------------------------------------------------------------------------------------------------------


def test_it_ends_with_the_first_value_that_is_the_target() -> None:
    f, seen = counting(sphere)
    result = cartwheel.minimize(f, [3.0, 3.0, 3.0], sigma=1.0, target=1e-3)
    values = [sphere(x) for x in seen]
    assert result.stop == "target"
    assert values[-1] <= 1e-3 < min(values[:-1])
    assert result.value == values[-1]


def test_a_target_may_be_met_exactly() -> None:
    result = cartwheel.minimize(lambda x: -4.0, [0.0], sigma=1.0, target=-4.0)
    assert (result.evaluations, result.stop, result.value) == (1, "target", -4.0)


def test_it_ends_by_itself_when_it_has_converged() -> None:
    result = cartwheel.minimize(sphere, [3.0, 3.0], sigma=1.0)
    assert result.stop.startswith("tolfun: ")
    assert result.value < 1e-9
    assert result.evaluations < 2000


@pytest.mark.parametrize("kind", ["ipop", "bipop"])
def test_restarts_find_the_least_of_many_hollows(kind: str) -> None:
    options: dict[str, Any] = {"sigma": 2.0, "target": 1e-8, "max_evaluations": 200_000}
    alone = [cartwheel.minimize(rastrigin, np.full(5, 3.0), seed=seed, **options) for seed in range(4)]
    assert sum(result.stop == "target" for result in alone) <= 2
    again = [cartwheel.minimize(rastrigin, np.full(5, 3.0), seed=seed, restarts=kind, **options) for seed in range(4)]
    assert [result.stop for result in again] == ["target"] * 4


def test_a_noisy_function_is_called_several_times_each() -> None:
    rng = np.random.default_rng(0)
    f, seen = counting(lambda x: sphere(x) + rng.standard_normal())
    result = cartwheel.minimize(f, [9.0, 9.0], sigma=1.0, episodes=4, max_evaluations=402)
    assert result.evaluations == len(seen) == 402
    for first in range(0, 400, 4):
        np.testing.assert_array_equal(seen[first : first + 4], np.tile(seen[first], (4, 1)))
    assert sphere(result.x) < 20.0


# --- a generation at once ---------------------------------------------------------------------------------------------


def in_rows(f: Callable[[Vector], Any]) -> Callable[[Vector], Any]:
    """The function of a matrix, row by row."""
    return lambda X: [f(x) for x in X]


@NAMES
@pytest.mark.parametrize("episodes", [1, 3])
def test_batches_hold_the_candidates_of_the_search_without(name: str, episodes: int) -> None:
    """Up to a budget that ends within a generation, and within a candidate's episodes."""
    options: dict[str, Any] = {"algorithm": name, "sigma": 0.5, "max_evaluations": 400, "episodes": episodes}
    alone, single = counting(rosenbrock)
    together, matrices = counting(in_rows(rosenbrock))
    expected = cartwheel.minimize(alone, [0.0, 0.0, 0.0], **options)
    result = cartwheel.minimize(together, [0.0, 0.0, 0.0], batched=True, **options)
    np.testing.assert_array_equal(np.concatenate(matrices), single)
    np.testing.assert_array_equal(result.x, expected.x)
    assert (result.value, result.evaluations, result.stop) == (expected.value, 400, "max_evaluations")
    assert len(matrices) < 400 // episodes


def test_a_batch_with_the_target_is_the_last_and_its_best_is_taken() -> None:
    f, matrices = counting(in_rows(sphere))
    result = cartwheel.minimize(f, [3.0, 3.0, 3.0], sigma=1.0, target=1e-3, population=50, batched=True)
    values = [[sphere(x) for x in matrix] for matrix in matrices]
    assert result.stop == "target"
    assert result.evaluations == 50 * len(matrices)
    assert min(values[-1]) == result.value == sphere(result.x) <= 1e-3 < min(map(min, values[:-1]))


def test_batches_end_as_searches_do() -> None:
    together = cartwheel.minimize(in_rows(sphere), [3.0, 3.0], sigma=1.0, batched=True)
    alone = cartwheel.minimize(sphere, [3.0, 3.0], sigma=1.0)
    assert (together.value, together.evaluations, together.stop) == (alone.value, alone.evaluations, alone.stop)
    f, matrices = counting(in_rows(sphere))
    cartwheel.minimize(f, [3.0, 3.0], sigma=1.0, population=10, max_evaluations=30, batched=True)
    assert [len(matrix) for matrix in matrices] == [10, 10, 10]  # and is not asked for the values of no rows


def test_a_batch_is_the_functions_own() -> None:
    def greedy(X: Vector) -> Any:
        values = np.array([sphere(x) for x in X], np.float32)
        X[:] = np.nan
        return values

    assert cartwheel.minimize(greedy, [2.0, 1.0], sigma=1.0, max_evaluations=600, batched=True).value < 1e-3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (1.0, "got 1.0"),
        (np.ones(5), r"got float64 \(5,\)"),
        (np.ones((6, 1)), r"got float64 \(6, 1\)"),
        (["a"] * 6, r"got <U1 \(6,\)"),
        (None, "got None"),
    ],
)
def test_a_function_that_returns_no_number_for_each_row(values: Any, said: str) -> None:
    with pytest.raises(cartwheel.UsageError, match=f"has to return a number for each of 6 rows; {said}"):
        cartwheel.minimize(lambda X: values, [0.0, 0.0], sigma=1.0, population=6, batched=True)


# --- what it is given -------------------------------------------------------------------------------------------------


def test_nothing_that_was_given_is_changed() -> None:
    def greedy(x: Vector) -> float:
        value = sphere(x)
        x[:] = np.nan  # it is the function's own
        return value

    x0 = np.array([2, 1])
    spoilt = cartwheel.minimize(greedy, x0, sigma=1.0, max_evaluations=300)
    clean = cartwheel.minimize(sphere, x0, sigma=1.0, max_evaluations=300)
    np.testing.assert_array_equal(x0, [2, 1])
    np.testing.assert_array_equal(spoilt.x, clean.x)
    with pytest.raises(dataclasses.FrozenInstanceError):
        clean.value = 0.0  # type: ignore[misc]


@pytest.mark.parametrize("batched", [False, True])
def test_zero_has_no_sign(batched: bool) -> None:
    for zero in (0.0, -0.0):
        found = cartwheel.minimize(
            lambda x, zero=zero: np.full(x.shape[:-1], zero), [1.0], sigma=1.0, target=0.0, batched=batched
        )
        assert str(found.value) == "0.0"


@NAMES
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("batched", [False, True])
def test_values_whose_sum_is_too_large(name: str, sign: float, batched: bool) -> None:
    """No warning, which would be an error here, and the mean of an x's values is as large as they are."""

    def f(x: Vector) -> Any:
        return sign * 1.7e308 * (1.0 - 1e-3 * np.abs(x).clip(0.0, 1.0).sum(axis=-1))

    found = cartwheel.minimize(
        f, [1.0, 1.0], algorithm=name, sigma=1.0, max_evaluations=300, batched=batched, episodes=2
    )
    assert found.value == pytest.approx(float(f(found.x)))


@pytest.mark.parametrize("value", [np.float32(2.0), np.array(2.0), 2, np.int64(2), True, np.True_])
def test_numbers_of_all_kinds(value: Any) -> None:
    assert cartwheel.minimize(lambda x: value, [0.0], sigma=1.0, max_evaluations=1).value == float(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "got None"), ("1.0", "got '1.0'"), (np.ones(1), r"got array\(\[1.\]\)"), (1j, "got 1j"), ([1.0], "got")],
)
def test_a_function_that_returns_no_number(value: Any, said: str) -> None:
    with pytest.raises(cartwheel.UsageError, match=f"the function has to return a number; {said}"):
        cartwheel.minimize(lambda x: value, [0.0], sigma=1.0)


GOOD: dict[str, Any] = {"x0": [0.0, 0.0], "sigma": 1.0}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"x0": [0.0, np.nan]}, "x0: expected finite numbers, got nan at place 1"),
        ({"x0": [np.inf]}, "x0: expected finite numbers, got inf at place 0"),
        ({"x0": 3.0}, r"x0: expected one vector of at least one number, got an array of shape \(\)"),
        ({"x0": [[1.0, 2.0]]}, r"got an array of shape \(1, 2\)"),
        ({"x0": []}, r"got an array of shape \(0,\)"),
        ({"x0": ["a"]}, r"x0: expected a vector of numbers, got \['a'\]"),
        ({"x0": [1j]}, "x0: expected a vector of numbers"),
        ({"sigma": 0.0}, "sigma: expected more than 0"),
        ({"sigma": np.nan}, "sigma: expected more than 0"),
        ({"sigma": "1"}, "sigma: expected a number, got '1'"),
        ({"max_evaluations": 0}, "max_evaluations: expected at least 1, got 0"),
        ({"max_evaluations": 1.5}, "max_evaluations: expected a whole number, got 1.5"),
        ({"target": "low"}, "target: expected a number, got 'low'"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"batched": 1}, "batched: expected"),
        ({"algorithm": "cmaes"}, "unknown algorithm 'cmaes'; did you mean 'cma-es'?"),
        ({"algorithm": 3}, "algorithm: expected a text, got 3"),
        ({"algorithm": "neat"}, "neat evolves networks"),
        ({"restarts": "pop"}, "--restarts: expected one of none, ipop, bipop, got 'pop'"),
        ({"popsize": 5}, "unknown option 'popsize'"),
    ],
)
def test_what_can_not_be_done_is_one_line(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(cartwheel.UsageError, match=said) as caught:
        cartwheel.minimize(sphere, **{**GOOD, **bad})
    assert "\n" not in str(caught.value)


def test_what_is_no_function_is_one_line() -> None:
    with pytest.raises(cartwheel.UsageError, match="f: expected a function of a vector, got 3"):
        cartwheel.minimize(3, **GOOD)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, StopIteration])
def test_what_the_function_raises_goes_through(error: type[BaseException]) -> None:
    def failing(x: Vector) -> float:
        raise error

    with pytest.raises(error):
        cartwheel.minimize(failing, [0.0], sigma=1.0)


def test_a_point_is_what_algorithms_search() -> None:
    x0 = np.array([1.0, 2.0, 3.0])
    point = Point(x0)
    x0[0] = 9.0
    np.testing.assert_array_equal(point.x0, [1.0, 2.0, 3.0])
    assert (point.size, point.dtype, point.layout.shapes) == (3, np.float64, ((3,),))
    np.testing.assert_array_equal(point.initial(np.random.default_rng(0), 2, 0.0), [[1.0, 2.0, 3.0]] * 2)
    many = point.initial(np.random.default_rng(0), 4000, 2.0)
    np.testing.assert_allclose(many.std(axis=0), 2.0, rtol=0.05)


# --- how many evaluations ---------------------------------------------------------------------------------------------

#: Medians of 21 seeds of pycma 4.5, from the same starts to 1e-8: `python -m benchmarks minimize` measures them anew.
PYCMA = {
    "sphere": {2: 252, 10: 1480, 20: 2808},
    "ellipsoid": {2: 474, 10: 4140, 20: 12_984},
    "rosenbrock": {2: 450, 10: 5190, 20: 16_194},
    "ackley": {2: 564, 10: 2910, 20: 5352},
}


def evaluations(name: str, n: int, seeds: int, algorithm: str = "cma-es") -> list[int]:
    """Those of the searches that met the target."""
    landscape = LANDSCAPES[name]
    results = [
        cartwheel.minimize(landscape.f, landscape.x0(n), algorithm=algorithm, **landscape.options(seed))
        for seed in range(seeds)
    ]
    return [result.evaluations for result in results if result.stop == "target"]


@pytest.mark.parametrize("name", LANDSCAPES)
def test_cma_es_takes_as_many_evaluations_as_it_has_to(name: str) -> None:
    """Five seeds in few dimensions. An update that is wrong by a factor or a sign takes half as many more, or fails."""
    for n in (2, 10):
        used = evaluations(name, n, 5)
        assert len(used) >= 4
        assert 0.75 * PYCMA[name][n] < statistics.median(used) < 1.25 * PYCMA[name][n]


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 10, 20])
@pytest.mark.parametrize("name", LANDSCAPES)
def test_cma_es_takes_no_more_than_the_authors_program(name: str, n: int) -> None:
    used = evaluations(name, n, 21)
    assert len(used) >= 17
    assert 0.85 * PYCMA[name][n] < statistics.median(used) <= 1.15 * PYCMA[name][n]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ipop", "bipop"])
def test_rastrigin_is_always_solved_with_restarts(kind: str) -> None:
    for seed in range(21):
        result = cartwheel.minimize(
            rastrigin, np.full(10, 3.0), sigma=2.0, target=1e-8, seed=seed, restarts=kind, max_evaluations=1_000_000
        )
        assert result.stop == "target"


@pytest.mark.parametrize(
    ("algorithm", "name", "expected"),
    [
        ("sep-cma-es", "sphere", 1250),
        ("sep-cma-es", "ellipsoid", 2600),
        ("snes", "sphere", 2000),
        ("xnes", "sphere", 6700),
    ],
)
def test_the_others_take_what_they_took(algorithm: str, name: str, expected: int) -> None:
    """In ten dimensions, medians of five seeds."""
    used = evaluations(name, 10, 5, algorithm)
    assert len(used) == 5
    assert statistics.median(used) == pytest.approx(expected, rel=0.15)


def test_only_the_whole_matrix_follows_a_bent_valley() -> None:
    """The negative control of the counts: on Rosenbrock's function a diagonal takes more than twice as many."""
    landscape, budget = LANDSCAPES["rosenbrock"], 2 * PYCMA["rosenbrock"][10]
    for seed in range(3):
        options = {**landscape.options(seed), "algorithm": "sep-cma-es", "max_evaluations": budget}
        assert cartwheel.minimize(landscape.f, landscape.x0(10), **options).stop == "max_evaluations"
