"""`Layer`: what is seen inside it, in which order, under which names; and what it does to all of that."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import Parameter, Variable
from cartwheel.nn import layers as L
from cartwheel.nn.layers.layer import Contents


def numbers(*shape: int) -> Parameter:
    return Parameter(np.ones(shape))


class Net(L.Layer):
    """Attributes of every kind, in an order that is not the alphabet's."""

    def __init__(self) -> None:
        self.z = numbers(1)
        self.heads = {"right": L.Linear(1, in_size=2), "left": numbers(2)}
        self.a = L.Linear(3, in_size=2)
        self.name, self.size, self.data = "net", 3, np.zeros(3)
        self.blocks = [L.Linear(1, in_size=1, nobias=True), (numbers(3), [numbers(4)])]
        self.b: Any = None

    def forward(self, x: Any, scale: float = 1.0) -> Any:
        return self.a(x) * scale


NAMES = ["z", "heads/right/W", "heads/right/b", "heads/left", "a/W", "a/b", "blocks/0/W", "blocks/1/0", "blocks/1/1/0"]


def names(layer: L.Layer) -> list[str]:
    return [name for name, _ in layer.named_params()]


def test_parameters_come_in_order_of_declaration_also_from_lists_tuples_and_dicts() -> None:
    net = Net()
    assert names(net) == NAMES
    assert [id(p) for p in net.params()] == [id(p) for _, p in net.named_params()]
    assert [p.shape for p in net.params()] == [(1,), (2, 1), (1,), (2,), (2, 3), (3,), (1, 1), (3,), (4,)]


def test_what_is_assigned_later_comes_later_and_what_is_replaced_keeps_its_place() -> None:
    net = Net()
    net.b = numbers(5)
    net.more = numbers(6)
    net.z = numbers(7)
    net.heads["top"] = numbers(8)
    net.blocks.append(numbers(9))
    assert names(net) == [*NAMES[:4], "heads/top", *NAMES[4:], "blocks/2", "b", "more"]
    assert next(net.params()).shape == (7,)


def test_each_parameter_is_seen_once() -> None:
    net = Net()
    net.tied = net.a.W
    net.again = net.a
    net.listed = [net.a, net.z]
    net.itself = net
    net.blocks.append(net.blocks)
    assert names(net) == NAMES


def test_a_cycle_of_layers_ends() -> None:
    first, second = L.Layer(), L.Layer()
    first.w, first.next = numbers(1), second
    second.w, second.next = numbers(2), first
    assert names(first) == ["w", "next/w"]
    assert names(second) == ["w", "next/w"]


def test_a_list_may_begin_with_what_is_no_layer() -> None:
    layer = L.Layer()
    layer.blocks = [("first", L.Linear(1, in_size=1)), (2, numbers(2))]
    layer.mixed = [0.5, Variable(np.ones(2)), "name", L.Linear(1, in_size=1, nobias=True)]
    layer.functions = [len, numbers(1)]
    assert names(layer) == ["blocks/0/1/W", "blocks/0/1/b", "blocks/1/1", "mixed/3/W", "functions/1"]


def test_a_long_list_of_numbers_is_looked_through_once() -> None:
    class Long(list[Any]):
        looks = 0

        def __iter__(self) -> Any:
            self.looks += 1
            return super().__iter__()

    layer = L.Layer()
    layer.losses, layer.w = Long([1.0] * 5), numbers(1)
    assert names(layer) == ["w"]
    looks, inside = layer.losses.looks, layer._inside
    for loss in (2.0, np.float64(3.0), "four"):
        layer.losses.append(loss)
        assert layer._inside is inside
    assert layer.losses.looks == looks
    layer.losses.append(numbers(2))
    assert names(layer) == ["losses/8", "w"]


def test_a_key_of_another_name_is_another_name() -> None:
    layer = L.Layer()
    layer.heads = {"a": numbers(1), "b": numbers(2)}
    assert names(layer) == ["heads/a", "heads/b"]
    layer.heads["c"] = layer.heads.pop("b")
    assert names(layer) == ["heads/a", "heads/c"]


def scale_in_place(layer: L.Linear) -> None:
    layer.W *= 0.1


def an_array(layer: L.Linear) -> None:
    layer.W = np.ones((2, 1))


def a_list(layer: L.Linear) -> None:
    layer.W = [[1.0], [2.0]]


@pytest.mark.parametrize("change", [scale_in_place, an_array, a_list])
def test_what_is_no_parameter_does_not_take_the_place_of_one(change: Any) -> None:
    layer = L.Linear(1, in_size=2)
    W = layer.W
    with pytest.raises(TypeError, match=r"W of this Linear is a Parameter.* assign to \.W\.data; got"):
        change(layer)
    assert layer.W is W
    layer.W.data *= 0.1
    layer.W, layer.b = numbers(2, 1), None
    assert names(layer) == ["W"]


