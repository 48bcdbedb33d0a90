"""Training steps on small networks, eager and recorded, beside PyTorch's (eager and compiled), JAX's and DeZero's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

import cartwheel.nn as nn
from benchmarks import peers
from benchmarks.peers import Array, Steps, repeated
from benchmarks.records import (
    Comparison,
    Contestant,
    Figure,
    Sample,
    Setting,
    UnavailableError,
    benchmark,
    timed,
)
from cartwheel.errors import CartwheelError
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn import optimizers
from cartwheel.nn.capture import capture

_EAGER, _CALLS, _LOOP = "Cartwheel, eager", "Cartwheel, recorded, a call a step", "Cartwheel, recorded, all in one call"
_TORCH, _TORCH_COMPILED = "PyTorch, eager, fused Adam", "PyTorch, torch.compile, fused Adam"
_DEZERO, _NUMPY = "DeZero", "NumPy by hand"
_JIT, _SCAN = "JAX, a compiled call a step", "JAX, a compiled scan"

_SMALL, _TINY, _LARGE = "MLP 4-64-64-2, batch 64", "MLP 4-16-2, batch 1", "MLP 8-256-256-4, batch 256"
_LSTM, _GRU = "LSTM 64, input 8, 32 steps, batch 32", "GRU 64, input 8, 32 steps, batch 32"


def _against(job: str, who: str, other: str, at_most: float | None = None) -> Comparison:
    """The time of one over that of another. JAX's is wall time: it has a second thread that spins, which is no work."""
    first, second = f"{job}: {who}", f"{job}: {other}"
    figure: Figure = "wall seconds" if other in (_JIT, _SCAN) else "CPU seconds"
    return Comparison(f"{first} / {other}", figure, "ratio", first, second, at_most=at_most)


_COMPARISONS = (
    _against(_SMALL, _EAGER, _TORCH, 0.8),
    _against(_SMALL, _EAGER, _DEZERO, 0.9),
    _against(_LSTM, _EAGER, _DEZERO, 0.5),
    _against(_SMALL, _LOOP, _NUMPY, 0.6),
    _against(_SMALL, _LOOP, _TORCH, 0.1),
    _against(_SMALL, _LOOP, _SCAN, 1.0),
    _against(_SMALL, _CALLS, _JIT, 0.4),
    _against(_TINY, _LOOP, _NUMPY, 0.06),
    _against(_TINY, _LOOP, _SCAN, 1.0),
    _against(_LARGE, _LOOP, _NUMPY, 1.0),
    _against(_LSTM, _LOOP, _TORCH, 1.0),
    _against(_GRU, _LOOP, _TORCH, 1.0),
)


