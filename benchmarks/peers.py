"""Training steps of peers, for the benchmark `gradient`: the same networks, losses and optimizers as ours."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.records import UnavailableError
from cartwheel.errors import UsageError

Array: TypeAlias = NDArray[np.float32]
#: So many steps; the loss before the last one.
Steps: TypeAlias = Callable[[int], float]


def peer(name: str) -> Any:
    """A peer's package. UsageError where it is not installed."""
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise UsageError(f"{package} is not installed; make bench installs it")
    if package == "dezero" and not hasattr(np, "int"):
        setattr(np, "int", int)  # noqa: B010  # it was written for an older NumPy
    return importlib.import_module(name)


def repeated(step: Callable[[], Any]) -> Steps:
    """A step called again and again."""

    def steps(times: int) -> float:
        loss: Any = 0.0
        for _ in range(times):
            loss = step()
        return float(loss)

    return steps


# --- PyTorch ---------------------------------------------------------------------------------------------------------


def _torch_steps(forward: Callable[[Any], Any], parameters: Any, x: Array, t: Array, compiled: bool = False) -> Steps:
    torch = peer("torch")
    torch.set_num_threads(1)
    inputs, wanted = torch.from_numpy(x), torch.from_numpy(t)
    optimizer = torch.optim.Adam(parameters, fused=True)

    def loss_of() -> Any:
        return ((forward(inputs) - wanted) ** 2).sum() / len(t)

    if compiled:
        loss_of = _torch_compiled(torch, loss_of)

    def step() -> Any:
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return repeated(step)


def _torch_compiled(torch: Any, loss_of: Callable[[], Any]) -> Any:
    """A loss whose forward and backward torch.compile has compiled. UnavailableError where it can't."""
    compiled = torch.compile(loss_of, dynamic=False)
    try:
        compiled().backward()
    except RuntimeError as problem:
        if "compiler" not in str(problem):
            raise
        raise UnavailableError("no C++ compiler, which torch.compile needs") from problem
    return compiled


def torch_mlp(x: Array, t: Array, sizes: Sequence[int], compiled: bool = False) -> Steps:
    """Eager, or with forward and backward by torch.compile; the fused Adam is a compiled function of its own."""
    made = peer("torch").nn
    layers: list[Any] = []
    for inputs, outputs in zip((x.shape[1], *sizes), sizes, strict=False):
        layers += [made.Linear(inputs, outputs), made.ReLU()]
    model = made.Sequential(*layers[:-1])
    return _torch_steps(model, model.parameters(), x, t, compiled)


def torch_recurrent(xs: Array, t: Array, kind: str) -> Steps:
    """Eager, with the fused Adam; `kind` is LSTM or GRU."""
    made = peer("torch").nn
    cell, out = getattr(made, kind)(xs.shape[2], 64), made.Linear(64, t.shape[1])
    return _torch_steps(lambda x: out(cell(x)[0][-1]), [*cell.parameters(), *out.parameters()], xs, t)


# --- JAX -------------------------------------------------------------------------------------------------------------


def _jax_step(x: Array, t: Array, sizes: Sequence[int]) -> tuple[Any, Any, Any]:
    jax = peer("jax")
    numpy, rng = jax.numpy, np.random.default_rng(0)
    shapes = list(zip((x.shape[1], *sizes), sizes, strict=False))
    first = [
        (rng.normal(size=shape).astype(np.float32) / shape[0] ** 0.5, np.zeros(shape[1], np.float32))
        for shape in shapes
    ]
    inputs, wanted = numpy.asarray(x), numpy.asarray(t)

    def loss_of(parameters: Any) -> Any:
        h = inputs
        for number, (W, b) in enumerate(parameters):
            h = h @ W + b
            h = jax.nn.relu(h) if number < len(parameters) - 1 else h
        return ((h - wanted) ** 2).sum() / len(t)

    def step(state: Any, _: Any = None) -> tuple[Any, Any]:
        parameters, m, v, count = state
        loss, grads = jax.value_and_grad(loss_of)(parameters)
        count = count + 1
        tree = jax.tree_util.tree_map
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        rate = 0.001 * numpy.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        parameters = tree(lambda p, m, v: p - rate * m / (numpy.sqrt(v) + 1e-8), parameters, m, v)
        return (parameters, m, v, count), loss

    zeros = jax.tree_util.tree_map(numpy.zeros_like, first)
    return jax, step, (jax.tree_util.tree_map(numpy.asarray, first), zeros, zeros, numpy.float32(0))


