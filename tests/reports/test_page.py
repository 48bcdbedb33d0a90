from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from PIL import Image

from cartwheel.envs.environment import Environment, find_environment
from cartwheel.errors import StorageError
from cartwheel.experience.play import play
from cartwheel.policies.policy import Policy, build_network
from cartwheel.policies.specification import MLP
from cartwheel.reports.page import Report, write_report
from cartwheel.reports.pictures import compare, pace, untrained
from cartwheel.seeds import Purpose, episode_seeds
from cartwheel.storage.metrics import MetricsWriter, write_result
from cartwheel.storage.policy_file import save
from cartwheel.storage.run import Run

CARTPOLE = find_environment("CartPole-v1")
VOID = {"area", "br", "hr", "img", "input", "link", "meta", "source"}


def balancing(environment: Environment = CARTPOLE) -> Policy:
    """Pushes CartPole's cart to where its pole leans and moves: 500 steps."""
    spaces = environment.observation_space, environment.action_space
    layout = build_network(MLP(hidden=()), *spaces).layout
    weights = np.array([[0, 0, 0, 0], [0.1, 0.2, 1, 1]], np.float32).T
    return Policy(MLP(hidden=()), *spaces, layout.pack({"W1": weights, "b1": np.zeros(2, np.float32)}))


def make_run(
    folder: Path,
    *,
    name: str = "first",
    environment: str = "CartPole-v1",
    generations: int = 3,
    policy: Policy | None = None,
    result: Mapping[str, Any] | None = None,
    returns: Any = (),
    **train: Any,
) -> Run:
    config = {
        "environment": environment,
        "algorithm": "genetic",
        "train": {"seed": 7, "steps": 20_000, "hidden": [16], "native": True, **train},
        "genetic": {"population": 64, "mutation_std": 0.3},
        "versions": {"python": "3.11.7"},
    }
    run = Run.create(folder / "runs", name, config)
    metrics = MetricsWriter(run.metrics_path)
    for k in range(1, generations + 1):
        metrics.add(
            {"generation": k, "steps": 1000 * k, "best": 100.0 * k, "return_best": 100.0 * k, "return_mean": 50.0 * k}
        )
    if result is not None:
        write_result(metrics, result, returns, np.asarray(returns, np.int64))
    metrics.close()
    if policy is not None:
        save(policy, run.policy_path)
    return run


SOLVED = {
    "stop": "solved", "path": "native", "generations": 3, "steps": 3000, "validation_steps": 50_000, "seconds": 75.4,
    "best": 300.0, "threshold": 475.0, "test_mean": 490.25, "test_std": 10.5, "test_low": 488.0, "test_high": 492.5,
    "test_length": 490.25, "test_episodes": 4,
}  # fmt: skip
RETURNS = [500.0, 500.0, 491.0, 470.0]


