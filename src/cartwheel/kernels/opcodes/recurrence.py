"""Recurrent networks over all steps of a sequence: what they share, Elman's network, and its gradient through time.

As in `nn/functions/through_time.py`, what does not wait for its turn is left to products over all steps at once: x Wx
+ b comes ready for all steps, and a gradient's row gives the gradients by the arguments of the gates, of which the
next rows make those by xs, Wx, Wh and b. (`lstm.py` does these things itself, while the numbers are at hand.) h Wh is
a product of `products.py`. A loop over the numbers of a step gives one result: the less arrays there are in a loop, the
less has to be compared before it can go by vectors.

The words of a row: 1 to 3 steps T, batch B and size H; 4 Wh (H, G H) for G gates; 5 whether there are resets, 6 these
(T, B), not 0 where the memory is forgotten before a step. Then what the opcode names, in its order. All is
contiguous. No operand that is written lies over another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cartwheel.kernels.compile import compiled
from cartwheel.kernels.memory import part
from cartwheel.kernels.opcodes.distinct import distinct
from cartwheel.kernels.opcodes.forms import check_walk, stretch
from cartwheel.kernels.opcodes.gates import to_tanh
from cartwheel.kernels.opcodes.products import pack, product
from cartwheel.kernels.opcodes.registry import Form, Span, opcode, summed

STEPS, BATCH, SIZE, WEIGHTS, ANY_RESETS, RESETS, OPERANDS = range(1, 8)

#: So many rows of a batch go through one loop after another while they are in the processor's nearest cache.
TOGETHER = 8

#: Steps follow on each other, and what one is off goes into the next.
LEVEL = summed(8)


def form(gates: int, reads: str, writes: str) -> Form:
    """The form of a row whose operands, word by word, are as long as letters say.

    m (B, H) a memory, a (T, B, H) all memories, g (T, B, G H) all gates, s (B, G H) the gates of a step, w (G H, H) the
    weights.
    """

    def spans(row: Any) -> Iterator[Span]:
        steps, batch, size = row[STEPS:WEIGHTS].tolist()
        step, wide = batch * size, gates * batch * size
        lengths = {"m": step, "a": steps * step, "g": steps * wide, "s": wide, "w": gates * size * size}
        return operands(row, OPERANDS, reads, writes, lengths)

    return spans


def operands(row: Any, first: int, reads: str, writes: str, lengths: dict[str, int]) -> Iterator[Span]:
    """What a row touches: weights w, resets, and from word `first` on what is as long as its letter says."""
    steps, batch = row[STEPS : BATCH + 1].tolist()
    check_walk(*row[STEPS:WEIGHTS].tolist())
    if row[ANY_RESETS] not in (0, 1):
        raise ValueError("resets that make no sense")
    found = [stretch(row[WEIGHTS], lengths["w"])]
    if row[ANY_RESETS]:
        found.append(stretch(row[RESETS], steps * batch))
    for number, letter in enumerate(reads + writes):
        found.append(stretch(row[first + number], lengths[letter], written=number >= len(reads)))
    yield from distinct(found)


# --- what they share -------------------------------------------------------------------------------------------------


@compiled()
def line(row: Any, numbers: Any, offset: int, number: int) -> Any:
    """The H numbers at an offset and so many times H."""
    return part(numbers, offset + number * row[SIZE], row[SIZE])


@compiled()
def forget(row: Any, numbers: Any, t: int, memory: int) -> None:
    """Set the rows of a memory (B, H) to 0 that are forgotten before step t."""
    if row[ANY_RESETS] == 0:
        return
    for b in range(row[BATCH]):
        if numbers[row[RESETS] + t * row[BATCH] + b] != 0:
            line(row, numbers, memory, b)[:] = 0


@compiled()
def copy_memory(row: Any, numbers: Any, source: int, target: int) -> None:
    """Copy a memory (B, H)."""
    length = row[BATCH] * row[SIZE]
    x, y = part(numbers, source, length), part(numbers, target, length)
    for i in range(len(y)):
        y[i] = x[i]


@compiled()
def remember(row: Any, numbers: Any, t: int, first: int, hs: int, before: int) -> None:
    """The memory before step t, from the first one or that after the last step, with resets."""
    step = row[BATCH] * row[SIZE]
    copy_memory(row, numbers, first if t == 0 else hs + (t - 1) * step, before + t * step)
    forget(row, numbers, t, before + t * step)


@compiled()
def times_weights(row: Any, numbers: Any, gates: int, h: int, y: int) -> None:
    """y (B, G H) = h Wh."""
    columns = gates * row[SIZE]
    product(numbers, row[BATCH], row[SIZE], columns, h, row[SIZE], 1, row[WEIGHTS], columns, 0, 0, y)


@compiled()
def turn_weights(row: Any, numbers: Any, gates: int, turned: int) -> None:
    """turned (G H, H) = Wh.T."""
    columns = gates * row[SIZE]
    pack(numbers, row[WEIGHTS], 1, columns, columns, row[SIZE], turned)


@compiled()
def times_turned(row: Any, numbers: Any, gates: int, da: int, turned: int, y: int) -> None:
    """y (B, H) = da Wh.T."""
    inner = gates * row[SIZE]
    product(numbers, row[BATCH], inner, row[SIZE], da, inner, 1, turned, row[SIZE], 0, 0, y)


@compiled()
def add(x: Any, y: Any) -> None:
    """y = y + x."""
    for i in range(len(y)):
        y[i] += x[i]


# --- Elman -----------------------------------------------------------------------------------------------------------


@opcode(form(1, "m", "aas"), LEVEL)
def rnn(row: Any, numbers: Any, integers: Any) -> None:
    """Operands h (B, H), hs, before (T, B, H), scratch (B, H): h_t = tanh(a_t + h_(t-1) Wh), where hs begins as a."""
    h, hs, before, scratch = row[OPERANDS], row[OPERANDS + 1], row[OPERANDS + 2], row[OPERANDS + 3]
    step = row[BATCH] * row[SIZE]
    for t in range(row[STEPS]):
        remember(row, numbers, t, h, hs, before)
        times_weights(row, numbers, 1, before + t * step, scratch)
        new = part(numbers, hs + t * step, step)
        add(part(numbers, scratch, step), new)
        to_tanh(new)


@opcode(form(1, "aa", "amw"), LEVEL)
def rnn_gradient(row: Any, numbers: Any, integers: Any) -> None:
    """Operands dhs, hs, da (T, B, H), dh (B, H), scratch (H, H): da is by the arguments of tanh, dh by the first h."""
    dhs, hs, da, dh, turned = row[OPERANDS], row[OPERANDS + 1], row[OPERANDS + 2], row[OPERANDS + 3], row[OPERANDS + 4]
    step = row[BATCH] * row[SIZE]
    turn_weights(row, numbers, 1, turned)
    back = part(numbers, dh, step)
    back[:] = 0
    one = back.dtype.type(1.0)
    for t in range(row[STEPS] - 1, -1, -1):
        by_h, y = part(numbers, dhs + t * step, step), part(numbers, hs + t * step, step)
        by_a = part(numbers, da + t * step, step)
        for i in range(len(by_a)):
            by_a[i] = (one - y[i] * y[i]) * (by_h[i] + back[i])
        times_turned(row, numbers, 1, da + t * step, turned, dh)
        forget(row, numbers, t, dh)
