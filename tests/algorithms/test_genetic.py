"""The genetic algorithm against hand-worked generations; with each option it keeps to what all algorithms keep to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import make_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_contract
import test_population_contract
from contract import equal, run

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.genetic import ENTRY, Genetic, GeneticSettings
from cartwheel.algorithms.operators import CROSSOVERS, MUTATIONS, SELECTIONS, adapted
from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.errors import UsageError
from cartwheel.experience.chains import Chains
from cartwheel.experience.records import Experience, Request
from cartwheel.policies.specification import MLP
from cartwheel.seeds import Purpose, generator
from cartwheel.settings import option, resolve

NETWORK = MLP((4,)).build(3, 2)


def make(**options: Any) -> Genetic:
    return Genetic(resolve(GeneticSettings, options), NETWORK, seed=3)


def told(algorithm: Genetic, fitness: list[float], episodes: int = 1) -> Any:
    """The population that follows after these returns, the same in each episode."""
    returns = np.array(fitness, np.float64)[:, None].repeat(episodes, axis=1)
    algorithm.tell(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64)))
    return algorithm.ask().parameters


def test_the_first_population_has_normal_weights_and_no_biases() -> None:
    population = make(population=2000, initial_std=2.0).ask().parameters
    parts = NETWORK.layout.unpack(population)
    for name, array in parts.items():
        if name.startswith("b"):
            assert not array.any()
        else:
            assert abs(array.std() - 2.0) < 0.05
            assert abs(array.mean()) < 0.05


def test_elites_go_on_unchanged_in_order_of_rank() -> None:
    algorithm = make(population=5, elites=2, episodes=1)
    before = algorithm.ask().parameters.copy()
    after = told(algorithm, [1.0, 9.0, 3.0, 7.0, 5.0])
    np.testing.assert_array_equal(after[:2], before[[1, 3]])


def test_the_first_of_equals_is_the_best() -> None:
    algorithm = make(population=4, elites=1, episodes=1)
    before = algorithm.ask().parameters.copy()
    np.testing.assert_array_equal(told(algorithm, [2.0, 5.0, 5.0, 1.0])[0], before[1])


def test_children_are_parents_and_noise_of_the_stated_deviation() -> None:
    algorithm = make(population=500, elites=1, parents=1 / 500, mutation_std=0.25, episodes=1)
    parent = algorithm.ask().parameters[17].copy()
    after = told(algorithm, [1.0 if k == 17 else 0.0 for k in range(500)])
    noise = after[1:] - parent
    assert noise.std() == pytest.approx(0.25, rel=0.02)  # 17,000 numbers: 2 % is 3.7 standard errors
    assert abs(noise.mean()) < 0.01
    assert not np.array_equal(noise[0], noise[1])


def test_each_generation_draws_anew() -> None:
    algorithm = make(population=3, elites=1, parents=0.3, episodes=1)
    parent = algorithm.ask().parameters[0].copy()
    first = told(algorithm, [9.0, 0.0, 0.0])[1:] - parent
    second = told(algorithm, [9.0, 0.0, 0.0])[1:] - parent
    assert not np.array_equal(first, second)


def test_the_tournament_setting_is_used() -> None:
    even = make(population=200, elites=1, selection="tournament", tournament=1, mutation_std=1e-6, episodes=1)
    keen = make(population=200, elites=1, selection="tournament", tournament=50, mutation_std=1e-6, episodes=1)
    population = even.ask().parameters.copy()
    fitness = [float(-k) for k in range(200)]

    def mean_rank(children: np.ndarray[Any, Any]) -> float:
        nearest = [((population - child) ** 2).sum(axis=1).argmin() for child in children[1:]]
        return float(np.mean(nearest))

    assert mean_rank(told(even, fitness)) > 80
    assert mean_rank(told(keen, fitness)) < 10


def test_elites_have_to_leave_room() -> None:
    with pytest.raises(UsageError, match="--elites: expected less than --population"):
        make(population=4, elites=4)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"population": 4, "elites": 2, "immigrants": 2}, r"--immigrants: expected less than .* \(2\), got 2"),
        ({"mutation": "swap", "self_adapted": True}, "--self-adapted: expected a mutation with a deviation"),
        ({"mutation": "sign", "self_adapted": True}, "--self-adapted: expected a mutation with a deviation"),
        ({"encoding": "seeds", "crossover": "uniform"}, "--crossover: expected none with --encoding seeds"),
        ({"encoding": "seeds", "mutation": "sign"}, "--mutation: expected additive with --encoding seeds, got sign"),
        ({"encoding": "seeds", "mutation_probability": 0.5}, "--mutation-probability: expected 1.0 with"),
        ({"encoding": "seeds", "self_adapted": True}, "--self-adapted: expected False with"),
        ({"mutation": "swpa"}, "did you mean 'swap'"),
        ({"crossover": "two-pont"}, "did you mean 'two-point'"),
        ({"selection": "stochastic"}, "expected one of truncation, tournament, rank, roulette, stochastic-universal"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        make(**options)


def test_a_child_can_be_made_again_alone() -> None:
    """By its parent, and by the generation and the place that it is made for; as the page tells."""
    page = (Path(__file__).parents[2] / "docs" / "genetic.md").read_text(encoding="utf-8")
    told_there: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], told_there)
    algorithm = make(population=30, elites=2, episodes=1, parents=1 / 30, mutation_std=0.25)
    for generation in (1, 2, 3):
        parent = algorithm.ask().parameters[4].copy()
        after = told(algorithm, [1.0 if k == 4 else 0.0 for k in range(30)])
        for place in (2, 7, 29):
            noise = generator(3, Purpose.VARIATION, generation, place).standard_normal(NETWORK.size, np.float32)
            np.testing.assert_array_equal(after[place], parent + np.float32(0.25) * noise)
            np.testing.assert_array_equal(after[place], told_there["child"](parent, 3, generation, place, 0.25))


def test_a_child_of_two_parents_can_be_made_again_alone() -> None:
    algorithm = make(
        population=10, episodes=1, parents=0.3, crossover="arithmetic", crossover_probability=1.0, self_adapted=True
    )
    algorithm.restore({**algorithm.state(), "deviations": np.arange(1.0, 11.0)})
    before = algorithm.ask().parameters
    after = told(algorithm, list(range(10)))
    deviations = algorithm.state()["deviations"]
    assert deviations[0] == 10.0  # the elite's own
    rng = generator(3, Purpose.VARIATION, 1)
    pairs = SELECTIONS["truncation"](rng, np.arange(10.0), 18, parents=0.3).reshape(2, 9).T
    for place, (one, other) in enumerate(sorted(pairs.tolist(), key=lambda pair: pair[0]), start=1):
        rng = generator(3, Purpose.VARIATION, 1, place)
        rng.random()  # whether there are two parents
        row = CROSSOVERS["arithmetic"](rng, before[[one]], before[[other]])
        sigma = adapted(rng, (one + 1 + other + 1) / 2, NETWORK.size)
        assert deviations[place] == sigma
        np.testing.assert_array_equal(after[place], MUTATIONS["additive"](rng, row, sigma, 1.0)[0])


def test_newcomers_can_be_made_again_alone() -> None:
    algorithm = make(population=10, immigrants=3, episodes=1, initial_std=0.5)

    def newcomer(generation: int, place: int) -> np.ndarray[Any, Any]:
        return NETWORK.initial(generator(3, Purpose.INITIAL, generation, place), 1, 0.5)[0]

    np.testing.assert_array_equal(algorithm.ask().parameters, [newcomer(0, place) for place in range(10)])
    for generation in (1, 2):
        after = told(algorithm, list(range(10)))
        np.testing.assert_array_equal(after[7:], [newcomer(generation, place) for place in (7, 8, 9)])


def test_a_larger_population_draws_the_same_for_the_places_of_a_smaller() -> None:
    few, many = make(population=5), make(population=9)
    np.testing.assert_array_equal(few.ask().parameters, many.ask().parameters[:5])


def test_children_of_one_parent_stand_together() -> None:
    algorithm = make(population=60, episodes=1, parents=0.5, mutation_std=1e-6)
    before = algorithm.ask().parameters
    after = told(algorithm, list(range(60)))[1:]
    parents = [int(((before - child) ** 2).sum(axis=1).argmin()) for child in after]
    assert parents == sorted(parents)
    assert len(set(parents)) > 10


def test_a_crossover_has_two_parents_as_often_as_told() -> None:
    options = {"population": 400, "episodes": 1, "mutation_probability": 0.0, "parents": 0.1}
    for share in (0.0, 0.3, 1.0):
        algorithm = make(crossover="arithmetic", crossover_probability=share, **options)
        before = algorithm.ask().parameters
        children = told(algorithm, list(range(400)))[1:]
        copies = np.mean([any(np.array_equal(child, parent) for parent in before[-40:]) for child in children])
        alone = 1 - share + share / 40  # both parents may be the same one
        assert abs(copies - alone) <= 5 * np.sqrt(alone * (1 - alone) / 399)


def test_layers_are_crossed_whole() -> None:
    algorithm = make(
        population=50, episodes=1, crossover="by-layer", crossover_probability=1.0, mutation_probability=0.0
    )
    before = algorithm.ask().parameters
    first, second = set(), set()
    for child in told(algorithm, list(range(50)))[1:]:
        first.add(int((before[:, :16] == child[:16]).all(axis=1).nonzero()[0][0]))
        second.add(int((before[:, 16:] == child[16:]).all(axis=1).nonzero()[0][0]))
    assert first | second <= set(range(40, 50))
    assert len(first) > 5
    assert len(second) > 5


def test_the_chosen_share_of_weights_mutates() -> None:
    algorithm = make(population=200, episodes=1, parents=1 / 200, mutation_probability=0.25)
    parent = algorithm.ask().parameters[9].copy()
    changed = told(algorithm, [float(k == 9) for k in range(200)])[1:] != parent
    assert abs(changed.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / changed.size)


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_selection_setting_is_used(name: str) -> None:
    """Parents are those that the operator chooses for the generation's returns."""
    algorithm = make(population=40, episodes=1, selection=name, mutation_std=1e-6, tournament=2, selection_pressure=2)
    before = algorithm.ask().parameters
    fitness = np.random.default_rng(2).random(40)
    children = told(algorithm, list(fitness))[1:]
    found = [int(((before - child) ** 2).sum(axis=1).argmin()) for child in children]
    values = {"truncation": {"parents": 0.2}, "tournament": {"tournament": 2}, "rank": {"selection_pressure": 2}}
    chosen = SELECTIONS[name](generator(3, Purpose.VARIATION, 1), fitness, 39, **values.get(name, {}))
    assert found == sorted(chosen)


