"""Data sets: their known numbers, what a solution of each task is, the protocol, mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel.nn.datasets import (
    XOR,
    Adding,
    CharText,
    Copy,
    Dataset,
    Parity,
    SinCurve,
    Spiral,
    get_adding,
    get_copy,
    get_parity,
    get_spiral,
)


def rng(seed: int = 0) -> Any:
    return np.random.default_rng(seed)


# --- points and curves -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "first", "total", "labels"),
    [
        (True, [-0.1398138850927353, -0.007216573692858219], -13.916731213830644, [1, 1, 2, 0, 1]),
        (False, [0.13246452808380127, 0.13620993494987488], -11.263850776544132, [0, 1, 0, 1, 2]),
    ],
)
def test_the_spiral_of_the_book(train: bool, first: Any, total: float, labels: Any) -> None:
    data = Spiral(train)
    np.testing.assert_allclose(data[0][0], first, rtol=1e-6)
    np.testing.assert_allclose(data.data.astype(np.float64).sum(), total, rtol=1e-6)
    assert [int(data[number][1]) for number in range(5)] == labels
    assert (data.data.shape, data.data.dtype, data.label.shape) == ((300, 2), np.float32, (300,))


def test_spiral_arms() -> None:
    """Radius and angle of each point give its arm, within 4.5 standard deviations of the angle's noise."""
    x, t = get_spiral(rng=rng())
    assert np.bincount(t).tolist() == [100, 100, 100]
    radius = np.hypot(x[:, 0], x[:, 1])
    np.testing.assert_allclose(np.sort(radius[t == 1]), np.arange(100) / 100, atol=1e-6)
    assert not np.array_equal(get_spiral()[0], get_spiral(train=False)[0])
    np.testing.assert_array_equal(get_spiral()[0], get_spiral()[0])
    angle = np.arctan2(x[:, 0], x[:, 1]) - (4.0 * t + 4.0 * radius)
    noise = (angle + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(noise[radius > 0]).max() < 0.9


def test_sine_and_cosine() -> None:
    train, test = SinCurve(), SinCurve(train=False)
    x = np.linspace(0, 2 * np.pi, 1000)[:, None]
    np.testing.assert_array_equal(test.data, np.cos(x)[:-1])
    np.testing.assert_array_equal(test.label, np.cos(x)[1:])
    noise = train.data - np.sin(x)[:-1]
    assert np.abs(noise).max() <= 0.05
    assert 0.027 < noise.std() < 0.031  # 0.05 / sqrt(3) = 0.0289
    np.testing.assert_array_equal(train.label[:-1], train.data[1:])
    assert not np.array_equal(SinCurve(rng=rng(5)).data, train.data)


# --- logic -----------------------------------------------------------------------------------------------------------


def test_xor() -> None:
    rows = [([0, 0], [0]), ([0, 1], [1]), ([1, 0], [1]), ([1, 1], [0])]
    assert [(x.tolist(), t.tolist()) for x, t in XOR()] == rows
    data = XOR(sequence=True)
    assert data.data.shape == (4, 2, 1)
    assert [(x[:, 0].tolist(), t.tolist()) for x, t in data] == rows
    assert data.data.dtype == data.label.dtype == np.float32


def test_parity() -> None:
    x, t = get_parity(200, 7, rng())
    assert x.shape == (200, 7, 1)
    for bits, odd in zip(x, t, strict=True):
        assert odd == len([bit for bit in bits if bit[0] == 1.0]) % 2
    assert set(np.unique(x)) == {0.0, 1.0}
    assert 70 < t.sum() < 130


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 9, 100])
def test_adding(length: int) -> None:
    x, t = get_adding(5000, length, rng())
    assert (x.shape, x.dtype, t.shape, t.dtype) == ((5000, length, 2), np.float32, (5000, 1), np.float32)
    np.testing.assert_allclose((x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True), t, rtol=1e-6)
    half = length // 2
    assert set(x[:, :half, 1].sum(axis=1)) == set(x[:, half:, 1].sum(axis=1)) == {1.0}
    assert np.all(x[..., 1].sum(axis=0) > 0)  # each place is drawn
    np.testing.assert_allclose(((t - 1.0) ** 2).mean(), 1 / 6, rtol=0.1)


