"""Files of weights: to the bit and back, nothing half-loaded, and a clear error for every other file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.models import MLP, Model, Sequential

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def network(hidden: int = 3, **how: Any) -> Sequential:
    return Sequential(L.Linear(hidden, **how), L.BatchNorm(**how), F.tanh, L.Linear(2, **how))


def trained(**how: Any) -> Sequential:
    model = network(**how)
    for scale in (1.0, 3.0):
        model(X * scale)
    return model


def everything(model: Model) -> list[Any]:
    return [model.theta.copy(), model.averages.copy()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.npz"
    trained().save_weights(path)
    return path


def test_to_the_bit_and_back_with_the_averages(tmp_path: Path) -> None:
    model, other = trained(), trained()
    other.theta += 1
    other(X)
    model.save_weights(tmp_path / "w.npz")
    other.load_weights(tmp_path / "w.npz")
    for mine, theirs in zip(everything(model), everything(other), strict=True):
        assert mine.tobytes() == theirs.tobytes()
    with nn.test_mode():
        assert model(X).data.tobytes() == other(X).data.tobytes()


def test_the_file_is_numpys_with_the_names_and_the_same_each_time(tmp_path: Path) -> None:
    model = trained()
    model.save_weights(str(tmp_path / "w"))
    with np.load(tmp_path / "w.npz", allow_pickle=False) as content:
        assert content.files == ["l0/W", "l0/b", "l1/gamma", "l1/beta", "l3/W", "l3/b", "l1/avg_mean", "l1/avg_var"]
        np.testing.assert_array_equal(content["l3/W"], model.l3.W.data)
    first = (tmp_path / "w.npz").read_bytes()
    model.save_weights(tmp_path / "w")  # over the old one
    assert (tmp_path / "w.npz").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]
    model.load_weights(tmp_path / "w")


def test_names_that_numpys_savez_could_not_write(tmp_path: Path) -> None:
    layer = L.Layer()
    layer.file, layer.args = nn.Parameter(np.ones(2)), nn.Parameter(np.zeros(1))
    layer.save_weights(tmp_path / "w")
    layer.file.data = np.zeros(2)
    layer.load_weights(tmp_path / "w")
    assert layer.file.data.tolist() == [1, 1]


def test_into_a_model_that_has_not_run_yet(file: Path) -> None:
    model = network()
    model.load_weights(file)
    expected = trained()
    expected.load_weights(file)
    assert model.theta.tobytes() == expected.theta.tobytes()
    with nn.test_mode():
        assert model(X).data.tobytes() == expected(X).data.tobytes()


def test_a_model_without_data_can_not_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="l0/W has no data yet: it is known when its layer is first used"):
        network().save_weights(tmp_path / "w.npz")
    assert list(tmp_path.iterdir()) == []


def test_two_parameters_of_one_name_can_not_be_saved(tmp_path: Path) -> None:
    layer = L.Layer()
    layer.heads = {1: nn.Parameter(np.ones(1)), "1": nn.Parameter(np.ones(1))}
    with pytest.raises(ValueError, match="two parameters have one name"):
        layer.save_weights(tmp_path / "w.npz")


class Small(Model):
    def __init__(self, hidden: int = 3) -> None:
        self.l0, self.l1 = L.Linear(hidden), L.BatchNorm()


OTHERS = {
    "another width": (lambda: trained(hidden=7), r"l0/W is float32 \(4, 7\) here, float32 \(4, 3\) in the file"),
    "another type": (lambda: trained(dtype=np.float64), r"l0/b is float64 \(3\) here, float32 \(3,\) in the file"),
    "less": (lambda: Sequential(L.Linear(3)), "l3/W is unknown here"),
    "more": (lambda: Sequential(*network().layers, L.Linear(1)), "l4/W is missing; l4/b is missing"),
    "another width, not run": (lambda: network(hidden=7), r"l0/W is floats \(\?, 7\) here, float32 \(4, 3\)"),
    "other axes, not run": (lambda: Sequential(L.Conv2d(3, 2)), r"l0/W is floats \(3, \?, 2, 2\) here"),
    "averages, not run": (Small, "l3/b is unknown here"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_the_file_of_another_model(file: Path, what: str) -> None:
    make, message = OTHERS[what]
    model = make()
    before = [None if p.data is None else p.data.copy() for p in model.params()]
    with pytest.raises(ValueError, match=f"weights.npz holds the weights of another model: .*{message}"):
        model.load_weights(file)
    for p, old in zip(model.params(), before, strict=True):
        np.testing.assert_array_equal(p.data, old)


def test_nothing_is_loaded_if_the_last_does_not_fit(tmp_path: Path) -> None:
    model = trained()
    before = everything(model)
    arrays = {name: p.data + 1 for name, p in model.named_params()}
    np.savez(tmp_path / "w.npz", **arrays, **{"l1/avg_mean": np.ones(3, np.float32), "l1/avg_var": np.ones((3, 1))})
    with pytest.raises(ValueError, match="l1/avg_var"):
        model.load_weights(tmp_path / "w.npz")
    for mine, old in zip(everything(model), before, strict=True):
        assert mine.tobytes() == old.tobytes()


def test_every_truncation_and_every_changed_byte_is_noticed(file: Path) -> None:
    """Damage is an error, or does no harm: never other numbers."""
    model = trained()
    model.load_weights(file)
    expected, content = everything(model), file.read_bytes()
    rng, noticed = np.random.default_rng(0), 0
    for length in rng.choice(len(content), 60, replace=False):
        file.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is damaged, or no file of weights"):
            model.load_weights(file)
    for place in rng.choice(len(content), 400, replace=False):
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x24]) + content[place + 1 :])
        try:
            model.load_weights(file)
        except ValueError:
            noticed += 1
        for mine, old in zip(everything(model), expected, strict=True):
            assert mine.tobytes() == old.tobytes()
    assert noticed > 150  # the rest lies where nobody looks, as in the times of day


def test_foreign_files(tmp_path: Path) -> None:
    model, path = trained(), tmp_path / "w.npz"
    one = io.BytesIO()
    np.save(one, np.ones(3))
    for content in (b"", b"hello", one.getvalue(), b"\x80\x04N.", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged, or no file of weights"):
            model.load_weights(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, _ in model.named_params():
            archive.writestr(name, "no array")
    with pytest.raises(ValueError, match="no file of weights: l0/W is no array"):
        model.load_weights(path)
    with pytest.raises(FileNotFoundError):
        model.load_weights(tmp_path / "none.npz")


def test_pickles_are_never_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "sprung",)

    arrays: dict[str, Any] = {name: p.data for name, p in trained().named_params()}
    np.savez(tmp_path / "w.npz", **{**arrays, "l0/W": np.array([Trap()], object)})
    with pytest.raises(ValueError, match="damaged, or no file of weights"):
        trained().load_weights(tmp_path / "w.npz")
    assert not (tmp_path / "sprung").exists()


def test_integers_and_complex_numbers_do_not_fit_a_waiting_parameter(tmp_path: Path) -> None:
    for dtype in (np.int64, np.complex64):
        np.savez(tmp_path / "w.npz", **{"l0/W": np.ones((4, 2), dtype), "l0/b": np.zeros(2, np.float32)})
        with pytest.raises(ValueError, match=r"l0/W is floats \(\?, 2\) here"):
            MLP((2,)).load_weights(tmp_path / "w.npz")


def test_a_broken_write_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = file.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(OSError, match="disk full"):
        trained().save_weights(file)
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == [file.name]