def test_deviations_adapt_themselves() -> None:
    """Where small steps are better, the deviations shrink; the children's steps have their own deviations."""
    algorithm = make(population=100, episodes=1, self_adapted=True, mutation_std=2.0)
    metrics = []
    for _ in range(60):
        returns = -(algorithm.ask().parameters.astype(np.float64) ** 2).sum(axis=1, keepdims=True)
        metrics.append(algorithm.tell(Experience(returns=returns, lengths=np.ones(returns.shape, np.int64))))
    assert metrics[-1]["mutation_std"] < 0.5 < metrics[0]["mutation_std"]
    state = algorithm.state()
    assert metrics[-1]["mutation_std"] == pytest.approx(state["deviations"].mean())
    parent, sigma = state["population"][0].copy(), state["deviations"][0]
    after = told(algorithm, [9.0] + [0.0] * 99)
    only = make(population=100, episodes=1, self_adapted=True, mutation_std=2.0, parents=0.01)
    only.restore(state)
    after = told(only, [9.0] + [0.0] * 99)
    own = only.state()["deviations"]
    assert own[0] == sigma  # the elite's
    assert len(np.unique(own)) == 100
    steps = (after - parent)[1:] / own[1:, None]
    assert steps.std() == pytest.approx(1.0, rel=0.06)
    logs = np.log(own[1:] / sigma)
    assert logs.std() == pytest.approx(NETWORK.size**-0.5, rel=0.4)


