"""An LSTM remembers: two tasks of Hochreiter and Schmidhuber's that a network without a lasting memory can't learn.

Run it with `python examples/sequence_memory.py`. In the adding problem 100 numbers go by, two of them are marked, and
their sum is asked for at the end: always answering 1 has a mean squared error of 1/6, and 0.01 is the aim. In the copy
task 5 symbols out of 8 are shown, and have to be repeated in their order after a delay of 20 steps: guessing is right
once in 8, and 99 % is the aim. Both are measured on 1,000 sequences that are never learnt from; those for learning are
drawn anew for every step. The table at the end shows how many steps and seconds it took.

What is easily got wrong: sequences are learnt from a fresh memory, so `reset_state` comes before each; the forget gate
should begin nearly open (its bias at 1), or the memory halves with every step before anything is learnt; gradients
through 100 steps are sometimes huge, so they are clipped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cartwheel.nn import Model, Variable, no_grad, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.capture import capture
from cartwheel.nn.datasets import get_adding, get_copy

LENGTH, SHOWN, DELAY, SYMBOLS = 100, 5, 20, 8


class Memory(Model):
    """An LSTM, and a linear layer that reads its memory."""

    def __init__(self, inputs: int, hidden: int, outputs: int, rng: np.random.Generator) -> None:
        self.lstm = L.LSTM(hidden, in_size=inputs, rng=rng)
        self.lstm.b.data[hidden : 2 * hidden] = 1.0  # the forget gate's part of (u, f, i, o)
        self.readout = L.Linear(outputs, in_size=hidden, rng=rng)

    def forward(self, xs: Any, last: int) -> Variable:
        """Sequences xs (T, B, d) to what is read at the last steps (last, B, o)."""
        self.reset_state()
        return self.readout(self.lstm(xs)[-last:])


@dataclass(frozen=True)
class Task:
    """What is to be learnt; y (last, B, outputs) are the answers at the last steps.

    `batch(rng, size)` gives sequences (T, size, inputs) and what is wanted, t; `loss(y, t)` is to be made small;
    `measure(y, t)` is what counts, and `reached(measure)` says when it is good enough.
    """

    name: str
    sizes: tuple[int, int, int]  # inputs, hidden, outputs
    last: int
    lr: float
    batch: Callable[[np.random.Generator, int], tuple[Any, Any]]
    loss: Callable[[Any, Any], Variable]
    measure: Callable[[Any, Any], float]
    reached: Callable[[float], bool]


# --- the adding problem ----------------------------------------------------------------------------------------------


def adding_batch(rng: np.random.Generator, size: int) -> tuple[Any, Any]:
    """Numbers and markers (100, size, 2), and the sums (1, size, 1)."""
    x, t = get_adding(size, LENGTH, rng)
    return x.swapaxes(0, 1), t[np.newaxis]


def mean_square(y: Any, t: Any) -> Variable:
    """The mean squared error of the sums."""
    return F.mean((y - t) ** 2)


# --- the copy task ---------------------------------------------------------------------------------------------------


def copy_batch(rng: np.random.Generator, size: int) -> tuple[Any, Any]:
    """One-hot vectors (30, size, 10) of symbols, blanks and the sign to begin; and the symbols wanted (5, size)."""
    x, t = get_copy(size, SHOWN, DELAY, rng, SYMBOLS)
    return np.eye(SYMBOLS + 2, dtype=np.float32)[x.T], t.T[-SHOWN:]


def cross_entropy(y: Any, t: Any) -> Variable:
    """The mean cross-entropy of the symbols wanted."""
    return F.softmax_cross_entropy(F.reshape(y, (-1, y.shape[-1])), t.reshape(-1))


def accuracy(y: Any, t: Any) -> float:
    """The share of symbols that are right."""
    return float(np.mean(y.data.argmax(axis=-1) == t))


TASKS = [
    Task(
        name="adding problem: mean squared error",
        sizes=(2, 32, 1),
        last=1,
        lr=0.01,
        batch=adding_batch,
        loss=mean_square,
        measure=lambda y, t: mean_square(y, t).item(),
        reached=lambda measure: measure < 0.01,
    ),
    Task(
        name="copy task: accuracy",
        sizes=(SYMBOLS + 2, 64, SYMBOLS + 2),
        last=SHOWN,
        lr=0.005,
        batch=copy_batch,
        loss=cross_entropy,
        measure=accuracy,
        reached=lambda measure: measure >= 0.99,
    ),
]

# --- training --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """How far a network came, in how many steps and seconds."""

    measure: float
    reached: bool
    steps: int
    seconds: float


def train(
    task: Task, seed: int, most_steps: int, every: int = 100, batch_size: int = 64, recorded: bool = False
) -> Result:
    """Learn until the measure, looked at after `every` steps, is good enough, or for `most_steps`."""
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    xs, wanted = task.batch(np.random.default_rng([seed, 1]), 1000)
    model = Memory(*task.sizes, rng)
    optimizer = optimizers.Adam(task.lr).setup(model)
    optimizer.add_hook(optimizers.ClipGrad(1.0))

    def learn(x: Any, t: Any) -> Variable:
        loss = task.loss(model(x, task.last), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    learn_from = capture(learn) if recorded else learn
    for step in range(1, most_steps + 1):
        loss = learn_from(*task.batch(rng, batch_size))
        if step % every == 0 or step == most_steps:
            measure = measured(model, task, xs, wanted)
            print(f"step {step:5d}   loss {loss.item():.5f}   {task.name} {measure:.5f}")
            if task.reached(measure):
                break
    return Result(measure, task.reached(measure), step, time.perf_counter() - started)


def measured(model: Memory, task: Task, xs: Any, wanted: Any) -> float:
    """The measure on sequences that are not learnt from."""
    with no_grad():
        return task.measure(model(xs, task.last), wanted)


def main(words: Sequence[str] | None = None) -> None:
    """Learn both tasks, and print a table."""
    parser = argparse.ArgumentParser(description="An LSTM learns to remember.")
    parser.add_argument("--seed", type=int, default=0, help="of weights and sequences")
    parser.add_argument("--steps", type=int, default=10_000, help="for each task at most")
    parser.add_argument("--recorded", action="store_true", help="record the training step, and replay it")
    options = parser.parse_args(words)
    results = [(task.name, train(task, options.seed, options.steps, recorded=options.recorded)) for task in TASKS]
    print(f"\n{'':36}{'reached':>8}{'steps':>8}{'seconds':>9}")
    for name, result in results:
        print(f"{name:36}{result.measure:8.4f}{result.steps:8d}{result.seconds:9.1f}")


if __name__ == "__main__":
    main()
