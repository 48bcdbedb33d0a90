"""The page of a run that learnt from single steps: by steps, with the final policy, and with what a table holds."""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_page import Page, written

import cartwheel
from cartwheel.envs.environment import find_environment
from cartwheel.envs.gridworld import GridMap
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import MLP, Table
from cartwheel.reports.grid import draw_action_values, draw_values
from cartwheel.reports.tables import grid_drawings
from cartwheel.storage.metrics import MetricsWriter, write_result
from cartwheel.storage.run import Run

ROWS = "..G/S#B"
WORLD = find_environment("cartwheel/GridWorld-v0", {"rows": ROWS})
Q = np.array(
    [
        [0.1, 0.2, 0.3, 0.9],  # to the right
        [0.0, 0.0, 0.0, 1.0],  # to the right
        [0.0, 0.0, 0.0, 0.0],
        [0.8, 0.8, 0.0, 0.1],  # up, the first of two
        [0.0, 0.0, 0.0, 0.0],
        [-0.5, -1.0, -0.6, -0.9],  # up
    ],
    np.float32,
)
WAYS = [3, 3, 0, 0, 0, 0]


def of_table(q: Any = Q) -> Policy:
    return Policy(Table(), WORLD.observation_space, WORLD.action_space, np.asarray(q, np.float32).ravel())


def pixels(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_table_s_drawings_are_those_of_its_values_and_of_its_greedy_policy(tmp_path: Path) -> None:
    grid = GridMap.of(ROWS)
    values = draw_values(grid, Q.max(axis=1), tmp_path / "v.png", policy=np.eye(4)[WAYS])
    directions = draw_action_values(grid, Q, tmp_path / "q.png")
    found = grid_drawings(of_table(), WORLD)
    assert len(found) == 2
    for drawing, file in zip(found, (values, directions), strict=True):
        expected = pixels(file.read_bytes())
        np.testing.assert_array_equal(pixels(drawing.picture), expected)
        assert drawing.size == expected.shape[1::-1]


def test_what_is_no_table_on_a_grid_is_not_drawn() -> None:
    lake = find_environment("FrozenLake-v1")
    assert grid_drawings(None, WORLD) == []
    assert grid_drawings(of_table(), None) == []
    table = Policy(Table(), lake.observation_space, lake.action_space, np.zeros(64, np.float32))
    assert grid_drawings(table, lake) == []
    network = MLP(hidden=()).build(6, 4)
    layers = Policy(MLP(hidden=()), WORLD.observation_space, WORLD.action_space, np.zeros(network.size, np.float32))
    assert grid_drawings(layers, WORLD) == []


RESULT = {
    "stop": "budget", "path": "native", "generations": 1250, "steps": 20_000, "validation_steps": 93_993,
    "seconds": 2.2, "best": 154.3, "final_mean": 240.41, "test_mean": 380.35, "test_std": 96.4, "test_low": 361.2,
    "test_high": 399.5, "test_length": 380.35, "test_episodes": 2,
}  # fmt: skip


def learner(folder: Path, result: dict[str, Any] | None = None, rows: int = 3) -> Run:
    """A run of three rows: the middle one of a time in which no episode ended."""
    config = {"environment": "CartPole-v1", "algorithm": "dqn", "train": {"seed": 0}, "dqn": {"stretch": 16}}
    run = Run.create(folder / "runs", "first", config)
    metrics = MetricsWriter(run.metrics_path)
    for generation, mean, validation in ((313, 21.9, 31.97), (625, np.nan, 192.44), (938, 250.0, 120.5))[:rows]:
        figures = {"best": 20.0, "return_mean": mean, "return_best": mean, "validation_return": validation}
        metrics.add({"generation": generation, "steps": 16 * generation, **figures})
    if result is not None:
        write_result(metrics, result, [361.2, 399.5], np.array([361, 399]))
    metrics.close()
    return run


def test_a_run_that_goes_on_tells_of_steps_and_of_validation(tmp_path: Path) -> None:
    page, _ = written(learner(tmp_path))
    words = page.words()
    assert ("p", "192.44") in page.texts
    assert "best return on validation so far, after 15,008 environment steps" in words
    assert "those episodes choose the policy" in words
    assert "training episodes, which explore" in words
    assert "the greedy policy on validation episodes" in words
    assert "A point is a row of the metrics." in words
    assert "generation" not in words
    svgs = [text for tag, text in page.texts if tag == "title"]
    assert any(text.startswith("Mean return of training episodes and of the greedy policy") for text in svgs)


def test_a_run_before_its_first_row(tmp_path: Path) -> None:
    words = written(learner(tmp_path, rows=0))[0].words()
    assert "there is no row of metrics yet" in words
    assert "generation" not in words


def test_both_policies_have_their_figure(tmp_path: Path) -> None:
    page, _ = written(learner(tmp_path, RESULT))
    assert "kept as the best on validation episodes; the final policy: 240.41" in page.words()
    assert page.cell("mean return of the final policy in these") == "240.41"
    assert page.cell("stretches of steps") == "1,250"
    assert page.cell("best mean return of 100 training episodes") == "154.3"
    same = learner(tmp_path / "same", {**RESULT, "final_mean": 380.35})
    assert "kept as" not in written(same)[0].words()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("table")
    run = cartwheel.train(
        "cartwheel/GridWorld-v0", algorithm="q-learning", interval=500, steps=4000, name="q", runs=folder, hooks=[]
    )
    return Page(run.report_path.read_text(encoding="utf-8"))


def test_the_page_of_a_table_on_a_grid_shows_what_it_learnt(trained: Page) -> None:
    assert "12x4 table, 48 parameters" in trained.words()
    shown = [image for image in trained.all("img") if "worth" in image["alt"]]
    assert [image["alt"].split(",")[0].split(";")[0] for image in shown] == [
        "What each cell is worth",
        "What each direction is worth",
    ]
    for image in shown:
        data = b64decode(image["src"].removeprefix("data:image/webp;base64,"))
        height, width, _ = pixels(data).shape
        assert (image["width"], image["height"]) == (str(width), str(height))
        assert width > height
    assert trained.words().index("Values") < trained.words().index("Learning")