def test_a_restart_keeps_the_elites_alone() -> None:
    algorithm = make(population=6, elites=2, episodes=1, restart_after=3)
    told(algorithm, [5.0] * 6)
    for best in (4.0, 5.0):  # no better than 5
        told(algorithm, [best] * 6)
        assert algorithm.state()["since"] < 3
    before = algorithm.ask().parameters.copy()
    after = told(algorithm, [0.0, 3.0, 1.0, 2.0, 0.0, 0.0])
    np.testing.assert_array_equal(after[:2], before[[1, 3]])
    fresh = [NETWORK.initial(generator(3, Purpose.INITIAL, 4, place), 1)[0] for place in range(2, 6)]
    np.testing.assert_array_equal(after[2:], fresh)
    told(algorithm, [-7.0] * 6)  # the record begins anew too
    assert (algorithm.state()["record"], algorithm.state()["since"]) == (-7.0, 0)


def test_a_better_return_puts_a_restart_off() -> None:
    algorithm = make(population=6, episodes=1, restart_after=2)
    for best in (1.0, 1.0, 1.5, 1.0, 2.0, -np.inf, 3.0):
        told(algorithm, [best] + [0.0] * 5)
        assert algorithm.state()["since"] < 2
        assert algorithm.state()["record"] > -np.inf


