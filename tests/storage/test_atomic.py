from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from storage_faults import kill_in_the_middle

from cartwheel.errors import StorageError
from cartwheel.storage import atomic
from cartwheel.storage.atomic import make_temporary, read_whole, remove_leftovers, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_new_content_replaces_the_old_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "file"
    for content in (b"first", b"", b"third" * 100_000):
        write_atomically(path, content)
        assert read_whole(path) == content
        assert names(tmp_path) == ["file"]


def test_what_is_kept_is_the_former_content(tmp_path):
    path, keep = tmp_path / "file", tmp_path / "former"
    for content in (b"1", b"2", b"3"):
        write_atomically(path, content, keep)
    assert (path.read_bytes(), keep.read_bytes(), names(tmp_path)) == (b"3", b"2", ["file", "former"])


def test_the_order_is_content_then_name_then_folder(tmp_path, monkeypatch):
    """Power cuts can't be had in a test; the order of calls that protects from them can."""
    events: list[object] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        events.append("folder" if stat.S_ISDIR(status.st_mode) else ("file", status.st_size))
        real_fsync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        events.append(("replace", target.name))
        return real_replace(self, target)

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_atomically(tmp_path / "file", b"12345", tmp_path / "former")
    assert events == [("file", 5), ("replace", "former"), ("replace", "file"), "folder"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_no_temporary_file(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if step == "fsync" else Path, step, full)
    with pytest.raises(StorageError) as caught:
        write_atomically(path, b"new")
    assert str(caught.value) == f"{path}: can't be written: No space left on device"
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["file"])


def test_a_file_system_that_cannot_sync_folders_is_borne_with_and_a_failing_disk_is_not(tmp_path, monkeypatch):
    def failing(number: int):
        def fsync(descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(atomic.os, "fsync", failing(errno.EINVAL))
    atomic.sync_folder(tmp_path)
    monkeypatch.setattr(atomic.os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="error"):
        atomic.sync_folder(tmp_path)


def test_places_that_cannot_be_written_are_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "nowhere" / "x", tmp_path / "file" / "x", tmp_path / "folder"):
        with pytest.raises(StorageError) as caught:
            write_atomically(path, b"data")
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file", "folder"]


def test_reading_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("missing", "no such file"), ("pipe", "expected a file"), ("", "expected a file")):
        with pytest.raises(StorageError, match=reason):
            read_whole(tmp_path / name)


def test_names_left_by_the_dead_are_passed_over_and_can_be_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_numbers", iter(range(10)))
    first, _ = make_temporary(tmp_path, Path.touch)
    monkeypatch.setattr(atomic, "_numbers", iter(range(10)))  # a process of the same id, as in a container
    second, _ = make_temporary(tmp_path, Path.mkdir)
    assert first != second
    second.rmdir()
    first.write_bytes(b"left")
    monkeypatch.setattr(atomic, "_numbers", iter(range(10)))
    write_atomically(tmp_path / "mine.tmp", b"")
    assert first.read_bytes() == b"left"
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["mine.tmp"]


def test_the_file_is_as_readable_as_any_other(tmp_path):
    mask = os.umask(0o022)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


KILLED = """
import itertools, sys
from pathlib import Path
from cartwheel.storage.atomic import write_atomically
for number in itertools.count():
    write_atomically(Path(sys.argv[1]) / "file", bytes([number % 251]) * 1_000_000)
    if not number: print("ready", flush=True)
"""


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    def check() -> None:
        content = read_whole(tmp_path / "file")
        assert content == content[:1] * 1_000_000

    kill_in_the_middle(KILLED, tmp_path, check)
