"""How much memory is free, and what a run is refused for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cartwheel
from cartwheel.errors import UsageError
from cartwheel.training import memory
from cartwheel.training.memory import check_observations, check_parameters, check_room, free_memory, size_text


def system(folder: Path, **files: str) -> tuple[Path, Path]:
    """Files of the names that Linux has, with dots for underscores."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder / "meminfo", folder


def test_what_linux_calls_available_is_free(tmp_path: Path) -> None:
    files = system(tmp_path, meminfo="MemTotal: 9000 kB\nMemFree: 100 kB\nMemAvailable:    4000 kB\n")
    assert free_memory(*files) == 4_096_000


@pytest.mark.parametrize(
    ("limit", "stat", "free"),
    [
        ("3000000", "anon 5\ninactive_file 70000\n", 1_070_000),
        ("3000000", "anon 5\n", 1_000_000),
        ("1500000", "inactive_file 70000\n", 0),
        ("max", "inactive_file 70000\n", 4_096_000),
        ("99000000", "inactive_file 70000\n", 4_096_000),
    ],
)
def test_a_group_s_limit_counts_where_it_is_nearer(tmp_path: Path, limit: str, stat: str, free: int) -> None:
    files = system(
        tmp_path, meminfo="MemAvailable: 4000 kB\n", memory_max=limit, memory_current="2000000\n", memory_stat=stat
    )
    assert free_memory(*files) == free


def test_a_system_that_does_not_say_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_memory(tmp_path / "meminfo", tmp_path) is None
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    check_room("dqn", 10**18)


def test_a_checkpoint_s_copies_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 4000)
    check_room("dqn", 1000)
    with pytest.raises(UsageError, match=r"dqn keeps up to 1 kB of steps, .* 4 kB of memory are free: lower --cap"):
        check_room("dqn", 1001)


@pytest.mark.parametrize(
    ("count", "text"), [(950, "950 bytes"), (5.67e6, "5.67 MB"), (2.53e10, "25.3 GB"), (7e12, "7 TB"), (1000, "1 kB")]
)
def test_sizes(count: float, text: str) -> None:
    assert size_text(count) == text


def test_observations_and_parameters_that_have_no_room_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 4000)
    check_observations("Big-v0", 10, 100)
    with pytest.raises(UsageError, match=r"an observation of Big-v0 takes 40 bytes, as 10 numbers, and 101 of them"):
        check_observations("Big-v0", 10, 101)
    check_parameters(125)
    with pytest.raises(UsageError, match=r"a network of 126 parameters takes 4.03 kB while it learns; 4 kB of memory"):
        check_parameters(126)


@pytest.mark.parametrize(
    ("free", "what", "options"),
    [
        (1000, "64 of them are in memory at a time", {"algorithm": "genetic"}),
        (10_000, "a network of 4,610 parameters", {"algorithm": "genetic", "hidden": (64, 64)}),
        (1_000_000, "81,920 of them are in memory", {"algorithm": "ppo", "lanes": 8, "stretch": 5120}),
    ],
)
def test_a_run_that_has_no_room_is_refused_before_it_begins(
    free: int, what: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    with pytest.raises(UsageError, match=what):
        cartwheel.train("CartPole-v1", steps=100_000, runs=tmp_path / "runs", hooks=[], **options)
    assert not (tmp_path / "runs").exists()


def test_episodes_that_may_be_shorter_are_not_refused_for_their_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1_000_000)
    options = {"lanes": 8, "stretch": 5120, "generations": 1}
    run = cartwheel.train("CartPole-v1", algorithm="reinforce", name="x", runs=tmp_path, hooks=[], **options)
    assert run.result is not None
