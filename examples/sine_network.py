"""A network 1-10-1 learns a noisy sine, written in four ways that give the same numbers.

Run it with `python examples/sine_network.py`. The data are 100 points of sin(2 pi x) + noise, uniform in [0, 1); the
loss is the mean squared error; each of the 10,000 steps uses all points. The four ways, each shorter to use than the
last: Variables and `F.linear` with updates by hand; layers `L.Linear`, with their `W`, `b` and `params()`; a `Model` of
one's own; and the model with `optimizers.SGD(lr).setup(model)` and `update()`. The picture goes to `sine_network.png`.

The table shows the loss of the last step whose number is a multiple of 1,000, where the books' programs print it last:
step 9,000 of 10,000. From weights as DeZero 0.0.13 draws them it is 0.0761937449484299, as in DeZero: there weights are
drawn as float32 and then kept as float64, while biases stay float32, and so are rounded after every update. With biases
in float64, errors in the last place grow from step to step, until the order in which a processor adds shows in the
fifth digit; the rounding swallows them.

With `--recorded` the step of the last way is recorded once and replayed. The others can't be: they write their updates
into `data` themselves, which no recording sees.

What is easily got wrong: small weights are 0.01 * randn; with `0.01 + randn` they are neither small nor around 0. A
bias of 10 units is `np.zeros(10)`, not `np.zeros(0)`. Weights that are all equal would stay equal.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cartwheel.nn import Model, Variable, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.capture import capture

HIDDEN = 10


@dataclass(frozen=True)
class Form:
    """A network in one of the four ways: x to y, one step of training on both that gives its loss, and its biases."""

    predict: Callable[[Any], Variable]
    learn: Callable[[Any, Any], Variable]
    biases: tuple[Variable, ...]


def data(rng: Any) -> tuple[Any, Any]:
    """The points x (100, 1) and y (100, 1)."""
    x = rng.uniform(size=(100, 1))
    return x, np.sin(2 * np.pi * x) + rng.uniform(size=(100, 1))


def initial_weights(rng: Any, small: bool = False) -> tuple[Any, Any]:
    """W1 (1, 10) and W2 (10, 1): ~ N(0, 1 / inputs), or small ones ~ N(0, 0.01^2)."""
    W1, W2 = rng.standard_normal((1, HIDDEN)), rng.standard_normal((HIDDEN, 1))
    if small:
        return 0.01 * W1, 0.01 * W2
    W1, W2 = (W.astype(np.float32).astype(np.float64) for W in (W1, W2))  # drawn as float32
    return W1, W2 * math.sqrt(1 / HIDDEN)


# --- the four ways ---------------------------------------------------------------------------------------------------


def by_functions(W1: Any, W2: Any, lr: float) -> Form:
    """Variables, `F.linear`, and updates by hand."""
    W1, W2 = Variable(W1), Variable(W2)
    b1, b2 = Variable(np.zeros(HIDDEN)), Variable(np.zeros(1))

    def predict(x: Any) -> Variable:
        return F.linear(F.sigmoid(F.linear(x, W1, b1)), W2, b2)

    def learn(x: Any, y: Any) -> Variable:
        loss = F.mean_squared_error(predict(x), y)
        for p in (W1, b1, W2, b2):
            p.cleargrad()
        loss.backward()
        for p in (W1, b1, W2, b2):
            p.data -= lr * p.grad.data
        return loss

    return Form(predict, learn, (b1, b2))


def by_layers(W1: Any, W2: Any, lr: float) -> Form:
    """Layers that hold `W` and `b`, and hand out both by `params()`."""
    l1 = L.Linear(HIDDEN, in_size=1, dtype=np.float64)
    l2 = L.Linear(1, in_size=HIDDEN, dtype=np.float64)
    l1.W.data, l2.W.data = W1, W2  # in place of those drawn

    def predict(x: Any) -> Variable:
        return l2(F.sigmoid(l1(x)))

    def learn(x: Any, y: Any) -> Variable:
        loss = F.mean_squared_error(predict(x), y)
        for layer in (l1, l2):
            layer.cleargrads()
        loss.backward()
        for layer in (l1, l2):
            for p in layer.params():
                p.data -= lr * p.grad.data
        return loss

    return Form(predict, learn, (l1.b, l2.b))


class Network(Model):
    """Two layers with a sigmoid between them."""

    def __init__(self) -> None:
        self.l1 = L.Linear(HIDDEN, in_size=1, dtype=np.float64)
        self.l2 = L.Linear(1, in_size=HIDDEN, dtype=np.float64)

    def forward(self, x: Any) -> Variable:
        """X (N, 1) to y (N, 1)."""
        return self.l2(F.sigmoid(self.l1(x)))


def by_model(W1: Any, W2: Any, lr: float) -> Form:
    """A `Model` knows all parameters of its layers."""
    model = Network()
    model.l1.W.data, model.l2.W.data = W1, W2

    def learn(x: Any, y: Any) -> Variable:
        loss = F.mean_squared_error(model(x), y)
        model.cleargrads()
        loss.backward()
        for p in model.params():
            p.data -= lr * p.grad.data
        return loss

    return Form(model, learn, (model.l1.b, model.l2.b))


def by_optimizer(W1: Any, W2: Any, lr: float) -> Form:
    """An optimizer updates all parameters of a model."""
    model = Network()
    model.l1.W.data, model.l2.W.data = W1, W2
    optimizer = optimizers.SGD(lr).setup(model)

    def learn(x: Any, y: Any) -> Variable:
        loss = F.mean_squared_error(model(x), y)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    return Form(model, learn, (model.l1.b, model.l2.b))


FORMS = {
    "F.linear by hand": by_functions,
    "L.Linear": by_layers,
    "a Model": by_model,
    "optimizers.SGD": by_optimizer,
}

# --- training --------------------------------------------------------------------------------------------------------


def train(
    name: str,
    seed: int,
    steps: int,
    lr: float = 0.2,
    small: bool = False,
    narrow: bool = False,
    recorded: bool = False,
) -> tuple[Form, list[float]]:
    """One of FORMS trained on data and weights drawn in this order; and the loss of each step, before its update.

    The numbers are those that follow `np.random.seed(seed)`. `narrow` rounds biases to float32.
    """
    rng = np.random.RandomState(seed)
    x, y = data(rng)
    form = FORMS[name](*initial_weights(rng, small), lr)
    learn_from = capture(form.learn) if recorded else form.learn
    losses = []
    for _ in range(steps):
        losses.append(learn_from(x, y).item())
        for b in form.biases if narrow else ():
            b.data = b.data.astype(np.float32).astype(np.float64)
    return form, losses


def last_printed(losses: Sequence[float]) -> float:
    """The loss of the last step whose number, from 0, is a multiple of 1,000."""
    return losses[(len(losses) - 1) // 1000 * 1000]


def save_picture(form: Form, seed: int, path: str) -> None:
    """The points, the sine above the middle of the noise, and what the network has made of them."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    x, y = data(np.random.RandomState(seed))
    line = np.linspace(0.0, 1.0, 201)[:, np.newaxis]
    learnt = form.predict(line)
    learnt.unchain()  # only its numbers are wanted: how they came about can be forgotten
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(x, y, s=12, label="sin(2 pi x) + noise")
    axes.plot(line, np.sin(2 * np.pi * line) + 0.5, color="0.6", linestyle="--", label="sin(2 pi x) + 0.5")
    axes.plot(line, learnt.data, color="tab:red", label="the network")
    axes.set(xlabel="x", ylabel="y")
    axes.legend()
    figure.savefig(path)
    print("the curve among the points:", path)


def main(words: Sequence[str] | None = None) -> None:
    """Train in all ways; print their losses; draw the last network's curve."""
    parser = argparse.ArgumentParser(description="A network 1-10-1 learns a noisy sine, in four ways.")
    parser.add_argument("--seed", type=int, default=0, help="of data and weights")
    parser.add_argument("--steps", type=int, default=10_000, help="of gradient descent")
    parser.add_argument(
        "--recorded", action="store_true", help="record the training step of optimizers.SGD, and replay it"
    )
    options = parser.parse_args(words)
    runs = [(name, False, True) for name in FORMS]
    runs += [("optimizers.SGD", False, False), ("optimizers.SGD", True, False)]
    print(f"{'':18}{'weights':16}{'biases':10}loss")
    for name, small, narrow in runs:
        form, losses = train(
            name,
            options.seed,
            options.steps,
            small=small,
            narrow=narrow,
            recorded=options.recorded and FORMS[name] is by_optimizer,
        )
        weights, biases = "0.01 * randn" if small else "N(0, 1/inputs)", "float32" if narrow else "float64"
        print(f"{name:18}{weights:16}{biases:10}{last_printed(losses):.16f}")
    save_picture(form, options.seed, "sine_network.png")


if __name__ == "__main__":
    main()
