"""A first program in the framework: a derivative, then a straight line fitted by gradient descent.

Run it with `python examples/linear_regression.py`. `Variable` remembers how it was made, so `backward` can give the
derivative: 3 x^2 is 75 at x = 5, and its derivative 6 x is 30. The line y = x W + b is fitted in the same way, with
`F.matmul` and updates written by hand, to 100 points of y = 2 x + 5 + noise, where the noise is uniform in [0, 1): the
best line has nearly the slope 2 and the height 5.5. The picture goes to `linear_regression.png`.

With `--recorded` the step is recorded once and replayed. It writes nothing into `data` then, which no recording would
see: it gets W and b, and gives those that come next.

What is easily got wrong: `b = np.zeros(0)` is a bias without a number, and `x W + b` would quietly be an empty array
(the framework says so); gradients add up, so they must be cleared before each backward.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.nn import Variable, grad
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture

LR = 0.1


def derivative() -> tuple[float, float]:
    """3 x^2 at x = 5, and its derivative there."""
    x = Variable(np.array(5.0))
    y = 3 * x**2
    y.backward()
    return float(y.data), float(x.grad.data)


def points(seed: int) -> tuple[Any, Any]:
    """100 points x (100, 1) in [0, 1) and y = 2 x + 5 + noise; the stream is that of `np.random.seed(seed)`."""
    rng = np.random.RandomState(seed)
    x = rng.uniform(size=(100, 1))
    return x, 2 * x + 5 + rng.uniform(size=(100, 1))


def predict(x: Any, W: Variable, b: Variable) -> Variable:
    """The line x (N, 1) W (1, 1) + b (1,)."""
    return F.matmul(x, W) + b


def update(x: Any, y: Any, W: Variable, b: Variable) -> tuple[Variable, Variable, Variable]:
    """The mean squared error before a step; then W and b are changed where they are."""
    loss = F.mean_squared_error(predict(x, W, b), y)
    W.cleargrad()
    b.cleargrad()
    loss.backward()
    W.data -= LR * W.grad.data
    b.data -= LR * b.grad.data
    return loss, W, b


def updated(x: Any, y: Any, W: Variable, b: Variable) -> tuple[Variable, Variable, Variable]:
    """The same as a function of W and b, which stay as they are."""
    loss = F.mean_squared_error(predict(x, W, b), y)
    by_W, by_b = grad(loss, [W, b])
    return loss, W - LR * by_W, b - LR * by_b


def fit(x: Any, y: Any, steps: int, recorded: bool = False) -> tuple[Variable, Variable, list[float]]:
    """W, b, and the mean squared error of each step, before its update."""
    W, b = Variable(np.zeros((1, 1))), Variable(np.zeros(1))
    learn_from = capture(updated) if recorded else update
    losses = []
    for _ in range(steps):
        loss, W, b = learn_from(x, y, W, b)
        losses.append(loss.item())
    return W, b, losses


def save_picture(x: Any, y: Any, W: Variable, b: Variable, path: str) -> None:
    """The points and the line."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(x, y, s=12, label="2 x + 5 + noise")
    ends = np.array([[0.0], [1.0]])
    axes.plot(ends, predict(ends, W, b).data, color="tab:red", label=f"{W.item():.3f} x + {b.item():.3f}")
    axes.set(xlabel="x", ylabel="y")
    axes.legend()
    figure.savefig(path)
    print("the line among the points:", path)


def main(words: Sequence[str] | None = None) -> None:
    """Print the derivative and the line, and draw it."""
    parser = argparse.ArgumentParser(description="A derivative, and a line fitted by gradient descent.")
    parser.add_argument("--seed", type=int, default=0, help="of the points")
    parser.add_argument("--steps", type=int, default=100, help="of gradient descent")
    parser.add_argument("--recorded", action="store_true", help="record the training step, and replay it")
    options = parser.parse_args(words)
    value, slope = derivative()
    print(f"3 x^2 at x = 5: {value}, its derivative: {slope}")
    x, y = points(options.seed)
    W, b, losses = fit(x, y, options.steps, options.recorded)
    print(f"after {options.steps} steps: W {W.item():.8f}, b {b.item():.8f}, loss {losses[-1]!r}")
    save_picture(x, y, W, b, "linear_regression.png")


if __name__ == "__main__":
    main()
