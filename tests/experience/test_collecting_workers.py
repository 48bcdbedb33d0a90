"""Collectors whose environments are kept by workers: the same to the bit for any number, whoever is lost on the way."""

from __future__ import annotations

import copy
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import cartwheel
from cartwheel.envs.environment import find_environment
from cartwheel.errors import CartwheelError, EnvironmentFault, UsageError
from cartwheel.experience.collectors import Collector, Here, Hire, Station, make_collector
from cartwheel.experience.collectors.native import NativeCollector
from cartwheel.experience.records import Request, Stretch
from cartwheel.experience.rollouts import make_rollout
from cartwheel.experience.stations import Order, Step
from cartwheel.policies.specification import MLP, Recurrent, Specification
from cartwheel.reports import page
from cartwheel.training.executors import make_crew

LANES, LIMIT = 5, 20


def crew(workers: int, patience: float = 300.0) -> Hire:
    """Stations in so many worker processes; here for none of them."""
    return lambda station: make_crew(station, workers, "processes" if workers else "auto", patience) or Here(station)


class Copies:
    """Stations in this process, each a copy; `loses` says at which exchanges (1, 2, ...) which of them are lost."""

    def __init__(self, station: Station, size: int, loses: Callable[[int, int], bool] = lambda n, k: False) -> None:
        self.size, self._new, self._loses = size, station, loses
        self._stations = [copy.deepcopy(station) for _ in range(size)]
        self.orders: list[Mapping[int, Order]] = []

    def exchange(self, orders: Mapping[int, Order]) -> tuple[dict[int, Any], dict[int, str]]:
        self.orders.append(orders)
        answers, lost = {}, {}
        for number, order in orders.items():
            answer = self._stations[number](order)  # it has done it, or half of it, when it is lost
            if self._loses(len(self.orders), number):
                lost[number] = "fell over"
                self._stations[number] = copy.deepcopy(self._new)
            else:
                answers[number] = answer
        return answers, lost

    def close(self) -> None:
        for station in self._stations:
            station.close()


def collector(
    hire: Hire, environment: Any = "CartPole-v1", network: Specification | None = None, lanes: int = LANES
) -> Collector:
    found = find_environment(environment, max_episode_steps=LIMIT)
    rollout, _ = make_rollout(found, network or Recurrent("gru", (6,)), native=False)
    return make_collector(rollout, 3, lanes, hire)


@contextmanager
def closing(made: Collector) -> Iterator[Collector]:
    try:
        yield made
    finally:
        made.close()


def requests(made: Collector) -> list[Request]:
    """By noise, by epsilon and to the end, so that lanes go on from each to the next, and rest."""
    draws, size = np.random.default_rng(5), made.actor.head.size
    theta = made.network.initial(draws, 1, 0.5)
    stretches = [
        Stretch(lanes=made.count, noise=draws.uniform(size=(17, made.count, size)), memory=True),
        Stretch(lanes=made.count, epsilon=np.linspace(0.5, 0.0, 25), memory=True),
        Stretch(lanes=made.count, epsilon=np.full(12, 0.3), to_end=True),
        Stretch(lanes=made.count, noise=draws.uniform(size=(9, made.count, size))),
    ]
    return [Request(parameters=theta, stretch=stretch, moments=True) for stretch in stretches]


def told(value: Any) -> bytes:
    """An array, or all that a record or a state holds, as bytes."""
    if value is None:
        return b""
    if isinstance(value, np.ndarray):
        return f"{value.shape}{value.dtype}".encode() + value.tobytes()
    parts = value if isinstance(value, Mapping) else vars(value)
    return b"".join(name.encode() + told(part) for name, part in sorted(parts.items()))


def digest(made: Collector, request: Request) -> str:
    """Of what comes of a request, and of the state after it."""
    experience = made(request)
    made.keep()
    return hashlib.sha256(told(experience) + told(made.state())).hexdigest()


def digests(made: Collector) -> list[str]:
    return [digest(made, request) for request in requests(made)]


@pytest.fixture(scope="module")
def expected() -> list[str]:
    with closing(collector(Here)) as made:
        return digests(made)


# --- one result -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_processes_gives_the_same(workers: int, expected: list[str]) -> None:
    with closing(collector(crew(workers))) as made:
        assert digests(made) == expected
        assert len(active_children()) == workers
    assert active_children() == []


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
def test_any_number_of_stations_gives_the_same(size: int, expected: list[str]) -> None:
    assert digests(collector(lambda station: Copies(station, size))) == expected


@pytest.mark.parametrize("name", ["Pendulum-v1", "cartwheel/RepeatPrevious-v0"])
def test_continuous_actions_and_whole_numbers_travel(name: str) -> None:
    one, other = (collector(hire, name, MLP((8,))) for hire in (Here, lambda station: Copies(station, 2)))
    asked = Request(
        parameters=one.network.initial(np.random.default_rng(1), 1, 0.5),
        stretch=Stretch(lanes=LANES, epsilon=np.full(45, 0.5)),
    )
    assert told(one(asked)) == told(other(asked))


