"""Training steps on small networks, eager: forward, loss, backward and Adam, beside PyTorch's and DeZero's."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import cartwheel.nn as nn
from benchmarks.records import Comparison, Contestant, Sample, Setting, benchmark, timed
from cartwheel.errors import UsageError
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn import optimizers

Array: TypeAlias = NDArray[np.float32]
Step: TypeAlias = Callable[[], float]

_OURS, _TORCH, _DEZERO, _NUMPY = "Cartwheel, eager", "PyTorch, fused Adam", "DeZero", "NumPy by hand"
_MLP, _LSTM = "MLP 4-64-64-2, batch 64", "LSTM 64, input 8, 32 steps, batch 32"


def _named(job: str, who: str) -> str:
    return f"{job}: {who}"


def _against(job: str, peer: str, at_most: float | None = None) -> Comparison:
    """Our time over a peer's."""
    ours, theirs = _named(job, _OURS), _named(job, peer)
    return Comparison(f"{job}, over {peer}", "CPU seconds", "ratio", ours, theirs, at_most=at_most)


_COMPARISONS = (
    _against(_MLP, _TORCH, 0.8),
    _against(_MLP, _DEZERO, 0.9),
    _against(_MLP, _NUMPY),
    _against(_LSTM, _DEZERO, 0.5),
    _against(_LSTM, _TORCH),
)