@benchmark(
    "gradient",
    "A whole training step, float32, one thread: forward, mean squared error (divided by the rows), backward, Adam. "
    "The recurrent networks read 32 steps, and a dense layer with 4 outputs on their last one is trained with them.",
    _COMPARISONS,
    unit="steps",
    rate="per CPU second",
)
def gradient(setting: Setting) -> Iterator[Contestant]:
    """The contestants of all jobs; UsageError where a peer is not installed."""
    rng = np.random.default_rng(0)
    for job, inputs, sizes, batch, times in (
        (_SMALL, 4, (64, 64, 2), 64, 300),
        (_TINY, 4, (16, 2), 1, 1000),
        (_LARGE, 8, (256, 256, 4), 256, 40),
    ):
        data = _regression(rng, inputs, sizes[-1], batch)
        makers: dict[str, Callable[[], Steps]] = {
            _EAGER: partial(_eager_mlp, *data, sizes),
            _CALLS: partial(_recorded_mlp, *data, sizes, False),
            _LOOP: partial(_recorded_mlp, *data, sizes, True),
            _TORCH: partial(peers.torch_mlp, *data, sizes),
            _TORCH_COMPILED: partial(peers.torch_mlp, *data, sizes, compiled=True),
            _JIT: partial(peers.jax_calls, *data, sizes),
            _SCAN: partial(peers.jax_scan, *data, sizes),
            _DEZERO: partial(peers.dezero_mlp, *data, sizes),
            _NUMPY: partial(peers.numpy_mlp, *data, sizes),
        }
        yield from _contestants(job, makers, max(2, times // 20) if setting.quick else times)
    for job, kind in ((_LSTM, "LSTM"), (_GRU, "GRU")):
        data = _sequences(rng)
        makers = {
            _EAGER: partial(_recurrent, *data, kind, False),
            _LOOP: partial(_recurrent, *data, kind, True),
            _TORCH: partial(peers.torch_recurrent, *data, kind),
        }
        if kind == "LSTM":
            makers[_DEZERO] = partial(peers.dezero_lstm, *data)
        yield from _contestants(job, makers, 2 if setting.quick else 20)


def _contestants(job: str, makers: dict[str, Callable[[], Steps]], times: int) -> Iterator[Contestant]:
    for who, make in makers.items():
        name = f"{job}: {who}"
        try:
            yield Contestant(name, _turn(name, make(), times))
        except UnavailableError as why:
            yield Contestant(f"{name} ({why})", None)


def _turn(name: str, steps: Steps, times: int) -> Callable[[], Sample]:
    """So many steps, whose loss must fall: a contestant that learns nothing skips work."""
    first = steps(1)
    steps(times)  # what compiles for this number compiles now

    def job() -> float:
        loss = steps(times)
        if not loss < first:
            raise CartwheelError(f"{name} does not learn: its loss went from {first:.4g} to {loss:.4g}")
        return float(times)

    return lambda: timed(job)


def _regression(rng: np.random.Generator, inputs: int, outputs: int, batch: int) -> tuple[Array, Array]:
    x = rng.standard_normal((batch, inputs), np.float32)
    return x, np.stack([np.sin(x[:, k % inputs] + k) for k in range(outputs)], axis=1)


def _sequences(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.standard_normal((32, 32, 8), np.float32)  # (T, B, d)
    return x, x[-8:, :, :4].mean(axis=0)


def _step(model: nn.Model) -> Callable[..., nn.Variable]:
    optimizer = optimizers.Adam().setup(model)

    def step(x: Array, t: Array) -> nn.Variable:
        loss: nn.Variable = F.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    return step


def _eager(model: nn.Model, x: Array, t: Array) -> Steps:
    step = _step(model)
    return repeated(lambda: step(x, t).data)


def _recorded(model: nn.Model, x: Array, t: Array, in_one_call: bool) -> Steps:
    step = capture(_step(model))
    slow = sorted({row.entry.name for row in step.program(x, t).rows if row.words is None})
    if slow:
        raise CartwheelError(f"there is no opcode for {', '.join(slow)}: that is no recorded step")
    if in_one_call:
        return lambda times: step.repeat(times, x, t).item()
    return repeated(lambda: step(x, t).data)


def _eager_mlp(x: Array, t: Array, sizes: Sequence[int]) -> Steps:
    return _eager(nn.MLP(sizes, activation=F.relu), x, t)


def _recorded_mlp(x: Array, t: Array, sizes: Sequence[int], in_one_call: bool) -> Steps:
    return _recorded(nn.MLP(sizes, activation=F.relu), x, t, in_one_call)


class _Recurrent(nn.Model):
    """A dense layer on the last output of a recurrent one."""

    def __init__(self, kind: str, outputs: int) -> None:
        self.memory, self.out = getattr(L, kind)(64), L.Linear(outputs)

    def forward(self, xs: Array) -> nn.Variable:
        """(T, B, d) to (B, o)."""
        self.memory.reset_state()
        y: nn.Variable = self.out(self.memory(xs)[-1])
        return y


def _recurrent(xs: Array, t: Array, kind: str, recorded: bool) -> Steps:
    model = _Recurrent(kind, t.shape[1])
    return _recorded(model, xs, t, in_one_call=True) if recorded else _eager(model, xs, t)
