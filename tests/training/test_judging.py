"""Who has solved it: a policy that reaches the threshold in the validation episodes, and in fresh ones as well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cartwheel
from cartwheel.algorithms.base import Best
from cartwheel.experience.records import Experience, Request
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.training.hooks import Hook
from cartwheel.training.judging import GLANCE_EPISODES, MOST_LOOKED, VALIDATION_EPISODES, Judge, Validation

SEED, THRESHOLD, LENGTH = 7, 10.0, 3
USUAL = tuple(episode_seeds(SEED, Purpose.VALIDATION, count=VALIDATION_EPISODES).tolist())


class Luck:
    """Measures a policy (usual, elsewhere) by its own numbers: what it gets in the usual episodes, and in others."""

    def __init__(self) -> None:
        self.fresh: list[tuple[int, ...]] = []

    def __call__(self, request: Request, seeds: Any) -> Experience:
        usual, elsewhere = np.asarray(request.parameters)[0].tolist()
        asked = tuple(seeds.tolist())
        assert request.episodes == len(asked)
        if not set(asked) <= set(USUAL):
            self.fresh.append(asked)
            usual = elsewhere
        shape = 1, len(asked)
        return Experience(returns=np.full(shape, usual), lengths=np.full(shape, LENGTH))


def made(measure: Any, **options: Any) -> Judge:
    given = {"threshold": THRESHOLD, "early_stop": True, "finalists": 5, "normalised": False, **options}
    return Judge(measure, SEED, **given)


def best(usual: float, elsewhere: float) -> Best:
    return Best(np.array([usual, elsewhere], np.float32), THRESHOLD)


def judged(*policies: tuple[float, float]) -> Judge:
    """A judge of these, one after the other."""
    judge = made(Luck())
    for usual, elsewhere in policies:
        verdict = judge.judge(best(usual, elsewhere))
        assert verdict is not None
        judge.note(verdict)
    return judge


@pytest.mark.parametrize("by", ["judge", "look"])
def test_who_was_lucky_has_not_solved_it(by: str) -> None:
    luck = Luck()
    judge = made(luck)
    first = GLANCE_EPISODES if by == "look" else 0
    for number, (usual, elsewhere, solved) in enumerate([(12.0, 9.0, False), (13.0, 9.9, False), (14.0, 10.0, True)]):
        verdict = getattr(judge, by)(best(usual, elsewhere))
        assert verdict.confirmed is solved
        assert verdict.judged.value == usual
        assert verdict.steps == (first + 2 * VALIDATION_EPISODES) * LENGTH
        judge.note(verdict)
        assert judge.solved is solved
        assert len(luck.fresh) == number + 1
    assert {len(seeds) for seeds in luck.fresh} == {VALIDATION_EPISODES}
    assert len(set().union(*luck.fresh, USUAL)) == 4 * VALIDATION_EPISODES  # each time others


@pytest.mark.parametrize("usual", [10.0, 11.9, 12.0])
def test_a_lucky_one_is_no_measure_of_those_after_it(usual: float) -> None:
    """Who does as well or not as well as the champion that was not confirmed may solve it all the same."""
    judge = made(Luck())
    judge.note(judge.look(best(12.0, 9.9)))
    verdict = judge.look(best(usual, usual))
    assert verdict.whole
    judge.note(verdict)
    assert judge.solved
    assert judge.champion is not None
    assert judge.champion.theta.tolist() == pytest.approx([usual, usual])


def test_who_neither_does_better_nor_reaches_it_is_glanced_at() -> None:
    judge = made(Luck())
    judge.note(judge.look(best(9.0, 9.0)))
    assert not judge.look(best(8.9, 20.0)).whole


def test_who_has_solved_it_is_kept() -> None:
    judge = judged((20.0, 1.0), (11.0, 11.0))
    assert judge.champion is not None
    assert judge.champion.theta.tolist() == [11.0, 11.0]
    assert judge.choose([best(30.0, 30.0)]) == (None, 0)


def test_the_lucky_one_may_still_be_the_best() -> None:
    """Where nobody solves it, what did best in the usual episodes is kept, as before."""
    judge = judged((20.0, 1.0), (11.0, 9.0))
    assert not judge.solved
    assert judge.champion is not None
    assert judge.champion.theta.tolist() == [20.0, 1.0]


@pytest.mark.parametrize("options", [{"early_stop": False}, {"threshold": None}, {"threshold": 12.5}])
def test_nobody_asks_where_the_run_does_not_end_by_it(options: dict[str, Any]) -> None:
    luck = Luck()
    judge = made(luck, **options)
    verdict = judge.look(best(12.0, 12.0))
    assert verdict.confirmed is None
    judge.note(verdict)
    assert not luck.fresh
    assert not judge.solved


def test_a_resumed_judge_asks_others() -> None:
    luck = Luck()
    whole, part = made(luck), made(luck)
    for judge in (whole, part):
        verdict = judge.judge(best(12.0, 9.0))
        assert verdict is not None
        judge.note(verdict)
    resumed = made(luck)
    resumed.restore(part.state())
    for judge in (whole, resumed):
        judge.judge(best(13.0, 9.0))
    assert luck.fresh[0] == luck.fresh[1] != luck.fresh[2] == luck.fresh[3]


def test_looks_are_in_proportion_to_training(tmp_path: Any) -> None:
    """MountainCar's episodes all have 200 steps at first: a look takes 2,000, or with the others 22,000 more."""
    options = {"steps": 3_000, "interval": 50, "lanes": 1, "stretch": 50, "minibatches": 1, "epochs": 1}
    run = cartwheel.train(
        "MountainCar-v0", algorithm="ppo", name="x", runs=tmp_path, hooks=[], early_stop=False, **options
    )
    metrics = run.metrics
    looked, steps, taken = ~np.isnan(metrics["validation_return"]), metrics["steps"], metrics["validation_steps"]
    before = np.concatenate([[0], taken[:-1]])
    np.testing.assert_array_equal(looked, before <= MOST_LOOKED * steps)
    assert looked[0]
    assert not looked[1:10].any()
    assert looked[10:].any()


def test_that_a_policy_was_lucky_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    looks: list[Validation] = []

    class Listener(Hook):
        def note(self, text: str) -> None:
            notes.append(text)

    def denied(judge: Judge, validation: Validation) -> Validation:
        looks.append(validation)
        return replace(validation, confirmed=False)

    monkeypatch.setattr(Judge, "_confirmed", denied)
    options = {"generations": 4, "population": 8, "solved_at": 5.0}
    cartwheel.train("CartPole-v1", algorithm="genetic", name="x", runs=tmp_path, hooks=[Listener()], **options)
    assert len(looks) > 1
    assert notes == ["reached in the validation episodes, but not in as many fresh ones: the run goes on"]


def test_a_threshold_may_be_a_number_of_numpy() -> None:
    verdict = made(Luck(), threshold=np.float64(THRESHOLD)).judge(best(12.0, 9.0))
    assert verdict is not None
    assert verdict.confirmed is False
