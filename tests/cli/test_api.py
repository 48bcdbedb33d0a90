"""The functions of Python: what is of the wrong type is a line that says what was expected and what came."""

from __future__ import annotations

import numpy as np
import pytest

import cartwheel as package
from cartwheel.errors import UsageError
from cartwheel.training.hooks import Hook

SMALL = {"algorithm": "genetic", "generations": 1, "population": 8, "episodes": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder `runs` with a short run named `first`."""
    runs = tmp_path_factory.mktemp("api") / "runs"
    package.train("CartPole-v1", name="first", runs=runs, hooks=[], **SMALL)
    return runs


@pytest.mark.parametrize(
    ("function", "arguments", "error"),
    [
        ("train", {"name": 3}, "--name: expected a text, got 3"),
        ("train", {"algorithm": 3}, "--algorithm: expected a text, got 3"),
        ("train", {"preset": ["tutorial"]}, "--preset: expected a text, got ['tutorial']"),
        ("train", {"config": 3}, "--config: expected a path, got 3"),
        ("train", {"runs": None}, "--runs: expected a path, got None"),
        ("train", {"hooks": 3}, "hooks: expected a Hook, got 3"),
        ("train", {"hooks": ["x"]}, "hooks: expected a Hook, got 'x'"),
        ("train", {"workers": 1.5}, "--workers: expected a whole number, got 1.5"),
        ("train", {"seed": "a"}, "--seed: expected a whole number, got 'a'"),
        ("train", {"seconds": 10**400}, "--seconds: expected a number, got 1000"),
        ("train", {"env_args": 3}, "--env-args: expected a table, got 3"),
        ("train", {"hidden": np.ones((2, 2))}, "--hidden: expected a whole number, got array([[1., 1.], [1., 1.]])"),
        ("resume", {"runs": 3}, "--runs: expected a path, got 3"),
        ("resume", {"generations": "5"}, "--generations: expected a whole number, got '5'"),
        ("evaluate", {"seed": -1}, "--seed: expected at least 0, got -1"),
        ("evaluate", {"seed": "a"}, "--seed: expected a whole number, got 'a'"),
        ("evaluate", {"episodes": "5"}, "--episodes: expected a whole number, got '5'"),
        ("evaluate", {"episodes": 1.5}, "--episodes: expected a whole number, got 1.5"),
        ("evaluate", {"episodes": 0}, "--episodes: expected at least 1, got 0"),
        ("evaluate", {"episodes": None}, "--episodes: expected a whole number, got None"),
        ("evaluate", {"sample": 1}, "--sample: expected true or false, got 1"),
        ("evaluate", {"environment": 3}, "expected a Gymnasium id, or a class or factory of environments, got an"),
        ("render", {"seed": None}, "--seed: expected a whole number, got None"),
        ("render", {"to": 3}, "--to: expected a path, got 3"),
        ("render", {"watch": "yes"}, "--watch: expected true or false, got 'yes'"),
        ("report", {"runs": 3}, "--runs: expected a path, got 3"),
    ],
)
def test_wrong_types(folder, function, arguments, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    what = "CartPole-v1" if function == "train" else "first"
    with pytest.raises(UsageError) as caught:
        getattr(package, function)(what, **{"runs": folder, **arguments})
    assert str(caught.value).startswith(error)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert [path.name for path in folder.iterdir()] == ["first"]


@pytest.mark.parametrize("function", ["resume", "evaluate", "render", "report"])
@pytest.mark.parametrize("what", [3, None, b"first"])
def test_what_is_no_run(folder, function, what):
    with pytest.raises(UsageError, match="expected the name or the folder of a run, got "):
        getattr(package, function)(what, runs=folder)


def test_right_types_in_other_clothes(folder):
    """A path as a text, a whole number of NumPy's, and a hook by itself."""
    rows = []

    class Log(Hook):
        def row(self, row):
            rows.append(row)

    package.train("CartPole-v1", name="again", runs=str(folder.parent / "other"), hooks=Log(), **SMALL)
    assert [row["generation"] for row in rows] == [1]
    assert package.evaluate("first", runs=str(folder), episodes=np.int64(3), seed=np.int64(2)).episodes == 3
    assert [run.name for run in package.Run.list(str(folder))] == ["first"]
    assert package.Run.open("first", str(folder)).name == "first"


def test_evaluation_with_a_seed(folder):
    """The same seed is the same episodes, another seed others, and none the test episodes."""

    def returns(**options):
        return package.evaluate("first", runs=folder, episodes=20, **options).returns.tolist()

    assert returns(seed=1) == returns(seed=1) != returns(seed=2)
    run = package.Run.open("first", folder)
    assert returns() == run.test_episodes[0][:20].tolist()
    assert returns() not in (returns(seed=0), returns(seed=1))
    assert returns(seed=1, sample=True) == returns(seed=1, sample=True) != returns(seed=2, sample=True)