def test_a_time_step_is_one_exchange() -> None:
    """Resets included: of episodes that end within a stretch, and not of those that end it."""
    stations: list[Copies] = []

    def hire(station: Station) -> Copies:
        stations.append(Copies(station, 2))
        return stations[0]

    made = collector(hire)
    first, second, third, _ = requests(made)
    found = made(first).transitions
    assert found is not None
    assert found.boundary.any(), "no episode ended, and this shows too little"
    kinds = [type(order) for orders in stations[0].orders for order in orders.values()]
    assert kinds == [list, list] + [Step] * 2 * 17  # the first episodes, and the steps
    made(second)
    assert len(stations[0].orders) == 1 + 17 + 25
    made(third)
    assert len(stations[0].orders) <= 1 + 17 + 25 + 12  # no order for lanes that rest
    last = [order for orders in stations[0].orders[43:] for order in orders.values()]
    assert all(isinstance(order, Step) and order.coming == [] for order in last)


def test_who_goes_on_from_a_state_may_have_other_workers(expected: list[str]) -> None:
    sizes = iter([2, 1, 5, 3])
    made, found = collector(lambda station: Copies(station, 3)), []
    for request in requests(made):
        resumed = collector(lambda station: Copies(station, next(sizes)))
        resumed.restore(made.state())
        found.append(digest(resumed, request))
        made = resumed
    assert found == expected


# --- losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 2, 3, 9, 18, 19, 30, 43, 44, 47, 50, 55])
@pytest.mark.parametrize("who", [(0,), (1,), (0, 1, 2)], ids=str)
def test_a_lost_station_makes_no_difference(at: int, who: tuple[int, ...], expected: list[str]) -> None:
    """At the first order, within a stretch, at its beginning, while other lanes rest."""
    assert digests(collector(lambda station: Copies(station, 3, lambda n, k: n == at and k in who))) == expected


def test_many_losses_make_none_either(expected: list[str]) -> None:
    """Also while episodes are played again: of both stations, and of the one that takes a lost one's place."""
    made = collector(lambda station: Copies(station, 2, lambda n, k: n % 7 in (1, 2)))
    assert digests(made) == expected


def losing(at: int) -> Hire:
    return lambda station: Copies(station, 2, lambda n, k: n == at)


def test_a_station_that_is_lost_while_a_state_is_restored(expected: list[str]) -> None:
    for at in range(1, LANES + 1):
        made = collector(Here)
        first, second, *_ = requests(made)
        made(first)
        made.keep()
        resumed = collector(losing(at))
        resumed.restore(made.state())
        assert told(resumed(second)) == told(made(second))


def test_three_in_a_row_are_an_error() -> None:
    made = collector(lambda station: Copies(station, 2, lambda n, k: k == 1 and n in (6, 8, 10)))
    first = requests(made)[0]
    with pytest.raises(CartwheelError) as caught:
        made(first)
    seeds = [made.episode(lane, 0) for lane in (2, 3, 4)]
    where = ", ".join(f"{seed} after step 4" for seed in seeds)
    assert str(caught.value) == (
        f"3 workers in a row were lost with lanes 3 to 5 (episode seeds {where}): the last one fell over; "
        "its environment may crash or block, or memory run out"
    )


def test_two_in_a_row_are_none(expected: list[str]) -> None:
    assert digests(collector(lambda station: Copies(station, 2, lambda n, k: k == 1 and n in (6, 7)))) == expected


