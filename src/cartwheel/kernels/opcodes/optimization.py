"""Opcodes that change the one vector: the rules of `nn.optimizers`, one loop each, and the hooks before them.

Each number is computed by the operations of `nn/optimizers/rules.py` in their order; what depends on the step alone is
computed in float64 and then rounded.

The words of a row: 1 how many numbers n; 2 the place among the integers of the number of updates made before, and 3
how much to add to it when done (1, or 0 where another row of the same update counts it); 4 which settings stand in
memory: bit k for the k-th; 5 theta, 6 grad, 7 and 8 the memory (n,), or for a hook 7 the new gradient; from 9 on the
settings in the order in which the optimizer's class names them: the bits of a float64, or an offset where its bit in
word 4 is set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.distinct import distinct
from cartwheel.kernels.opcodes.forms import stretch
from cartwheel.kernels.opcodes.registry import EXACT, Form, Span, opcode, summed
from cartwheel.kernels.sums import total

COUNT, STEP, ADVANCE, IN_MEMORY, THETA, GRAD, FIRST, SECOND, SETTINGS = range(1, 10)


def _rule(memories: int, settings: int) -> Form:
    """The form of an optimizer that remembers so many vectors."""

    def spans(row: Any) -> Iterator[Span]:
        if row[ADVANCE] not in (0, 1):
            raise ValueError("a step that does not advance by 0 or 1")
        yield stretch(row[STEP], 1, written=True, of_integers=True)
        yield stretch(row[GRAD], row[COUNT])
        for word in (THETA, FIRST, SECOND)[: 1 + memories]:
            yield stretch(row[word], row[COUNT], written=True)
        yield from _settings(row, settings)

    return lambda row: distinct(spans(row))


def _hook(settings: int, *, of_theta: bool = False) -> Form:
    """The form of a change of the gradient, which gives a new one."""

    def spans(row: Any) -> Iterator[Span]:
        for word in (THETA, GRAD) if of_theta else (GRAD,):
            yield stretch(row[word], row[COUNT])
        yield stretch(row[FIRST], row[COUNT], written=True)
        yield from _settings(row, settings)

    return lambda row: distinct(spans(row))


def _settings(row: Any, settings: int) -> Iterator[Span]:
    if not 0 <= row[IN_MEMORY] < 1 << settings:
        raise ValueError(f"settings in memory other than the first {settings}")
    for number in range(settings):
        if row[IN_MEMORY] >> number & 1:
            yield stretch(row[SETTINGS + number], 1)


@compiled()
def _vector(row: Any, numbers: Any, word: int) -> Any:
    """The vector (n,) whose offset stands in a word."""
    return part(numbers, row[word], row[COUNT])


@compiled()
def _setting(row: Any, numbers: Any, number: int) -> Any:
    """A setting, in float64."""
    word = row[SETTINGS + number]
    if row[IN_MEMORY] >> number & 1:
        return np.float64(numbers[word])
    return np.int64(word).view(np.float64)


@compiled()
def _next(row: Any, integers: Any) -> Any:
    """The number t of this update, from 1; counts it."""
    before = integers[row[STEP]]
    integers[row[STEP]] = before + row[ADVANCE]
    return np.float64(before + 1)


# --- rules -----------------------------------------------------------------------------------------------------------


@opcode(_rule(0, 1), EXACT)
def sgd(row: Any, numbers: Any, integers: Any) -> None:
    """Theta - lr g; settings lr."""
    theta, g = _vector(row, numbers, THETA), _vector(row, numbers, GRAD)
    _next(row, integers)
    lr = theta.dtype.type(_setting(row, numbers, 0))
    for i in range(len(theta)):
        theta[i] -= lr * g[i]


@opcode(_rule(1, 2), EXACT)
def momentum(row: Any, numbers: Any, integers: Any) -> None:
    """V <- momentum v - lr g; theta + v; settings lr, momentum."""
    theta, g, v = _vector(row, numbers, THETA), _vector(row, numbers, GRAD), _vector(row, numbers, FIRST)
    _next(row, integers)
    kind = theta.dtype.type
    lr, kept = kind(_setting(row, numbers, 0)), kind(_setting(row, numbers, 1))
    for i in range(len(theta)):
        v[i] = kept * v[i] - lr * g[i]
        theta[i] += v[i]


@opcode(_rule(1, 2), EXACT)
def nesterov(row: Any, numbers: Any, integers: Any) -> None:
    """V <- momentum v + g; theta - lr (g + momentum v); settings lr, momentum."""
    theta, g, v = _vector(row, numbers, THETA), _vector(row, numbers, GRAD), _vector(row, numbers, FIRST)
    _next(row, integers)
    kind = theta.dtype.type
    lr, kept = kind(_setting(row, numbers, 0)), kind(_setting(row, numbers, 1))
    for i in range(len(theta)):
        v[i] = kept * v[i] + g[i]
        theta[i] -= lr * (g[i] + kept * v[i])


@opcode(_rule(1, 2), EXACT)
def ada_grad(row: Any, numbers: Any, integers: Any) -> None:
    """H <- h + g^2; theta - lr g / (sqrt(h) + eps); settings lr, eps."""
    theta, g, h = _vector(row, numbers, THETA), _vector(row, numbers, GRAD), _vector(row, numbers, FIRST)
    _next(row, integers)
    kind = theta.dtype.type
    lr, eps = kind(_setting(row, numbers, 0)), kind(_setting(row, numbers, 1))
    for i in range(len(theta)):
        h[i] += g[i] * g[i]
        theta[i] -= lr * g[i] / (np.sqrt(h[i]) + eps)


@opcode(_rule(2, 2), EXACT)
def ada_delta(row: Any, numbers: Any, integers: Any) -> None:
    """The four lines of `AdaDelta`; memory msg, msdx; settings rho, eps."""
    theta, g = _vector(row, numbers, THETA), _vector(row, numbers, GRAD)
    msg, msdx = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND)
    _next(row, integers)
    kind = theta.dtype.type
    kept = _setting(row, numbers, 0)
    rho, rest, eps = kind(kept), kind(1.0 - kept), kind(_setting(row, numbers, 1))
    for i in range(len(theta)):
        msg[i] = rho * msg[i] + rest * g[i] * g[i]
        dx = np.sqrt((msdx[i] + eps) / (msg[i] + eps)) * g[i]
        msdx[i] = rho * msdx[i] + rest * dx * dx
        theta[i] -= dx


@opcode(_rule(1, 3), EXACT)
def rmsprop(row: Any, numbers: Any, integers: Any) -> None:
    """H <- rho h + (1 - rho) g^2; theta - lr g / (sqrt(h) + eps); settings lr, rho, eps."""
    theta, g, h = _vector(row, numbers, THETA), _vector(row, numbers, GRAD), _vector(row, numbers, FIRST)
    _next(row, integers)
    kind = theta.dtype.type
    kept = _setting(row, numbers, 1)
    lr, rho, rest, eps = kind(_setting(row, numbers, 0)), kind(kept), kind(1.0 - kept), kind(_setting(row, numbers, 2))
    for i in range(len(theta)):
        h[i] = rho * h[i] + rest * g[i] * g[i]
        theta[i] -= lr * g[i] / (np.sqrt(h[i]) + eps)


@opcode(_rule(2, 4), EXACT)
def adam(row: Any, numbers: Any, integers: Any) -> None:
    """M <- m + (1 - beta1) (g - m); v likewise; theta - rate m / (sqrt(v) + eps).

    rate is alpha sqrt(1 - beta2^t) / (1 - beta1^t); memory m, v; settings alpha, beta1, beta2, eps.
    """
    theta, g = _vector(row, numbers, THETA), _vector(row, numbers, GRAD)
    m, v = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND)
    t = _next(row, integers)
    alpha, beta1, beta2 = _setting(row, numbers, 0), _setting(row, numbers, 1), _setting(row, numbers, 2)
    kind = theta.dtype.type
    rate = kind(alpha * math.sqrt(1.0 - math.pow(beta2, t)) / (1.0 - math.pow(beta1, t)))
    rest1, rest2, eps = kind(1.0 - beta1), kind(1.0 - beta2), kind(_setting(row, numbers, 3))
    for i in range(len(theta)):
        m[i] += rest1 * (g[i] - m[i])
        v[i] += rest2 * (g[i] * g[i] - v[i])
        theta[i] -= rate * m[i] / (np.sqrt(v[i]) + eps)


@opcode(_rule(2, 5), EXACT)
def adamw(row: Any, numbers: Any, integers: Any) -> None:
    """Adam with decoupled weight decay, as `AdamW`; memory m, v; settings alpha, beta1, beta2, eps, weight_decay."""
    theta, g = _vector(row, numbers, THETA), _vector(row, numbers, GRAD)
    m, v = _vector(row, numbers, FIRST), _vector(row, numbers, SECOND)
    t = _next(row, integers)
    alpha, beta1, beta2 = _setting(row, numbers, 0), _setting(row, numbers, 1), _setting(row, numbers, 2)
    kind = theta.dtype.type
    kept = kind(1.0 - alpha * _setting(row, numbers, 4))
    rate, root = kind(alpha / (1.0 - math.pow(beta1, t))), kind(math.sqrt(1.0 - math.pow(beta2, t)))
    rest1, rest2, eps = kind(1.0 - beta1), kind(1.0 - beta2), kind(_setting(row, numbers, 3))
    for i in range(len(theta)):
        m[i] += rest1 * (g[i] - m[i])
        v[i] += rest2 * (g[i] * g[i] - v[i])
        theta[i] = kept * theta[i] - rate * m[i] / (np.sqrt(v[i]) / root + eps)


# --- hooks -----------------------------------------------------------------------------------------------------------


@opcode(_hook(1, of_theta=True), EXACT)
def weight_decay(row: Any, numbers: Any, integers: Any) -> None:
    """Grad + rate theta; settings rate."""
    theta, g, changed = _vector(row, numbers, THETA), _vector(row, numbers, GRAD), _vector(row, numbers, FIRST)
    rate = g.dtype.type(_setting(row, numbers, 0))
    for i in range(len(g)):
        changed[i] = g[i] + rate * theta[i]


@opcode(_hook(1), summed(4))
def clip_norm(row: Any, numbers: Any, integers: Any) -> None:
    """Grad times max_norm / (|grad| + 1e-6), where that is less than 1; settings max_norm. NaN makes all of it NaN."""
    g, changed = _vector(row, numbers, GRAD), _vector(row, numbers, FIRST)
    kind = g.dtype.type
    for i in range(len(g)):
        changed[i] = g[i] * g[i]
    share = kind(_setting(row, numbers, 0)) / (np.sqrt(total(changed)) + kind(1e-6))
    if share > kind(1.0):
        share = kind(1.0)
    for i in range(len(g)):
        changed[i] = g[i] * share


@opcode(_hook(1), EXACT)
def clip_value(row: Any, numbers: Any, integers: Any) -> None:
    """Each number of the gradient into [-max_value, max_value]; settings max_value. NaN stays."""
    g, changed = _vector(row, numbers, GRAD), _vector(row, numbers, FIRST)
    most = g.dtype.type(_setting(row, numbers, 0))
    for i in range(len(g)):
        low = -most if g[i] < -most else g[i]
        changed[i] = most if low > most else low