class Own(nn.Model):
    def __init__(self, name: str, value: Any) -> None:
        setattr(self, name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theta", numbers(2)),
        ("theta", L.Linear(1)),
        ("grad", 3),
        ("layout", L.Linear(1)),
        ("params", [L.Linear(1)]),
        ("forward", L.Linear(1)),
        ("summary", numbers(1)),
    ],
)
def test_names_that_are_taken(name: str, value: Any) -> None:
    with pytest.raises(AttributeError, match=f"{name} is a name that .*Own.* has a meaning for.*another name"):
        Own(name, value)


def test_a_forward_of_ones_own_and_a_property_of_ones_own() -> None:
    class Net(nn.Model):
        def __init__(self) -> None:
            self.kept: Any = None
            self.core = L.Linear(1, in_size=1)

        @property
        def core(self) -> Any:
            return self.kept

        @core.setter
        def core(self, layer: Any) -> None:
            self.kept = layer

    net = Net()
    net.forward = lambda x: net.core(x)
    assert net(np.ones((1, 1))).shape == (1, 1)
    assert names(net) == ["kept/W", "kept/b"]


def test_repr() -> None:
    assert repr(L.Linear(3)) == "Linear(out_size=3, W ?, b (3,))"
    assert repr(L.Linear(3, True, in_size=2)) == "Linear(in_size=2, out_size=3, W (2, 3))"
    assert repr(L.Dropout(0.25)) == "Dropout(dropout_ratio=0.25)"
    assert repr(L.Conv2d(4, (3, 2), in_channels=1, nobias=True)) == (
        "Conv2d(in_channels=1, out_channels=4, kernel_size=(3, 2), stride=1, pad=0, W (4, 1, 3, 2))"
    )
    assert repr(L.BatchNorm(2)) == "BatchNorm(decay=0.9, eps=2e-05, avg_mean (2,), avg_var (2,), gamma (2,), beta (2,))"
    model = nn.Sequential(L.Linear(3, in_size=2), nn.MLP((2,), in_size=3))
    model.scale = numbers(1)
    assert repr(model).splitlines() == [
        "Sequential(scale (1,)",
        "  l0: Linear(in_size=2, out_size=3, W (2, 3), b (3,))",
        "  l1: MLP(",
        "    l0: Linear(in_size=3, out_size=2, W (3, 2), b (2,))))",
    ]


def test_averages_are_no_parameters() -> None:
    layer = L.BatchNorm(in_size=3)
    assert names(layer) == ["gamma", "beta"]
    assert [name for name, _ in Contents(layer).averages] == ["avg_mean", "avg_var"]


def test_a_call_is_forward() -> None:
    net = Net()
    x = np.array([[1.0, 2.0]])
    expected = (x @ net.a.W.data + net.a.b.data) * 2.0
    np.testing.assert_allclose(net(x, scale=2.0).data, expected, rtol=1e-6)
    with pytest.raises(NotImplementedError, match="Layer has no forward"):
        L.Layer()(x)


def test_cleargrads() -> None:
    net = Net()
    for p in net.params():
        p.grad = Variable(np.ones(p.shape))
    net.cleargrads()
    assert [p.grad for p in net.params()] == [None] * len(NAMES)


def test_reset_state_reaches_all_recurrent_layers() -> None:
    net = L.Layer()
    net.rnn, net.others = L.RNN(3), [L.LSTM(2, layers=2)]
    net.rnn(np.ones((1, 2)))
    net.others[0](np.ones((1, 2)))
    assert net.others[0].above[0].c is not None
    net.reset_state()
    assert net.rnn.h is None
    assert net.others[0].h is None
    assert net.others[0].above[0].h is None
    assert net.others[0].above[0].c is None


def test_a_deep_copy_is_independent() -> None:
    net = Net()
    other = copy.deepcopy(net)
    assert names(other) == NAMES
    for p, q in zip(net.params(), other.params(), strict=True):
        assert p is not q
        assert not np.shares_memory(p.data, q.data)


def test_without_cupy_to_gpu_says_so_and_to_cpu_changes_nothing() -> None:
    net = Net()
    before = [p.data for p in net.params()]
    net.to_cpu()
    assert all(p.data is data for p, data in zip(net.params(), before, strict=True))
    from cartwheel.nn import cuda

    if not cuda.gpu_enable:
        with pytest.raises(RuntimeError, match="CuPy"):
            net.to_gpu()


def test_what_is_no_array_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"Linear: expected an array or a Variable.*test_layer.py"):
        L.Linear(3)([1.0, 2.0])
    with pytest.raises(ValueError, match="Linear: expected an array with an axis -1"):
        L.Linear(3)(np.array(1.0))
    with pytest.raises(ValueError, match="sizes of at least 1"):
        L.Linear(3)(np.ones((2, 0)))
    with pytest.raises(ValueError, match="sizes of at least 1"):
        L.Linear(0, in_size=3)