class Page(HTMLParser):
    """A page taken apart: every element closed in its turn, texts, and all that points somewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self) -> str:
        return "\n".join(words for tag, words in self.texts if tag != "style")

    def cell(self, label: str) -> str:
        """What stands beside this label in a table."""
        place = self.texts.index(("th", label))
        assert self.texts[place + 1][0] == "td"
        return self.texts[place + 1][1]


def written(run: Run, environment: Environment | None = CARTPOLE) -> tuple[Page, Report]:
    report = write_report(run, environment)
    return Page(report.page.read_text(encoding="utf-8")), report


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Report]:
    return written(make_run(tmp_path_factory.mktemp("solved"), policy=balancing(), result=SOLVED, returns=RETURNS))


def test_the_page_tells_the_result(solved: tuple[Page, Report]) -> None:
    page, _ = solved
    words = page.words()
    assert ("p", "Solved") in page.texts
    assert ("p", "490.25") in page.texts
    assert "mean return of 4 test episodes" in words
    assert "95 % interval of the mean 488 to 492.5" in words
    assert "single episodes 470 to 500" in words
    assert "solved means 475 or more" in words
    assert "3 of them returned 475" in words
    assert ("h1", "CartPole-v1") in page.texts
    assert ("title", "first: CartPole-v1, solved") in page.texts
    assert page.cell("environment steps") == "3,000"
    assert page.cell("environment steps of validation, counted apart") == "50,000"
    assert page.cell("time") == "1\N{NO-BREAK SPACE}min\N{NO-BREAK SPACE}15\N{NO-BREAK SPACE}s"


def test_the_page_shows_every_setting(solved: tuple[Page, Report]) -> None:
    page, _ = solved
    shown = {
        name: page.cell(name) for name in ("seed", "hidden", "native", "population", "mutation_std", "python", "steps")
    }
    assert shown == {
        "seed": "7", "hidden": "16", "native": "yes", "population": "64", "mutation_std": "0.3", "python": "3.11.7",
        "steps": "20,000",
    }  # fmt: skip


def test_the_page_holds_all_it_shows(solved: tuple[Page, Report]) -> None:
    page, report = solved
    text = report.page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//|@import|<script|<link", re.sub(r"base64,[\w+/=]+", "", text))
    for _, attributes in page.tags:
        for key in ("src", "srcset", "href"):
            value = attributes.get(key, "#")
            assert value.startswith(("data:image/webp;base64,", "#"))
        assert not any(key.startswith("on") for key in attributes)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {a["aria-labelledby"] for a in page.all("svg")} <= set(ids)
    assert page.all("html")[0]["lang"] == "en"


def picture(address: str) -> Image.Image:
    return Image.open(io.BytesIO(b64decode(address.removeprefix("data:image/webp;base64,"), validate=True)))


def duration(animation: Image.Image) -> Iterator[int]:
    """Milliseconds of each frame."""
    for k in range(animation.n_frames):  # type: ignore[attr-defined]
        animation.seek(k)
        animation.load()
        yield animation.info["duration"]


def test_the_animation_shows_both_policies(solved: tuple[Page, Report]) -> None:
    page, report = solved
    (image,) = page.all("img")
    with picture(image["src"]) as animation:
        # The start and each fourth of 500 steps, and a second's rest; the encoder joins frames that are alike.
        assert sum(duration(animation)) == 126 * 80 + 1000
        assert animation.n_frames > 50
        assert animation.size == (604, 236) == (int(image["width"]), int(image["height"]))
        assert animation.info["loop"] == 0
    assert report.animation is not None
    assert report.animation.name == "animation.webp"
    assert report.animation.read_bytes() == b64decode(image["src"].partition(",")[2])
    assert re.fullmatch(
        r"Two policies in CartPole-v1, from the same start\. Untrained: \d+ steps, return \d+\. "
        r"Trained: 500 steps, return 500\.",
        image["alt"],
    )
    assert "in real time" in page.words()


def test_whoever_wants_nothing_to_move_sees_a_still_picture(solved: tuple[Page, Report]) -> None:
    page, _ = solved
    (source,) = page.all("source")
    assert source["media"] == "(prefers-reduced-motion: reduce)"
    with picture(source["srcset"]) as still:
        assert (still.n_frames, still.size) == (1, (604, 236))


def test_every_drawing_is_there_for_a_desktop_and_for_a_phone(solved: tuple[Page, Report]) -> None:
    page, _ = solved
    assert [drawing["class"] for drawing in page.all("svg")] == ["wide", "narrow"] * 2
    assert [drawing["viewbox"].split()[2] for drawing in page.all("svg")] == ["720", "330"] * 2


def commands(page: Page) -> list[str]:
    return [words for tag, words in page.texts if tag == "code"]


def test_the_page_says_what_to_type(tmp_path: Path, solved: tuple[Page, Report]) -> None:
    assert commands(solved[0]) == [
        "cartwheel train --config runs/first/config.toml",
        "cartwheel evaluate runs/first --episodes 1000",
        "cartwheel render runs/first --to first.webp",
        "import cartwheel\n\n"
        "policy = cartwheel.load('runs/first/policy.safetensors')\naction, _ = policy.act(observation)",
    ]
    spent = {**SOLVED, "stop": "budget", "test_mean": 400.0}
    page, _ = written(make_run(tmp_path, policy=balancing(), result=spent, returns=RETURNS))
    assert commands(page)[1] == "cartwheel resume runs/first --steps 40000"


VERDICTS = [
    ({}, "Solved"),
    ({"test_mean": 470.0}, "Solved on validation episodes, but not on the test"),
    ({"stop": "budget", "test_mean": 470.0}, "Not solved within its budget"),
    ({"stop": "budget"}, "Threshold reached"),
]


@pytest.mark.parametrize(("change", "verdict"), VERDICTS)
def test_verdicts(tmp_path: Path, change: dict[str, Any], verdict: str) -> None:
    page, _ = written(make_run(tmp_path, result={**SOLVED, **change}, returns=RETURNS), None)
    assert ("p", verdict) in page.texts
    reached = {**SOLVED, **change}["test_mean"] >= 475
    assert [a["class"] for a in page.all("div") if "verdict" in a.get("class", "")] == ["verdict" + " solved" * reached]


def test_a_run_without_a_threshold(tmp_path: Path) -> None:
    result = {name: value for name, value in SOLVED.items() if name != "threshold"} | {"stop": "budget"}
    page, _ = written(make_run(tmp_path, environment="Mine-v0", result=result, returns=RETURNS), None)
    assert "states no threshold" in page.words()
    assert "solved" not in page.words().lower()


def test_equal_returns_need_no_drawing(tmp_path: Path) -> None:
    page, _ = written(make_run(tmp_path, result={**SOLVED, "test_mean": 500.0}, returns=[500.0] * 4), None)
    assert "return of each of 4 test episodes" in page.words()
    assert len(page.all("svg")) == 2


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    page, report = written(make_run(tmp_path, policy=balancing()))
    assert ("p", "Interrupted, not finished") in page.texts
    assert ("p", "300") in page.texts
    assert "best return in training so far, after 3 generations" in page.words()
    assert commands(page)[1] == "cartwheel resume runs/first"
    assert report.animation is not None


def test_a_run_before_its_first_generation(tmp_path: Path) -> None:
    run = make_run(tmp_path, generations=0)
    page, report = written(run)
    assert "no generation is finished yet" in page.words()
    assert "the run has no policy yet" in page.words()
    assert report.animation is None
    assert [line.split()[1] for line in commands(page)] == ["train", "resume"]
    run.metrics_path.unlink()
    assert "no generation is finished yet" in written(run)[0].words()


def test_while_a_run_is_trained(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with run.lock():
        assert ("p", "Still training") in written(run, None)[0].texts


def test_a_class_of_the_users(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, environment="robots.arm:Arm", policy=balancing(), result={**SOLVED, "stop": "budget"}, returns=RETURNS
    )
    (run.folder / "animation.webp").write_bytes(b"of an earlier policy")
    page, report = written(run, None)
    assert "robots.arm:Arm can't be made here" in page.words()
    assert report.animation is None
    assert not (run.folder / "animation.webp").exists()
    assert page.all("img") == []
    assert commands(page)[:3] == [
        "cartwheel.train(Arm, config='runs/first/config.toml')",
        "cartwheel.resume('runs/first', environment=Arm, steps=40000)",
        "cartwheel.evaluate('runs/first', environment=Arm, episodes=1000)",
    ]


def test_a_function_without_a_name_of_its_own_is_yours(tmp_path: Path) -> None:
    page, _ = written(make_run(tmp_path, environment="lab:<lambda>", result=SOLVED, returns=RETURNS), None)
    assert commands(page) == ["cartwheel.train(YourEnvironment, config='runs/first/config.toml')"]


class Dark(gymnasium.Env[Any, Any]):
    """CartPole's spaces and nothing to see; it breaks in its third step if it is told to."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (4,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, breaks: bool = False) -> None:
        self.breaks = breaks

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.steps = 0
        return np.zeros(4, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.breaks and self.steps == 3:
            raise RuntimeError("<b>out of oil</b>")
        return np.zeros(4, np.float32), 1.0, self.steps == 5, False, {}


@pytest.mark.parametrize(("breaks", "words"), [(False, "render_mode"), (True, "RuntimeError: <b>out of oil</b>")])
def test_an_environment_that_cannot_be_seen_is_told_of_in_words(tmp_path: Path, breaks: bool, words: str) -> None:
    environment = find_environment(Dark, {"breaks": breaks})
    run = make_run(
        tmp_path, environment=environment.name, policy=balancing(environment), result=SOLVED, returns=RETURNS
    )
    page, report = written(run, environment)
    assert "There is no picture of the policy at work" in page.words()
    assert words in page.words()
    assert report.animation is None


NASTY = '<script>alert("1")</script><img src=x onerror=alert(2)>&amp;"\''


def test_whatever_comes_in_is_text(tmp_path: Path) -> None:
    result = {**SOLVED, "stop": NASTY, "path": NASTY}
    run = make_run(
        tmp_path,
        environment=NASTY,
        result=result,
        returns=RETURNS,
        env_args={"key" + NASTY: NASTY, "list": [NASTY]},
        note=NASTY,
    )
    page, _ = written(run, None)
    assert not page.all("script")
    assert not page.all("img")
    assert ("h1", NASTY) in page.texts
    assert page.cell("note") == NASTY
    assert page.cell("env_args") == f"key{NASTY}={NASTY}, list={NASTY}"
    assert page.cell("why it ended") == NASTY
    assert all(
        title.endswith(f"in {NASTY}") for tag, title in page.texts if tag == "title" and "test episodes" in title
    )


def test_many_generations_and_returns_that_are_no_numbers(tmp_path: Path) -> None:
    run = make_run(tmp_path, generations=0)
    metrics = MetricsWriter(run.metrics_path)
    for k in range(1, 902):
        metrics.add(
            {
                "generation": k,
                "steps": k,
                "best": k,
                "return_best": np.inf,
                "return_mean": np.nan if k % 2 else -1.0 * k,
            }
        )
    metrics.close()
    page, report = written(run, None)
    assert "A point is 4 generations, the mean of their means" in page.words()
    assert report.page.stat().st_size < 60_000


def test_a_page_replaces_the_former_one_whole(tmp_path: Path) -> None:
    run = make_run(tmp_path, result=SOLVED, returns=RETURNS)
    first, second = written(run, None)[1], written(run, None)[1]
    assert first == second == Report(run.folder / "report.html", None)
    assert not list(run.folder.glob("*.tmp"))


def test_a_damaged_policy_is_an_error(tmp_path: Path) -> None:
    run = make_run(tmp_path, policy=balancing(), result=SOLVED, returns=RETURNS)
    (run.policy_path).write_bytes(b"not this")
    with pytest.raises(StorageError):
        write_report(run, CARTPOLE)


@pytest.mark.parametrize(
    ("steps_per_second", "length", "expected"),
    [
        (50.0, 500, (500, 4, 1.0, 12.5)),
        (50.0, 10, (150, 4, 1.0, 12.5)),  # three seconds, if the other one lasts so long
        (30.0, 450, (450, 4, 1.5, 11.25)),
        (50.0, 10_000, (2000, 16, 4.0, 12.5)),
        (4.0, 20, (20, 1, 1.0, 4.0)),
    ],
)
def test_the_pace_of_an_animation(steps_per_second: float, length: int, expected: tuple[float, ...]) -> None:
    shown = pace(steps_per_second, length)
    assert (shown.limit, shown.every, shown.speed, shown.fps) == expected


def test_the_untrained_policy_follows_from_the_seed() -> None:
    policy = balancing()
    one, same, other = (untrained(policy, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.theta, same.theta)
    assert not np.array_equal(one.theta, other.theta)
    assert one.specification == policy.specification


def test_pictures_are_of_the_episode_of_the_seed() -> None:
    policy = untrained(balancing(), 3)
    seed = int(episode_seeds(5, Purpose.DISPLAY, count=1)[0])
    lengths = [play(CARTPOLE, one, seed).length for one in (untrained(policy, 5), policy)]
    pictures = compare(CARTPOLE, policy, 5)
    assert re.findall(r"(\d+) steps", pictures.words) == [str(length) for length in lengths]
