from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
import safetensors.numpy
from storage_faults import flipped

from cartwheel.errors import StorageError
from cartwheel.storage import arrays as module
from cartwheel.storage.arrays import digest, pack, unpack

TYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def small() -> bytes:
    return pack({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True])}, {"n": 1, "x": [0.5, "é"]})


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3)])
def test_every_type_and_shape_comes_back(dtype, shape):
    array = (np.arange(math.prod(shape)).reshape(shape) % 3).astype(dtype)
    back, metadata = unpack(pack({"x": array}, {}), "here")
    assert same(back["x"], array)
    assert metadata == {}


def test_arrays_in_any_order_of_memory_are_saved_by_value():
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    views = {
        "transposed": base.T,
        "strided": base[::2, 1::3],
        "reversed": base[::-1, ::-1],
        "fortran": np.asfortranarray(base),
        "broadcast": np.broadcast_to(base[0], (3, 6)),
        "big": base.astype(">f4"),
    }
    back, _ = unpack(pack(views, {}), "here")
    for name, view in views.items():
        assert np.array_equal(back[name], view), name
        assert back[name].dtype == np.float32


def test_special_numbers_come_back_to_the_bit():
    array = np.array([np.nan, -0.0, np.inf, -np.inf, 5e-324])
    array.view(np.uint64)[0] |= 7  # a NaN with something in it
    assert same(unpack(pack({"x": array}, {}), "here")[0]["x"], array)


def test_metadata_comes_back():
    metadata = {
        "none": None, "true": True, "int": 10**40, "float": 0.1, "tiny": 5e-324, "zero": -0.0,
        "inf": math.inf, "deep": {"list": [-math.inf, {"a": []}]}, "text": 'é"\n\ud800\0',
    }  # fmt: skip
    back = unpack(pack({}, metadata), "here")[1]
    assert back == metadata
    assert math.copysign(1.0, back["zero"]) == -1.0
    assert {name: type(back[name]) for name in back} == {name: type(metadata[name]) for name in metadata}
    assert math.isnan(unpack(pack({}, {"x": np.float32(np.nan)}), "here")[1]["x"])


def test_there_is_one_metadata_key_and_other_tools_can_read_the_arrays():
    data = small()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == ["cartwheel"]
    assert same(safetensors.numpy.load(data)["a"], np.arange(6, dtype=np.float32).reshape(2, 3))
    assert small() == data


@pytest.mark.parametrize(
    ("arrays", "metadata"),
    [
        ({"x": np.zeros(2, complex)}, {}),
        ({"x": np.array([None])}, {}),
        ({"x": np.array(["a"])}, {}),
        ({"__metadata__": np.zeros(2)}, {}),
        ({"\ud800": np.zeros(2)}, {}),
        ({}, {"x": {1, 2}}),
        ({}, {"x": {1: 2}}),
        ({}, {"x": {"$float": "nan"}}),
        ({}, {"x": b"bytes"}),
    ],
)
def test_what_cannot_be_stored_is_an_error(arrays, metadata):
    with pytest.raises(StorageError, match="can't store"):
        pack(arrays, metadata)


def test_every_truncation_and_every_addition_is_noticed():
    data = small()
    for length in range(len(data)):
        with pytest.raises(StorageError, match=r"^some/path: damaged, or not written by Cartwheel: "):
            unpack(data[:length], "some/path")
    with pytest.raises(StorageError, match="damaged"):
        unpack(data + b"\0", "some/path")
    header = 8 + int.from_bytes(data[:8], "little")
    with pytest.raises(StorageError, match="it is cut short"):
        unpack(data[: header - 1], "some/path")


def test_every_flipped_bit_is_noticed_or_harmless():
    data = small()
    arrays, metadata = unpack(data, "here")
    harmless = 0
    for bit in range(8 * len(data)):
        try:
            other, about = unpack(flipped(data, bit), "here")
        except StorageError:
            continue
        harmless += 1
        assert about == metadata
        assert {name: same(other[name], arrays[name]) for name in other} == {"a": True, "b": True}
    assert harmless <= 16  # white space, at the most


def test_the_metadata_is_under_the_checksum():
    data = small()
    for old, new in ((b'\\"n\\":1', b'\\"n\\":2'), (b"0.5", b"0.7"), (b'"a"', b'"c"')):
        assert data.count(old) == 1
        with pytest.raises(StorageError, match="checksum"):
            unpack(data.replace(old, new), "here")


