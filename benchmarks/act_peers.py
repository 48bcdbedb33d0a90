"""One observation to one action by other programs, for the benchmark `act`: the same network of tanh units, greedy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import peer

Array: TypeAlias = NDArray[np.float32]
#: Weights (inputs, outputs) and biases (outputs,) of each layer.
Layers: TypeAlias = Sequence[tuple[Array, Array]]
#: An observation (d,), as an environment gives it, to the number of an action.
Act: TypeAlias = Callable[[Array], int]


def numpy(layers: Layers) -> Act:
    """By hand, into buffers made before."""
    *hidden, (W, b) = layers
    rooms = [(weights, bias, np.zeros_like(bias)) for weights, bias in hidden]
    out = np.zeros_like(b)

    def act(seen: Array) -> int:
        x = seen
        for weights, bias, room in rooms:
            np.dot(x, weights, out=room)
            np.add(room, bias, out=room)
            x = np.tanh(room, out=room)
        np.dot(x, W, out=out)
        np.add(out, b, out=out)
        return int(out.argmax())

    return act


def torch(layers: Layers) -> Act:
    """Eager, on one thread."""
    package = peer("torch")
    package.set_num_threads(1)
    modules: list[Any] = []
    for W, b in layers:
        linear = package.nn.Linear(*W.shape)
        linear.weight.data, linear.bias.data = package.from_numpy(W.T.copy()), package.from_numpy(b.copy())
        modules += [linear, package.nn.Tanh()]
    network = package.nn.Sequential(*modules[:-1])

    def act(seen: Array) -> int:
        with package.inference_mode():
            return int(network(package.from_numpy(seen)).argmax())

    return act


def jax(layers: Layers) -> Act:
    """One compiled call, weights on its device."""
    package = peer("jax")
    given = package.device_put(list(layers))

    def best(layers: Any, x: Any) -> Any:
        *hidden, (W, b) = layers
        for weights, bias in hidden:
            x = package.numpy.tanh(x @ weights + bias)
        return (x @ W + b).argmax()

    compiled = package.jit(best)
    return lambda seen: int(compiled(given, seen))


def onnx(layers: Layers) -> Act:
    """A file of the same network, run by onnxruntime on one thread."""
    runtime = peer("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(_model(layers), options, providers=["CPUExecutionProvider"])
    return lambda seen: int(session.run(None, {"x": seen[None]})[0][0])


def _model(layers: Layers) -> bytes:
    """The network as a file of the format ONNX."""
    helper, made = peer("onnx.helper"), peer("onnx.numpy_helper")
    number, name, nodes, arrays = helper.np_dtype_to_tensor_dtype, "x", [], []
    for k, (W, b) in enumerate(layers):
        arrays += [made.from_array(W, f"W{k}"), made.from_array(b, f"b{k}")]
        nodes.append(helper.make_node("Gemm", [name, f"W{k}", f"b{k}"], [f"y{k}"]))
        name = f"y{k}"
        if k < len(layers) - 1:
            nodes.append(helper.make_node("Tanh", [name], [f"h{k}"]))
            name = f"h{k}"
    nodes.append(helper.make_node("ArgMax", [name], ["action"], axis=1, keepdims=0))
    seen = helper.make_tensor_value_info("x", number(np.dtype(np.float32)), [1, len(layers[0][0])])
    action = helper.make_tensor_value_info("action", number(np.dtype(np.int64)), [1])
    graph = helper.make_graph(nodes, "policy", [seen], [action], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data