def jax_calls(x: Array, t: Array, sizes: Sequence[int]) -> Steps:
    """A compiled step, called again and again."""
    jax, step, state = _jax_step(x, t, sizes)
    compiled = jax.jit(step)

    def steps(times: int) -> float:
        nonlocal state
        loss: Any = 0.0
        for _ in range(times):
            state, loss = compiled(state)
        return float(loss)

    return steps


def jax_scan(x: Array, t: Array, sizes: Sequence[int]) -> Steps:
    """All steps compiled into one call."""
    jax, step, state = _jax_step(x, t, sizes)
    compiled = jax.jit(lambda state, times: jax.lax.scan(step, state, None, length=times), static_argnums=1)

    def steps(times: int) -> float:
        nonlocal state
        state, losses = compiled(state, times)
        return float(losses[-1])

    return steps


# --- DeZero ----------------------------------------------------------------------------------------------------------


def dezero_mlp(x: Array, t: Array, sizes: Sequence[int]) -> Steps:
    """As its users write it."""
    functions, models, optimizers = (peer(f"dezero.{name}") for name in ("functions", "models", "optimizers"))
    model = models.MLP(tuple(sizes), activation=functions.relu)
    optimizer = optimizers.Adam().setup(model)

    def step() -> Any:
        loss = functions.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss.data

    return repeated(step)


def dezero_lstm(xs: Array, t: Array) -> Steps:
    """As its users write it: step by step."""
    functions, layers, models, optimizers = (
        peer(f"dezero.{name}") for name in ("functions", "layers", "models", "optimizers")
    )
    model = models.Model()
    model.lstm, model.out = layers.LSTM(64), layers.Linear(t.shape[1])
    optimizer = optimizers.Adam().setup(model)

    def step() -> Any:
        model.lstm.reset_state()
        for x in xs:
            h = model.lstm(x)
        loss = functions.mean_squared_error(model.out(h), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss.data

    return repeated(step)


# --- NumPy by hand ---------------------------------------------------------------------------------------------------


def numpy_mlp(x: Array, t: Array, sizes: Sequence[int]) -> Steps:
    """What no framework costs: the same step with its gradients written out, into buffers made before."""
    rng = np.random.default_rng(1)
    pairs = list(zip((x.shape[1], *sizes), sizes, strict=False))
    n = sum(inputs * outputs + outputs for inputs, outputs in pairs)
    theta, g, m, v, first, second = np.zeros((6, n), np.float32)
    weights, gradients = _views(theta, pairs), _views(g, pairs)
    for W, _ in weights:
        W[...] = rng.standard_normal(W.shape, np.float32) / np.float32(len(W) ** 0.5)
    hidden = [np.zeros((len(x), outputs), np.float32) for _, outputs in pairs]
    back = [np.zeros_like(h) for h in hidden]
    count = 0

    def step() -> Any:
        nonlocal count
        count += 1
        h = x
        for number, ((W, b), y) in enumerate(zip(weights, hidden, strict=True)):
            np.matmul(h, W, out=y)
            y += b
            h = np.maximum(y, 0, out=y) if number < len(pairs) - 1 else y
        d = np.subtract(h, t, out=back[-1])
        loss = np.vdot(d, d) / len(x)
        d *= 2 / len(x)
        for number in range(len(pairs) - 1, -1, -1):
            before = hidden[number - 1] if number else x
            np.matmul(before.T, d, out=gradients[number][0])
            np.add.reduce(d, axis=0, out=gradients[number][1])
            if number:
                d = np.matmul(d, weights[number][0].T, out=back[number - 1])
                d *= before > 0
        _adam(theta, g, m, v, first, second, count)
        return loss

    return repeated(step)


def _adam(theta: Array, g: Array, m: Array, v: Array, first: Array, second: Array, count: int) -> None:
    np.subtract(g, m, out=first)
    first *= 0.1
    m += first
    np.multiply(g, g, out=first)
    first -= v
    first *= 0.001
    v += first
    np.sqrt(v, out=first)
    first += 1e-8
    np.divide(m, first, out=second)
    second *= 0.001 * (1 - 0.999**count) ** 0.5 / (1 - 0.9**count)
    theta -= second


def _views(vector: Array, pairs: Sequence[tuple[int, int]]) -> list[tuple[Array, Array]]:
    parts, at = [], 0
    for inputs, outputs in pairs:
        W = vector[at : at + inputs * outputs].reshape(inputs, outputs)
        at += inputs * outputs
        parts.append((W, vector[at : at + outputs]))
        at += outputs
    return parts