def foreign_header(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


def sealed(**seal: object) -> bytes:
    return safetensors.numpy.save({}, {"cartwheel": json.dumps(seal)})


FOREIGN = {
    "empty": (b"", "damaged"),
    "text": (b"just some text, longer than a header's length", "damaged"),
    "pickle": (pickle.dumps({"a": np.zeros(100)}), "damaged"),
    "zeros": (bytes(1000), "damaged"),
    "ones": (b"\xff" * 1000, "damaged"),
    "noise": (np.random.default_rng(0).bytes(5000), "damaged"),
    "enormous": (b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", "damaged"),
    "other tool": (safetensors.numpy.save({"theta": np.zeros(3)}, {"format": "pt"}), "not written by Cartwheel$"),
    "no metadata": (safetensors.numpy.save({"theta": np.zeros(3)}), "not written by Cartwheel$"),
    "a list": (foreign_header(b"[1, 2]"), "no table"),
    "metadata is a list": (foreign_header(b'{"__metadata__": []}'), "not written by Cartwheel$"),
    "the seal is a number": (foreign_header(b'{"__metadata__": {"cartwheel": 1}}'), "not written by Cartwheel$"),
    "NaN": (foreign_header(b'{"__metadata__": {"cartwheel": NaN}}'), "can't be read"),
    "too large": (foreign_header(b'{"a": 1e999, "__metadata__": {"cartwheel": "{}"}}'), "can't be read"),
    "twice": (foreign_header(b'{"__metadata__": {"cartwheel": "{}", "cartwheel": "{}"}}'), "can't be read"),
    "deep": (foreign_header(b"[" * 100_000), "can't be read"),
    "digits": (foreign_header(b"9" * 100_000), "can't be read"),
    "not UTF-8": (foreign_header(b'{"\xff": 1}'), "can't be read"),
    "empty seal": (sealed(), "header is not one"),
    "older": (sealed(format=0, sha256="", content={}), "header is not one"),
    "newer": (sealed(format=2, anything=1), "format 2 is newer than this Cartwheel, which reads 1: update it"),
    "unsigned": (sealed(format=1, sha256="0" * 64, content={}), "checksum"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_bytes_are_one_line_that_names_the_file(name):
    data, reason = FOREIGN[name]
    with pytest.raises(StorageError, match=reason) as caught:
        unpack(data, "some/path")
    assert str(caught.value).startswith("some/path: ")
    assert "\n" not in str(caught.value)


def test_a_second_metadata_key_is_refused():
    data = small()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    header["__metadata__"]["other"] = "x"
    body = data[8 + int.from_bytes(data[:8], "little") :]
    with pytest.raises(StorageError, match="header is not one"):
        unpack(foreign_header(json.dumps(header).encode(), body), "here")


def test_the_digest_sees_names_types_shapes_values_and_metadata():
    x = np.zeros((2, 3), np.float32)
    one = x.copy()
    one[1, 2] = 1
    variants = [
        ({"x": x}, {}), ({"y": x}, {}), ({"x": x.astype(np.int32)}, {}), ({"x": x.T}, {}), ({"x": one}, {}),
        ({"x": x}, {"a": 1}), ({"x": x}, {"a": 1.0}), ({"x": x}, {"a": True}), ({"x": x}, {"a": "1"}),
        ({"x": x}, {"a": None}), ({"x": x}, {"a": math.nan}), ({"x": x}, {"b": 1}), ({}, {}),
    ]  # fmt: skip
    assert len({digest(*variant) for variant in variants}) == len(variants)
    assert digest({"a": x, "b": one}, {"p": 1, "q": 2}) == digest({"b": one, "a": x}, {"q": 2, "p": 1})
    assert digest({"x": np.asfortranarray(one)}, {}) == digest({"x": one}, {})


def test_the_digest_is_the_same_for_ever():
    known = "4bebd6b32a29dd9e455f2394f490c38f9660ac8062852b0a854bfaee58d64ded"
    assert module.FORMAT == 1
    assert digest({"x": np.arange(3, dtype=np.int16)}, {"n": 1, "x": math.inf}) == known