class Forgetful(gymnasium.Env[Any, Any]):
    """Shows the number of its steps, and how many resets it has had: a new one shows another number."""

    observation_space = gymnasium.spaces.Box(-10.0, 1000.0, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self) -> None:
        self.steps = self.resets = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.steps, self.resets = 0, self.resets + 1
        return np.array([0, self.resets], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return np.array([self.steps, self.resets], np.float32), 1.0, self.steps == 10, False, {}


def test_an_environment_that_does_not_repeat_itself_is_said() -> None:
    made = collector(lambda station: Copies(station, 2, lambda n, k: n == 14), Forgetful, MLP((4,)))
    theta = np.zeros((1, made.network.size), np.float32)
    with pytest.raises(CartwheelError, match=r"Forgetful does not repeat itself: after 2 steps of the episode \d+, pl"):
        made(Request(parameters=theta, stretch=Stretch(lanes=LANES, epsilon=np.zeros(20))))


# --- processes --------------------------------------------------------------------------------------------------------


def doomed(marker: Path, deed: Callable[[], object]) -> Any:
    """A class, known to nobody by name: the first of its environments to find the marker does a deed in its step."""
    from gymnasium.envs.classic_control import CartPoleEnv

    class Doomed(CartPoleEnv):
        count = 0

        def step(self, action: Any) -> Any:
            self.count += 1
            if self.count == 30 and marker.exists():
                marker.unlink(missing_ok=True)
                deed()
            return super().step(action)  # type: ignore[no-untyped-call]

    return Doomed


@pytest.mark.parametrize(
    ("deed", "patience"),
    [(lambda: os.kill(os.getpid(), signal.SIGKILL), 300.0), (lambda: time.sleep(1000), 1.0)],
    ids=["killed", "hung"],
)
def test_a_process_that_dies_or_hangs_within_a_stretch(
    deed: Callable[[], object], patience: float, tmp_path: Path, expected: list[str]
) -> None:
    marker = tmp_path / "doom"
    marker.touch()
    with closing(collector(crew(2, patience), doomed(marker, deed))) as made:
        assert digests(made) == expected
        assert not marker.exists()
        assert len(active_children()) == 2
    assert active_children() == []


def test_processes_that_are_killed_while_they_wait(expected: list[str]) -> None:
    with closing(collector(crew(2))) as made:
        first, second, *_ = requests(made)
        made(first)
        for process in active_children():
            process.kill()
            process.join()
        with closing(collector(Here)) as other:
            other(first)
            assert told(made(second)) == told(other(second))


def faulty(seeds: tuple[int, ...]) -> Any:
    """CartPole, of which the fourth step raises in these episodes."""
    from gymnasium.envs.classic_control import CartPoleEnv

    class Faulty(CartPoleEnv):
        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            self.seed, self.steps = seed, 0
            return super().reset(seed=seed)

        def step(self, action: Any) -> Any:
            self.steps += 1
            if self.seed in seeds and self.steps == 4:
                time.sleep(0.2 * (self.seed == seeds[0]))  # the first one is the last to say so
                raise RuntimeError("out of order")
            return super().step(action)  # type: ignore[no-untyped-call]

    return Faulty


def test_a_fault_arrives_whole_and_is_that_of_the_first_lane() -> None:
    seeds = tuple(collector(Here).episode(lane, 0) for lane in (1, 4))
    for hire in (Here, crew(2)):
        with closing(collector(hire, faulty(seeds))) as made:
            before = told(made.state()["begun"])
            with pytest.raises(EnvironmentFault, match="RuntimeError: out of order") as caught:
                made(requests(made)[0])
            assert (caught.value.seed, caught.value.step, caught.value.field) == (seeds[0], 4, "step")
            assert told(made.state()["begun"]) == before
            assert active_children() == []  # all were ended with it


# --- whole runs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))


@pytest.mark.usefixtures("_no_page")
def test_a_run_of_ppo_has_one_digest(tmp_path: Path) -> None:
    options: dict[str, Any] = {"algorithm": "ppo", "hooks": [], "native": False, "seed": 4, "normalise": True}
    options |= {"steps": 1_024, "lanes": 4, "stretch": 64, "interval": 10_000, "max_episode_steps": 20}
    runs = [
        cartwheel.train("CartPole-v1", name=f"run-{workers}", runs=tmp_path, workers=workers, **options)
        for workers in (1, 2)
    ]
    assert runs[0].digest() == runs[1].digest()
    assert active_children() == []


def test_who_gets_processes() -> None:
    """No more than there are lanes; none where one worker is asked for, where physics are compiled, and by Ray."""
    from cartwheel.algorithms.registry import ALGORITHMS
    from cartwheel.training.build import prepare
    from cartwheel.training.settings import TrainSettings

    entry = ALGORITHMS["ppo"]

    def size(native: bool = False, lanes: int = 3, **settings: Any) -> int | None:
        job = prepare(entry, "CartPole-v1", TrainSettings(native=native, **settings), entry.settings(lanes=lanes))
        assert job.collector is not None
        if isinstance(job.collector, NativeCollector):
            return None
        stations = job.collector._stations  # type: ignore[attr-defined]
        return 0 if isinstance(stations, Here) else int(stations.size)

    assert size() == 0
    assert size(workers=2) == 2
    assert size(workers=9) == 3
    assert size(workers=2, lanes=1) == 0
    assert size(workers=1, executor="processes") == 1
    assert size(native=True, workers=2, executor="processes") is None
    assert make_crew(abs, 2, "ray") is None


def test_what_can_not_travel_is_said_before_anything_is_started() -> None:
    from gymnasium.envs.classic_control import CartPoleEnv

    lock = threading.Lock()
    with pytest.raises(UsageError, match="what makes the environment can't be sent to worker processes"):
        collector(crew(2), lambda: (lock, CartPoleEnv())[1])


def test_ctrl_c_ends_a_run_and_its_workers(tmp_path: Path) -> None:
    """As a terminal does it: to the workers too. What is done is saved, and nobody is left."""
    program = """
        import sys, time
        from multiprocessing import active_children, parent_process
        from pathlib import Path
        import cartwheel
        from cartwheel.training.interrupt import Interrupted
        from gymnasium.envs.classic_control import CartPoleEnv

        class Slow(CartPoleEnv):
            def step(self, action):
                time.sleep(0.02)
                if parent_process() is not None:
                    Path("at-work").touch()
                return super().step(action)

        try:
            cartwheel.train(Slow, algorithm="ppo", name="run", hooks=[], workers=2, lanes=2, stretch=1000,
                            max_episode_steps=40)
        except Interrupted as interrupted:
            print(interrupted.exit_status, active_children())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "at-work").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.1)
    workers = children(process.pid)
    assert len(workers) >= 2
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30) == ("130 []\n", "")
    deadline = time.monotonic() + 10  # multiprocessing has one of its own, which ends after the command
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in workers)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
