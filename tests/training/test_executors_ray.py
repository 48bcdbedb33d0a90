"""The Ray executor, where Ray is installed: `make test-ray`. The clusters are on this machine, and want a token."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from executor_runs import GENERATIONS, EachGeneration, digest, doomed_cartpole

from cartwheel.errors import CartwheelError, EnvironmentFault, UsageError

TOKEN = "0123456789abcdef" * 4
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}  # else Ray makes one in the user's home

ray = pytest.importorskip("ray")

from cartwheel.training.executors import ray as ray_module  # noqa: E402
from cartwheel.training.executors.ray import Ray  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray's own pipes and sockets
]


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from cartwheel.reports import page

    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


@pytest.fixture(scope="module")
def executor() -> Iterator[Ray]:
    made = Ray(2, patience=8.0)
    yield made
    made.close()
    assert not ray.is_initialized()


def once(marker: Path) -> bool:
    try:
        marker.unlink()
    except FileNotFoundError:
        return False
    return True


def warm(executor: Ray) -> Ray:
    """The same with all its actors there."""
    while not executor.members or not all(member.joined for member in executor.members):
        executor.map(lambda x: time.sleep(0.05), [0])
    return executor


# --- maps -------------------------------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_items(executor: Ray) -> None:
    def slow_square(x: int) -> tuple[int, int]:
        time.sleep(0.2 if x == 0 else 0.05)
        return x * x, os.getpid()

    results = warm(executor).map(slow_square, range(9))
    assert [square for square, _ in results] == [x * x for x in range(9)]
    assert len({pid for _, pid in results}) == 2
    assert executor.map(slow_square, []) == []


def test_faults_arrive_whole_and_others_with_their_line(executor: Ray) -> None:
    def fault(x: int) -> int:
        raise EnvironmentFault("mine", x, 22, "reward", "bad")

    def fail(x: int) -> int:
        raise KeyError("some words")

    with pytest.raises(EnvironmentFault) as caught:
        executor.map(fault, [11, 12, 13])
    assert (caught.value.seed, caught.value.step, caught.value.field) == (11, 22, "reward")
    line = fail.__code__.co_firstlineno + 1
    with pytest.raises(CartwheelError, match="KeyError: 'some words'") as words:
        executor.map(fail, [1])
    assert str(words.value).endswith(f"(test_executors_ray.py, line {line})")
    assert f"line {line}, in fail" in words.value.__notes__[0]


def test_actors_that_die_and_hang_are_replaced(executor: Ray, tmp_path: Path) -> None:
    for name in ("die", "hang"):
        (tmp_path / name).touch()

    def square(x: int) -> int:
        if x == 2 and once(tmp_path / "die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if x == 5 and once(tmp_path / "hang"):
            time.sleep(1000)
        return x * x

    start = time.monotonic()
    assert executor.map(square, range(8)) == [x * x for x in range(8)]
    assert 6.0 < time.monotonic() - start < 60
    assert not list(tmp_path.iterdir())


def test_slow_is_not_hanging(executor: Ray) -> None:
    class Slow:
        progress = 0

        def __call__(self, item: int) -> int:
            for _ in range(120):
                time.sleep(0.1)
                self.progress += 1
            return os.getpid()

    members = list(warm(executor).members)
    executor.map(Slow(), [0])
    assert executor.members == members


def test_an_item_that_kills_its_actors_is_named(executor: Ray) -> None:
    def fatal(x: str) -> None:
        if x == "the culprit":
            os._exit(77)

    with pytest.raises(CartwheelError, match=r"3 workers.*item 2 of 3 \(the culprit\): the last one died \(.*died"):
        executor.map(fatal, ["one", "the culprit", "three"])
    assert executor.map(str, [1, 2]) == ["1", "2"]


def test_idle_actors_killed_all_at_once(executor: Ray) -> None:
    pids = set(warm(executor).map(lambda x: (time.sleep(0.5), os.getpid())[1], range(2)))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert pids.isdisjoint(executor.map(lambda x: os.getpid(), range(6)))


def test_what_actors_hold_open_is_closed(executor: Ray, tmp_path: Path) -> None:
    class Holder:
        def __call__(self, item: int) -> None:
            (tmp_path / f"open-{os.getpid()}").touch()
            time.sleep(0.3)

        def close(self) -> None:
            (tmp_path / f"closed-{os.getpid()}").touch()

    warm(executor).map(Holder(), range(4))
    executor.dismiss()
    assert sorted(path.name.partition("-")[0] for path in tmp_path.iterdir()) == ["closed", "closed", "open", "open"]


def test_other_versions_are_refused(executor: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    executor.dismiss()
    ours = ray_module._versions()
    monkeypatch.setattr(ray_module, "_versions", lambda: ours | {"numpy": "1.0"})
    with pytest.raises(UsageError, match=r"numpy is \S+ on the Ray cluster's \S+ and 1\.0 here"):
        executor.map(str, [1])


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a run in peace, by the caller alone."""
    return digest(tmp_path_factory.mktemp("whole"), "whole", doomed_cartpole(None), generations=GENERATIONS)


@pytest.mark.parametrize("native", [True, False], ids=["native", "general"])
def test_one_digest_for_all(tmp_path: Path, executor: Ray, native: bool) -> None:
    executor.close()  # each run starts a cluster of its own
    options: dict[str, Any] = {"generations": 3, "native": native}
    digests = [digest(tmp_path, "serial", **options)]
    for workers in (1, 3):
        digests.append(digest(tmp_path, f"ray-{workers}", executor="ray", workers=workers, **options))
        assert not ray.is_initialized()
    assert len(set(digests)) == 1