# --- seeds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"selection": "tournament"}, {"elites": 5, "immigrants": 4}, {"restart_after": 1}, {"selection": "rank"}],
    ids=str,
)
def test_seeds_and_vectors_give_the_same_run(options: dict[str, Any]) -> None:
    dense, seeds = make(population=20, **options), make(population=20, encoding="seeds", **options)
    for _ in range(8):
        whole, chains = dense.ask().parameters, seeds.ask().parameters
        assert isinstance(chains, Chains)
        assert chains.dense().tobytes() == whole.tobytes()
        returns = -((whole - 0.5) ** 2).sum(axis=1, keepdims=True).repeat(5, axis=1).astype(np.float64)
        experience = Experience(returns=returns, lengths=np.ones(returns.shape, np.int64))
        one, other = dense.best(experience), seeds.best(experience)
        assert (one.theta.tobytes(), one.value) == (other.theta.tobytes(), other.value)
        assert dense.tell(experience) == seeds.tell(experience)


def test_the_state_of_seeds_is_small_and_restores_the_chains() -> None:
    algorithm, other = make(encoding="seeds"), make(encoding="seeds")
    for _ in range(5):
        told(algorithm, list(range(64)), episodes=5)
    state = algorithm.state()
    assert sum(np.asarray(value).nbytes for value in state.values()) < 64 * 100
    other.restore(state)
    assert equal(other.state(), state)
    np.testing.assert_array_equal(told(algorithm, list(range(64)), 5).dense(), told(other, list(range(64)), 5).dense())


class Unfolded(Genetic):
    """Candidates as chains within, asked for as vectors: for tests that look at vectors."""

    def ask(self) -> Request:
        request = super().ask()
        parameters = request.parameters.dense()
        parameters.flags.writeable = False
        return replace(request, parameters=parameters)


# --- what all algorithms keep to, with each option --------------------------------------------------------------------

