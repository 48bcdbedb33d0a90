"""The genetic operators against closed forms: distributions, what stays as it is, and the edges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel.algorithms.operators import CROSSOVERS, MUTATIONS, OPERATORS, SELECTIONS, adapted, fitted, layer_ends
from cartwheel.algorithms.operators.mutations import LARGEST_STD, SMALLEST_STD
from cartwheel.errors import UsageError
from cartwheel.nn.flat import Layout
from cartwheel.policies.specification import MLP, Recurrent

Array = np.ndarray[Any, Any]
DEFAULTS = {"parents": 0.2, "tournament": 3, "selection_pressure": 1.5, "layers": np.array([3, 4, 7])}
ALL_MUTATIONS = pytest.mark.parametrize("mutate", MUTATIONS.values(), ids=list(MUTATIONS))
ALL_CROSSOVERS = pytest.mark.parametrize("name", CROSSOVERS)
ALL_SELECTIONS = pytest.mark.parametrize("name", SELECTIONS)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def matrix(P: int, n: int, dtype: Any = np.float32) -> Array:
    return rng(9).standard_normal((P, n)).astype(dtype)


def near(frequency: float, chance: float, draws: int) -> bool:
    """Within five standard errors."""
    return abs(frequency - chance) <= 5 * np.sqrt(max(chance * (1 - chance), 1e-12) / draws)


def test_operators_are_known_by_kind_and_name() -> None:
    assert {kind: len(operators) for kind, operators in OPERATORS.items()} == {
        "mutation": 5,
        "crossover": 5,
        "selection": 5,
    }
    with pytest.raises(UsageError, match="unknown crossover 'two-pont'; did you mean 'two-point'"):
        OPERATORS["crossover"]["two-pont"]


@pytest.mark.parametrize("kind", OPERATORS)
def test_each_operator_tells_its_source(kind: str) -> None:
    for operator in OPERATORS[kind].values():
        assert any(str(year) in (operator.__doc__ or "") for year in range(1975, 2026)), operator


@pytest.mark.parametrize("kind", OPERATORS)
def test_the_page_tells_of_each_operator(kind: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "genetic.md").read_text(encoding="utf-8")
    table = page.split(f"| `--{kind}` |")[1].split("\n\n")[0]
    told = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert [name for name in told if name != "none"] == list(OPERATORS[kind])


# --- mutations --------------------------------------------------------------------------------------------------------


@ALL_MUTATIONS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (3, 8)])
def test_a_mutation_keeps_shape_type_and_what_it_was_given(
    mutate: Callable[..., Array], dtype: Any, shape: tuple[int, int]
) -> None:
    rows = matrix(*shape, dtype)
    kept = rows.copy()
    for probability in (0.0, 0.4, 1.0):
        changed = mutate(rng(), rows, 0.5, probability)
        assert (changed.shape, changed.dtype) == (shape, dtype)
        assert np.isfinite(changed).all()
        np.testing.assert_array_equal(rows, kept)
        if probability == 0.0:
            np.testing.assert_array_equal(changed, rows)


@ALL_MUTATIONS
def test_rows_are_mutated_each_in_its_own_way(mutate: Callable[..., Array]) -> None:
    rows = np.repeat(matrix(1, 40), 2, axis=0)
    first, second = mutate(rng(), rows, 0.5, 0.5)
    assert not np.array_equal(first, second)


@ALL_MUTATIONS
@pytest.mark.parametrize("probability", [0.1, 0.6])
def test_the_share_of_changed_weights_is_the_probability(mutate: Callable[..., Array], probability: float) -> None:
    rows = matrix(50, 401)  # odd: in a swap one of an odd number of chosen weights stays, half of the times
    changed = mutate(rng(), rows, 0.5, probability)
    left_over = 0.5 / 401 if mutate is MUTATIONS["swap"] else 0.0
    assert near((changed != rows).mean(), probability - left_over, rows.size)


def test_additive_steps_have_the_deviation() -> None:
    steps = MUTATIONS["additive"](rng(), np.full((20, 1000), 3.0), 0.25, 1.0) - 3.0
    assert steps.std() == pytest.approx(0.25, rel=0.03)
    assert abs(steps.mean()) < 5 * 0.25 / np.sqrt(steps.size)


def test_multiplicative_steps_are_in_proportion_to_the_weight() -> None:
    rows = np.tile([[0.0, 1.0, -10.0]], (20_000, 1))
    steps = MUTATIONS["multiplicative"](rng(), rows, 0.25, 1.0) - rows
    assert not steps[:, 0].any()
    np.testing.assert_allclose(steps.std(axis=0)[1:], [0.25, 2.5], rtol=0.03)
    assert abs(steps[:, 2].mean()) < 5 * 2.5 / np.sqrt(len(rows))


def test_weights_multiplied_for_ever_stay_finite() -> None:
    rows = matrix(2, 5)
    for _ in range(50):
        rows = MUTATIONS["multiplicative"](rng(), rows, 1e6, 1.0)
    assert np.isfinite(rows).all()
    assert np.isfinite(rows[0] - rows[1]).all()


def test_replacements_do_not_depend_on_what_was_there() -> None:
    new = MUTATIONS["replacement"](rng(), np.full((20, 1000), 100.0), 2.0, 1.0)
    np.testing.assert_array_equal(new, MUTATIONS["replacement"](rng(), np.zeros((20, 1000)), 2.0, 1.0))
    assert new.std() == pytest.approx(2.0, rel=0.03)
    assert abs(new.mean()) < 5 * 2.0 / np.sqrt(new.size)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_swaps_keep_each_rows_weights(n: int, probability: float) -> None:
    rows = matrix(200, n)
    swapped = MUTATIONS["swap"](rng(), rows, 0.5, probability)
    np.testing.assert_array_equal(np.sort(swapped, axis=1), np.sort(rows, axis=1))
    moved = (swapped != rows).sum(axis=1)
    assert (moved % 2 == 0).all()  # pairs
    if probability == 1.0:
        assert (moved == n - n % 2).all()


def test_a_weight_that_is_chosen_alone_stays() -> None:
    """Of three, at least two are chosen with a chance of 1/2; then two change places."""
    rows = np.tile(np.arange(3.0), (20_000, 1))
    moved = (MUTATIONS["swap"](rng(), rows, 0.5, 0.5) != rows).any(axis=1)
    assert near(moved.mean(), 1 / 2, len(rows))


def test_swapped_pairs_are_any_two() -> None:
    rows = np.tile(np.arange(4.0), (12_000, 1))
    partners = MUTATIONS["swap"](rng(), rows, 0.5, 1.0)[:, 0]
    assert all(near((partners == k).mean(), 1 / 3, len(rows)) for k in (1, 2, 3))
    twice = MUTATIONS["swap"](rng(3), MUTATIONS["swap"](rng(3), rows, 0.5, 0.7), 0.5, 0.7)
    np.testing.assert_array_equal(twice, rows)  # the same exchanges again undo it


def test_signs_change_and_magnitudes_stay() -> None:
    rows = matrix(10, 30)
    np.testing.assert_array_equal(MUTATIONS["sign"](rng(), rows, 0.5, 1.0), -rows)
    np.testing.assert_array_equal(abs(MUTATIONS["sign"](rng(), rows, 0.5, 0.5)), abs(rows))


@pytest.mark.parametrize("size", [1, 25])
def test_deviations_change_by_a_log_normal_factor(size: int) -> None:
    """ln(sigma' / sigma) ~ N(0, 1 / size)."""
    generator = rng()
    logs = np.log([adapted(generator, 0.2, size) / 0.2 for _ in range(4000)])
    assert abs(logs.mean()) < 5 / np.sqrt(size * len(logs))
    assert logs.std() == pytest.approx(size**-0.5, rel=0.06)


def test_deviations_stay_within_bounds() -> None:
    generator = rng()
    assert {adapted(generator, 1e-300, 1) for _ in range(20)} == {SMALLEST_STD}
    assert {adapted(generator, 1e300, 1) for _ in range(20)} == {LARGEST_STD}


# --- crossovers -------------------------------------------------------------------------------------------------------


def crossed(name: str, one: Array, other: Array, seed: int = 0) -> Array:
    result: Array = fitted(CROSSOVERS[name], {"layers": np.array([one.shape[1]]), **DEFAULTS})(rng(seed), one, other)
    return result


@ALL_CROSSOVERS
def test_equal_parents_have_children_like_them(name: str) -> None:
    rows = matrix(20, 7)
    np.testing.assert_array_equal(crossed(name, rows, rows.copy()), rows)


@ALL_CROSSOVERS
def test_a_crossover_keeps_type_and_what_it_was_given(name: str) -> None:
    one, other = matrix(30, 7), -matrix(30, 7)
    child = crossed(name, one, other)
    assert (child.shape, child.dtype) == (one.shape, np.float32)
    np.testing.assert_array_equal(one, matrix(30, 7))
    np.testing.assert_array_equal(other, -matrix(30, 7))


@ALL_CROSSOVERS
def test_children_lie_between_their_parents(name: str) -> None:
    one, other = np.zeros((500, 7)), np.ones((500, 7))
    child = crossed(name, one, other)
    assert ((child >= 0) & (child <= 1)).all()
    assert (name == "arithmetic") == bool(((child > 0) & (child < 1)).any())
    assert len(np.unique(child, axis=0)) > 2  # each row has draws of its own


@pytest.mark.parametrize("name", [name for name in CROSSOVERS if name != "by-layer"])
@pytest.mark.parametrize("n", [1, 2])
def test_short_vectors_can_be_crossed(name: str, n: int) -> None:
    one, other = np.zeros((200, n)), np.ones((200, n))
    child = crossed(name, one, other)
    if n == 1 and name.endswith("-point"):
        np.testing.assert_array_equal(child, one)
    else:
        assert child.any()
        assert (child < 1).any()


def test_uniform_takes_each_weight_alone() -> None:
    child = crossed("uniform", np.zeros((20_000, 3)), np.ones((20_000, 3)))
    kinds = child @ [1, 2, 4]
    assert all(near((kinds == kind).mean(), 1 / 8, len(child)) for kind in range(8))


def test_one_point_cuts_anywhere_between_two_weights() -> None:
    child = crossed("one-point", np.zeros((20_000, 5)), np.ones((20_000, 5)))
    assert (np.diff(child, axis=1) >= 0).all()  # the first parent's, then the other's
    cuts = 5 - child.sum(axis=1)
    assert all(near((cuts == cut).mean(), 1 / 4, len(child)) for cut in (1, 2, 3, 4))


def test_two_point_takes_one_stretch_of_the_ring() -> None:
    child = crossed("two-point", np.zeros((20_000, 5)), np.ones((20_000, 5)))
    changes = (child != np.roll(child, 1, axis=1)).sum(axis=1)
    assert (changes == 2).all()
    lengths = child.sum(axis=1)
    assert all(near((lengths == length).mean(), 1 / 4, len(child)) for length in (1, 2, 3, 4))
    assert all(near(share, 1 / 2, len(child)) for share in child.mean(axis=0))


def test_by_layer_takes_whole_layers() -> None:
    network = MLP((3, 4)).build(2, 2)
    ends = layer_ends(network.layout)
    P, n = 8000, network.size
    child = CROSSOVERS["by-layer"](rng(), np.zeros((P, n)), np.ones((P, n)), layers=ends)
    parts = network.layout.unpack(child)
    chosen = []
    for number in (1, 2, 3):
        weights, biases = parts[f"W{number}"].reshape(P, -1), parts[f"b{number}"]
        assert (weights == weights[:, :1]).all()
        assert (biases == weights[:, :1]).all()
        chosen.append(weights[:, 0])
    kinds = np.array(chosen).T @ [1, 2, 4]
    assert all(near((kinds == kind).mean(), 1 / 8, P) for kind in range(8))


def test_layers_are_read_off_the_names() -> None:
    assert layer_ends(MLP((3,)).build(2, 2).layout).tolist() == [9, 17]
    layout = Recurrent("gru", (5, 4)).build(2, 3).layout  # dense/0, cells, out
    assert layer_ends(layout).tolist() == [15, 15 + 5 * 12 + 4 * 12 + 12, 15 + 120 + 15]
    assert layer_ends(Layout(("x", "y"), ((2,), (3,)))).tolist() == [2, 5]
    assert layer_ends(Layout(("W1", "b1", "W12"), ((2,), (1,), (3,)))).tolist() == [3, 6]


def test_arithmetic_children_stand_anywhere_on_the_line() -> None:
    child = crossed("arithmetic", np.zeros((20_000, 3)), np.tile([1.0, 2.0, -4.0], (20_000, 1)))
    a = child[:, 0]
    np.testing.assert_allclose(child, a[:, None] * [1.0, 2.0, -4.0], rtol=1e-12)
    assert all(near(((a >= q / 4) & (a < (q + 1) / 4)).mean(), 1 / 4, len(a)) for q in range(4))


# --- selections -------------------------------------------------------------------------------------------------------


def selected(name: str, fitness: Any, places: int, seed: int = 0, **options: Any) -> Array:
    chosen: Array = fitted(SELECTIONS[name], {**DEFAULTS, **options})(rng(seed), np.array(fitness, np.float64), places)
    return chosen


def shares(name: str, fitness: Any, places: int = 40_000, **options: Any) -> Array:
    return np.bincount(selected(name, fitness, places, **options), minlength=len(fitness)) / places


@ALL_SELECTIONS
@pytest.mark.parametrize("fitness", [[3.0], [-np.inf], [2.0, 2.0, 2.0], [-np.inf] * 3, [np.inf, np.inf], [0.0, -0.0]])
@pytest.mark.parametrize("places", [1, 2, 5, 8])
def test_a_selection_bears_equals_and_infinities(name: str, fitness: list[float], places: int) -> None:
    chosen = selected(name, fitness, places)
    assert chosen.shape == (places,)
    assert np.issubdtype(chosen.dtype, np.integer)
    assert ((chosen >= 0) & (chosen < len(fitness))).all()


@ALL_SELECTIONS
def test_better_ones_have_more_children_whatever_the_order(name: str) -> None:
    fitness = np.array([4.0, -100.0, 7.0, 5.0, 6.0])
    counts = shares(name, fitness, selection_pressure=2.0, parents=0.4)
    ordered = counts[np.argsort(-fitness)]
    assert (np.diff(ordered) <= 0.01).all()
    assert ordered[0] > ordered[-1] + 0.1


@ALL_SELECTIONS
def test_scale_and_origin_of_fitness_do_not_matter(name: str) -> None:
    fitness = np.array([1.0, 8.0, 3.0, 2.0, 5.0])
    np.testing.assert_array_equal(selected(name, fitness, 50), selected(name, fitness * 4 - 64, 50))
    assert selected(name, [1e308, -1e308, 0.0], 50).shape == (50,)


@pytest.mark.parametrize("name", ["rank", "roulette", "stochastic-universal"])
def test_equals_have_equal_chances(name: str) -> None:
    found = shares(name, [5.0, 1.0, 5.0, 5.0, 1.0])
    for tied in ([0, 2, 3], [1, 4]):
        mean = found[tied].mean()
        assert all(near(share, mean, 40_000) for share in found[tied])
    assert all(near(share, 1 / 4, 40_000) for share in shares(name, [2.0] * 4))


@ALL_SELECTIONS
def test_parents_come_in_random_order(name: str) -> None:
    chosen = selected(name, np.arange(100.0), 2000, parents=1.0, tournament=1)
    assert abs(np.corrcoef(chosen[:1000], chosen[1000:])[0, 1]) < 5 / np.sqrt(1000)
    assert abs(np.corrcoef(chosen, np.arange(2000))[0, 1]) < 5 / np.sqrt(2000)


def test_truncation_draws_evenly_from_the_best_share() -> None:
    fitness = rng(4).permutation(50).astype(float)
    found = shares("truncation", fitness, 10_000, parents=0.2)
    best = fitness >= 40
    assert not found[~best].any()
    assert all(near(share, 0.1, 10_000) for share in found[best])


def test_truncation_keeps_at_least_one_parent() -> None:
    assert set(selected("truncation", [1.0, 2.0, 9.0, 3.0], 100, parents=0.01)) == {2}


@pytest.mark.parametrize("size", [1, 2, 5])
def test_tournament_follows_its_distribution(size: int) -> None:
    """The best of k draws from N ranks: P(rank >= r) = ((N - r) / N)**k."""
    N, draws = 8, 40_000
    fitness = rng(5).permutation(N).astype(float)
    ranks = N - 1 - fitness[selected("tournament", fitness, draws, tournament=size)]
    for r in range(N):
        assert near((ranks >= r).mean(), ((N - r) / N) ** size, draws)


@pytest.mark.parametrize("pressure", [1.0, 1.3, 2.0])
def test_rank_gives_the_expected_copies(pressure: float) -> None:
    """Among N places: s - 2 (s - 1) r / (N - 1) copies of the one of rank r, 0 the best."""
    fitness = np.array([1.0, 1000.0, -7.0, 1.1, -np.inf])
    ranks = np.array([2, 0, 3, 1, 4])
    copies = pressure - 2 * (pressure - 1) * ranks / 4
    found = shares("rank", fitness, selection_pressure=pressure)
    assert all(near(share, count / 5, 40_000) for share, count in zip(found, copies, strict=True))


def test_roulette_is_in_proportion_to_what_is_above_the_worst() -> None:
    found = shares("roulette", [-4.0, -1.0, -5.0, 0.0])
    assert all(near(share, above / 10, 40_000) for share, above in zip(found, (1, 4, 0, 5), strict=True))


@pytest.mark.parametrize(
    ("fitness", "chances"),
    [
        ([-np.inf, 3.0, 4.0, 6.0], [0, 0, 0.25, 0.75]),  # the worst finite one stands for it
        ([-np.inf, 3.0, -np.inf, 3.0], [0, 0.5, 0, 0.5]),
        ([2.0, np.inf, 2.0, np.inf], [0, 0.5, 0, 0.5]),
        ([-np.inf, np.inf, -np.inf, -np.inf], [0, 1, 0, 0]),
    ],
)
def test_infinite_fitness_on_the_wheel(fitness: list[float], chances: list[float]) -> None:
    for name in ("roulette", "stochastic-universal"):
        found = shares(name, fitness)
        assert all(near(share, chance, 40_000) for share, chance in zip(found, chances, strict=True)), found


@pytest.mark.parametrize("places", [1, 3, 7, 64])
def test_stochastic_universal_copies_are_as_expected_to_one(places: int) -> None:
    fitness = rng(6).random(12)
    expected = (fitness - fitness.min()) / (fitness - fitness.min()).sum() * places
    total = np.zeros(12)
    for seed in range(400):
        copies = np.bincount(selected("stochastic-universal", fitness, places, seed), minlength=12)
        assert ((copies >= np.floor(expected - 1e-9)) & (copies <= np.ceil(expected + 1e-9))).all()
        total += copies
    np.testing.assert_allclose(total / 400, expected, atol=5 * 0.5 / np.sqrt(400))