def test_copy() -> None:
    x, t = get_copy(300, 5, 20, rng())
    assert x.shape == t.shape == (300, 30)
    np.testing.assert_array_equal(t[:, 25:], x[:, :5])
    assert np.all(t[:, :25] == 0)
    assert set(np.unique(x[:, :5])) == set(range(1, 9))
    np.testing.assert_array_equal(x[:, 5:], np.tile([0] * 19 + [9] + [0] * 5, (300, 1)))


def test_copy_with_other_symbols() -> None:
    x, _ = get_copy(100, 3, 1, rng(), symbols=2)
    assert set(np.unique(x[:, :3])) == {1, 2}
    assert np.all(x[:, 3] == 3)


@pytest.mark.parametrize("make", [lambda **how: Adding(20, 6, **how), lambda **how: Parity(20, 6, **how)])
def test_sequences_are_drawn_once_for_training_and_once_for_testing(make: Any) -> None:
    np.testing.assert_array_equal(make().data, make().data)
    assert not np.array_equal(make().data, make(train=False).data)
    assert not np.array_equal(make().data, make(rng=rng(9)).data)


def test_copy_as_a_data_set() -> None:
    x, t = Copy(4, 5, 20, symbols=3)[2]
    expected = get_copy(4, 5, 20, rng(0), symbols=3)
    np.testing.assert_array_equal(x, expected[0][2])
    np.testing.assert_array_equal(t, expected[1][2])


# --- text ------------------------------------------------------------------------------------------------------------


def text_file(folder: Path, text: str) -> Path:
    file = folder / "text.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_characters(tmp_path: Path) -> None:
    data = CharText(text_file(tmp_path, "abracadabra ist schön"), held_out=0.0)
    assert data.data[:7].tolist() == [0, 1, 2, 0, 3, 0, 4]
    np.testing.assert_array_equal(data.label[:-1], data.data[1:])
    assert data.decode(data.data) + data.decode(data.label[-1:]) == "abracadabra ist schön"
    assert data.encode("bar").tolist() == [1, 0, 2]
    assert data.id_to_char[data.char_to_id["ö"]] == "ö"


def test_the_end_of_the_text_is_for_testing(tmp_path: Path) -> None:
    file = text_file(tmp_path, "0123456789" * 2)
    train, test = CharText(file, held_out=0.25), CharText(file, train=False, held_out=0.25)
    assert train.decode(train.data) == "01234567890123"
    assert (test.decode(test.data), test.decode(test.label)) == ("5678", "6789")
    assert train.char_to_id == test.char_to_id


def test_mistakes_with_text(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CharText(tmp_path / "nothing.txt")
    with pytest.raises(ValueError, match="expected at least 2 characters for training, got 1"):
        CharText(text_file(tmp_path, "a"))
    with pytest.raises(ValueError, match="for testing, got 0"):
        CharText(text_file(tmp_path, "abc"), train=False)
    with pytest.raises(ValueError, match="has no 'x', 'y'"):
        CharText(text_file(tmp_path, "abc")).encode("yax")
    with pytest.raises(ValueError, match=r"held out in \[0, 1\), got 1.0"):
        CharText(text_file(tmp_path, "abc"), held_out=1.0)


# --- the protocol ----------------------------------------------------------------------------------------------------


class Squares(Dataset):
    def prepare(self) -> None:
        self.data = np.arange(5) * (1 if self.train else -1)
        self.label = self.data**2


def test_transforms_and_length() -> None:
    data = Squares(transform=lambda x: x + 0.5, target_transform=float)
    assert len(data) == 5
    assert data[3] == (3.5, 9.0)
    assert [t for _, t in data] == [0, 1, 4, 9, 16]
    assert Squares(train=False)[2] == (-2, 4)
    assert len(Dataset()) == 0


def test_without_labels() -> None:
    data = Squares()
    data.label = None
    assert data[2] == (2, None)


@pytest.mark.parametrize("index", [slice(2), "a", 1.0, [0, 1]])
def test_one_example_at_a_time(index: Any) -> None:
    with pytest.raises(TypeError, match="expected the number of an example"):
        Squares()[index]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: get_parity(0, 3, rng()), "a number of sequences of at least 1, got 0"),
        (lambda: get_adding(3, 1, rng()), "a length of at least 2, got 1"),
        (lambda: get_adding(3, 2.0, rng()), "a length of at least 2, got 2.0"),  # type: ignore[arg-type]
        (lambda: get_copy(3, 2, 0, rng()), "a delay of at least 1, got 0"),
        (lambda: Copy(3, 2, 1, symbols=1), "a number of symbols of at least 2, got 1"),
    ],
)
def test_sizes_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