VARIANTS: dict[str, dict[str, Any]] = {
    **{f"selection {name}": {"selection": name} for name in SELECTIONS},
    **{f"crossover {name}": {"crossover": name} for name in CROSSOVERS},
    **{f"mutation {name}": {"mutation": name, "mutation_probability": 0.2} for name in MUTATIONS},
    **{f"self-adapted {name}": {"mutation": name, "self_adapted": True} for name in ("additive", "multiplicative")},
    "immigrants": {"immigrants": 10, "elites": 3},
    "restarts": {"restart_after": 2},
    "seeds": {"encoding": "seeds"},
    "all": {"selection": "rank", "crossover": "uniform", "self_adapted": True, "immigrants": 5, "restart_after": 3},
}


def variant(options: dict[str, Any]) -> Entry:
    """The algorithm with other defaults."""
    fields = [(name, type(value), option(value, "another default")) for name, value in options.items()]
    settings = make_dataclass("Variant", fields, bases=(GeneticSettings,), frozen=True)
    algorithm = Unfolded if options.get("encoding") == "seeds" else Genetic
    return replace(ENTRY, settings=settings, algorithm=algorithm, presets={})


CONTRACT = [
    test_contract.test_shapes_and_types_of_a_request,
    test_contract.test_asking_twice_changes_nothing,
    test_contract.test_the_same_seed_gives_the_same_run_and_another_seed_another,
    test_contract.test_resumed_equals_uninterrupted,
    test_contract.test_state_is_flat_plain_and_a_copy,
    test_contract.test_a_state_before_the_first_generation_can_be_restored,
    test_contract.test_a_state_of_another_network_is_refused,
    test_contract.test_what_is_told_is_left_untouched,
    test_contract.test_experience_of_the_wrong_shape_is_refused_and_changes_nothing,
    test_contract.test_the_best_is_one_that_was_measured,
    test_contract.test_naming_the_best_changes_nothing_and_depends_on_nothing_else,
    test_contract.test_the_best_is_a_read_only_copy,
    test_contract.test_metrics_are_numbers_and_name_the_mean_return,
    test_population_contract.test_candidates_differ,
    test_population_contract.test_the_best_is_the_one_with_the_highest_mean_return,
    test_population_contract.test_a_mean_over_all_episodes_decides,
    test_population_contract.test_the_best_goes_with_its_returns,
    test_population_contract.test_nan_is_never_the_best,
    test_population_contract.test_metrics_name_the_returns,
]


@pytest.mark.parametrize("options", VARIANTS.values(), ids=list(VARIANTS))
@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_the_contract_holds_with_each_option(check: Callable[[Entry], None], options: dict[str, Any]) -> None:
    check(variant(options))


@pytest.mark.parametrize("options", VARIANTS.values(), ids=list(VARIANTS))
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_no_fault_spreads_with_any_option(options: dict[str, Any], fault: float) -> None:
    test_contract.test_a_fitness_that_is_no_number_does_not_spread(variant(options), fault)


LEARNERS = [name for name in VARIANTS if not name.startswith(("mutation", "self-adapted multi", "restarts", "all"))]


@pytest.mark.parametrize("name", [*LEARNERS, "mutation additive"])
def test_it_learns_with_each_option(name: str) -> None:
    """With steps that soft selections can bear, too: chance moves a population away faster than they bring it back."""
    algorithm = test_population_contract.make(variant({"mutation_std": 0.1, **VARIANTS[name]}))

    def distance() -> float:
        return float(np.median(((algorithm.ask().parameters - 0.5) ** 2).sum(axis=1)))

    start = distance()
    run(algorithm, 60)
    assert distance() < 0.5 * start


def test_the_tutorials_preset_is_the_tutorials_job() -> None:
    preset = ALGORITHMS["genetic"].presets["tutorial"]
    assert (preset["population"], preset["episodes"], preset["generations"]) == (64, 15, 5)
    assert (preset["hidden"], preset["max_episode_steps"], preset["early_stop"]) == ((16,), 10_000, False)
    chosen = SELECTIONS["truncation"](np.random.default_rng(0), np.arange(64.0), 63, parents=preset["parents"])
    assert set(chosen) == {63}  # all 63 are mutants of the best