@benchmark(
    "gradient",
    "A whole training step, float32, one thread: forward, mean squared error, backward, Adam. The recurrent network "
    "reads 32 steps, and a dense layer on its last output is trained with it.",
    _COMPARISONS,
    unit="steps",
    rate="per CPU second",
)
def gradient(setting: Setting) -> Iterator[Contestant]:
    """The contestants of both jobs; UsageError where a peer is not installed."""
    rng = np.random.default_rng(0)
    jobs: dict[str, tuple[tuple[Array, Array], dict[str, Callable[[Array, Array], Step]], int]] = {
        _MLP: (_mlp_data(rng), {_OURS: _our_mlp, _TORCH: _torch_mlp, _DEZERO: _dezero_mlp, _NUMPY: _numpy_mlp}, 400),
        _LSTM: (_lstm_data(rng), {_OURS: _our_lstm, _TORCH: _torch_lstm, _DEZERO: _dezero_lstm}, 20),
    }
    for job, (data, makers, steps) in jobs.items():
        for who, make in makers.items():
            step = make(*data)
            yield Contestant(
                _named(job, who), _turn(_named(job, who), step, max(1, steps // 20) if setting.quick else steps)
            )


def _turn(name: str, step: Step, steps: int) -> Callable[[], Sample]:
    """Some steps, whose loss must fall: a contestant that learns nothing skips work."""
    first = step()

    def job() -> float:
        for _ in range(steps):
            loss = step()
        if not loss < first:
            raise UsageError(f"{name} does not learn: its loss went from {first:.4g} to {loss:.4g}")
        return float(steps)

    return lambda: timed(job)


def _mlp_data(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.standard_normal((64, 4), np.float32)
    return x, np.stack([x[:, 0] * x[:, 1], np.sin(x[:, 2])], axis=1)


def _lstm_data(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.standard_normal((32, 32, 8), np.float32)  # (T, B, d)
    return x, x[-8:, :, :1].mean(axis=0)


# --- Cartwheel -------------------------------------------------------------------------------------------------------


def _our_mlp(x: Array, t: Array) -> Step:
    model = nn.MLP((64, 64, 2), activation=F.relu)
    optimizer = optimizers.Adam().setup(model)

    def step() -> float:
        loss = F.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return float(loss.data)

    return step


class _Recurrent(nn.Model):
    """A dense layer on the last output of an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = L.LSTM(64), L.Linear(1)

    def forward(self, xs: Array) -> nn.Variable:
        """(T, B, d) to (B, 1)."""
        self.lstm.reset_state()
        y: nn.Variable = self.out(self.lstm(xs)[-1])
        return y


def _our_lstm(xs: Array, t: Array) -> Step:
    model = _Recurrent()
    optimizer = optimizers.Adam().setup(model)

    def step() -> float:
        loss = F.mean_squared_error(model(xs), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return float(loss.data)

    return step


# --- PyTorch ---------------------------------------------------------------------------------------------------------


def _peer(name: str) -> Any:
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"{name} is not installed; make bench installs it")
    if name == "dezero" and not hasattr(np, "int"):
        setattr(np, "int", int)  # noqa: B010  # it was written for an older NumPy
    return importlib.import_module(name)


def _torch_step(torch: Any, forward: Callable[[Any], Any], parameters: Any, x: Array, t: Array) -> Step:
    torch.set_num_threads(1)
    inputs, wanted = torch.from_numpy(x), torch.from_numpy(t)
    optimizer = torch.optim.Adam(parameters, fused=True)

    def step() -> float:
        loss = torch.nn.functional.mse_loss(forward(inputs), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def _torch_mlp(x: Array, t: Array) -> Step:
    torch = _peer("torch")
    made = torch.nn
    model = made.Sequential(made.Linear(4, 64), made.ReLU(), made.Linear(64, 64), made.ReLU(), made.Linear(64, 2))
    return _torch_step(torch, model, model.parameters(), x, t)


def _torch_lstm(xs: Array, t: Array) -> Step:
    torch = _peer("torch")
    lstm, out = torch.nn.LSTM(8, 64), torch.nn.Linear(64, 1)
    return _torch_step(torch, lambda x: out(lstm(x)[0][-1]), [*lstm.parameters(), *out.parameters()], xs, t)


# --- DeZero ----------------------------------------------------------------------------------------------------------


def _dezero_mlp(x: Array, t: Array) -> Step:
    _peer("dezero")
    functions, models, peers = (
        importlib.import_module(f"dezero.{name}") for name in ("functions", "models", "optimizers")
    )
    model = models.MLP((64, 64, 2), activation=functions.relu)
    optimizer = peers.Adam().setup(model)

    def step() -> float:
        loss = functions.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return float(loss.data)

    return step


def _dezero_lstm(xs: Array, t: Array) -> Step:
    _peer("dezero")
    functions, layers, models, peers = (
        importlib.import_module(f"dezero.{name}") for name in ("functions", "layers", "models", "optimizers")
    )
    model = models.Model()
    model.lstm, model.out = layers.LSTM(64), layers.Linear(1)
    optimizer = peers.Adam().setup(model)

    def step() -> float:
        model.lstm.reset_state()
        for x in xs:
            h = model.lstm(x)
        loss = functions.mean_squared_error(model.out(h), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return float(loss.data)

    return step


# --- NumPy by hand ---------------------------------------------------------------------------------------------------


def _numpy_mlp(x: Array, t: Array) -> Step:
    """What no framework costs: the same step with its gradients written out."""
    rng = np.random.default_rng(1)
    shapes = [(4, 64), (64,), (64, 64), (64,), (64, 2), (2,)]
    sizes = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    theta = np.zeros(sizes[-1], np.float32)
    parts = [theta[a:b].reshape(shape) for a, b, shape in zip(sizes, sizes[1:], shapes, strict=False)]
    W1, b1, W2, b2, W3, b3 = parts
    for weight in (W1, W2, W3):
        weight[...] = rng.standard_normal(weight.shape, np.float32) / np.sqrt(np.float32(len(weight)))
    m, v, g = np.zeros_like(theta), np.zeros_like(theta), np.zeros_like(theta)
    gW1, gb1, gW2, gb2, gW3, gb3 = [
        g[a:b].reshape(shape) for a, b, shape in zip(sizes, sizes[1:], shapes, strict=False)
    ]
    count = 0

    def step() -> float:
        nonlocal count
        count += 1
        h1 = np.maximum(x @ W1 + b1, 0)
        h2 = np.maximum(h1 @ W2 + b2, 0)
        difference = h2 @ W3 + b3 - t
        d3 = difference * np.float32(2 / len(x))
        np.matmul(h2.T, d3, out=gW3)
        d3.sum(axis=0, out=gb3)
        d2 = (d3 @ W3.T) * (h2 > 0)
        np.matmul(h1.T, d2, out=gW2)
        d2.sum(axis=0, out=gb2)
        d1 = (d2 @ W2.T) * (h1 > 0)
        np.matmul(x.T, d1, out=gW1)
        d1.sum(axis=0, out=gb1)
        m[...] = 0.9 * m + 0.1 * g
        v[...] = 0.999 * v + 0.001 * g * g
        rate = 0.001 * float(np.sqrt(1 - 0.999**count)) / (1 - 0.9**count)
        theta[...] -= rate * m / (np.sqrt(v) + 1e-8)
        return float((difference * difference).sum() / len(x))

    return step