@pytest.mark.parametrize("options", [{"memory": "lstm"}, {"normalise": True}, {"encoding": "seeds"}], ids=str)
def test_one_digest_with_a_memory_with_normalisation_and_with_seeds(
    tmp_path: Path, executor: Ray, options: dict[str, Any]
) -> None:
    executor.close()
    alone = digest(tmp_path, "alone", generations=3, **options)
    assert digest(tmp_path, "ray", generations=3, executor="ray", workers=3, native=False, **options) == alone


def test_an_actor_killed_at_its_work_in_each_of_20_generations(tmp_path: Path, executor: Ray, whole: str) -> None:
    executor.close()
    marker, dooms = tmp_path / "doom", []

    def doom(generation: int) -> None:
        assert not marker.exists()  # the last one was obeyed
        dooms.append(generation)
        marker.touch()

    options = {"generations": GENERATIONS, "executor": "ray", "workers": 3}
    assert digest(tmp_path, "killed", doomed_cartpole(marker), [EachGeneration(doom)], **options) == whole
    assert len(dooms) == GENERATIONS + 1
    assert not marker.exists()


def test_a_second_node_killed_and_another_come(tmp_path: Path, executor: Ray, whole: str) -> None:
    from ray.cluster_utils import Cluster

    executor.close()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=2)]
    events = []

    def act(generation: int) -> None:
        if generation == 5:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            events.append("killed")
        if generation == 12:
            nodes.append(cluster.add_node(num_cpus=2))
            events.append("come")

    try:
        options = {"generations": GENERATIONS, "executor": "ray", "workers": 3, "address": cluster.address}
        assert digest(tmp_path, "node", doomed_cartpole(None), [EachGeneration(act)], **options) == whole
        assert events == ["killed", "come"]
    finally:
        cluster.shutdown()


# --- the command line -------------------------------------------------------------------------------------------------

TRAIN = ["train", "CartPole-v1", "--algorithm", "genetic", "--executor", "ray", "--no-early-stop"]


def finished(process: subprocess.Popen[str], seconds: float = 90) -> tuple[str, str]:
    """What a command says up to its end; it is killed if it finds none."""
    try:
        return process.communicate(timeout=seconds)
    finally:
        process.kill()


def command(*words: str, **variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")} | variables
    return subprocess.Popen(
        [sys.executable, "-m", "cartwheel", *TRAIN, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster started as docs/scaling.md says."""
    program = str(Path(sys.executable).with_name("ray"))
    words = ["start", "--head", "--port=26379", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    assert "Ray runtime started" in done.stdout + done.stderr
    yield "127.0.0.1:26379"
    subprocess.run([program, "stop", "--force"], capture_output=True, check=True)


def test_a_cluster_joined_with_its_token(tmp_path: Path, address: str, executor: Ray) -> None:
    executor.close()
    process = command(
        "--address", address, "--workers", "2", "--generations", "2", "--runs", str(tmp_path), "--json",
        RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN,
    )  # fmt: skip
    out, err = finished(process)
    assert (process.returncode, err) == (0, "")
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["start", "row", "row", "end"]


@pytest.mark.parametrize(
    "variables",
    [
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64},
        {"RAY_AUTH_MODE": "token", "HOME": os.devnull},
        {"RAY_AUTH_MODE": "disabled"},
    ],
    ids=["wrong", "missing", "disabled"],
)
def test_without_the_token_there_is_one_line(tmp_path: Path, address: str, variables: dict[str, str]) -> None:
    process = command("--address", address, "--runs", str(tmp_path / "runs"), **variables)
    out, err = finished(process)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"cartwheel: error: --address {address}: the Ray cluster's token is missing or wrong")
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_where_no_cluster_is_there_is_one_line(tmp_path: Path) -> None:
    process = command("--address", "127.0.0.1:1", "--runs", str(tmp_path / "runs"), RAY_AUTH_MODE="disabled")
    out, err = finished(process)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("cartwheel: error: --address 127.0.0.1:1: can't join the Ray cluster: ")
    assert err.count("\n") == 1


def test_ctrl_c_and_silence_though_an_actor_dies(tmp_path: Path, executor: Ray) -> None:
    """JSON lines and nothing else on the standard output, one line on the other, and no process left."""
    executor.close()
    process = command(
        "--workers", "2", "--no-native", "--json", "--steps", "100000000", "--runs", str(tmp_path), "--name", "r",
        RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    victim = max(_processes("ray::_Servant"))
    os.kill(victim, signal.SIGKILL)
    lines += [process.stdout.readline() for _ in range(3)]
    os.killpg(process.pid, signal.SIGINT)
    out, err = finished(process, 30)
    assert {json.loads(line)["event"] for line in [*lines, *out.splitlines()]} <= {"start", "row"}
    assert process.returncode == 130
    assert err.startswith("cartwheel: interrupted; go on with: cartwheel resume ")
    assert err.count("\n") == 1
    deadline = time.monotonic() + 15
    while _processes("ray::_Servant") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _processes("ray::_Servant")


def _processes(title: str) -> list[int]:
    """The processes of this machine with a title in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if title in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
