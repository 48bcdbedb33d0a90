"""A recurrent network by hand, in NumPy alone: an Elman network learns exclusive or from a sequence.

Run it with `python examples/xor_recurrent.py`. XOR comes in two forms: as two steps of one input each, where the
network must remember the first bit until the second has come, and as one step of two inputs, where its memory is of no
use. The loss of every epoch is printed, then what the network answers to each input; the curves go to
`xor_recurrent.png`.

What is easily got wrong, and how it is here:

- Back-propagation through time needs every hidden state, so `forward` keeps them all.
- The derivative of h = tanh(z) is 1 - h^2: dL/dz = dL/dh * (1 - h^2). Applying tanh to the gradient is no derivative.
- The output is read after the last step, so its gradient enters there, and only there; what reaches the earlier steps
  comes through the hidden states.
- Weights near 0 with 2 hidden units stay on a plateau where every answer is 0.5 (an error of 1 over the four inputs).
  With weights of scale 1 and 8 units all seeds learn.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BITS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ANSWERS = np.array([0.0, 1.0, 1.0, 0.0])
#: (4 samples, time, inputs): the same bits, one after the other or both at once.
FORMS = {"two steps of one input": BITS.reshape(4, 2, 1), "one step of two inputs": BITS.reshape(4, 1, 2)}


class Elman:
    """h[t] = tanh(x[t] Wx + h[t-1] Wh + b) from h[-1] = 0, and y = h[T-1] V + c after the last step.

    `weights` holds Wx (d, H), Wh (H, H), b (H,), V (H, 1), c (1,).
    """

    def __init__(self, rng: np.random.Generator, inputs: int, hidden: int = 8, scale: float = 1.0) -> None:
        self.weights: dict[str, Array] = {
            "Wx": scale * rng.standard_normal((inputs, hidden)),
            "Wh": scale * rng.standard_normal((hidden, hidden)),
            "b": np.zeros(hidden),
            "V": scale * rng.standard_normal((hidden, 1)),
            "c": np.zeros(1),
        }

    def forward(self, xs: Array) -> tuple[Array, Array]:
        """The answer (1,) to a sequence xs (T, d), and all hidden states (T + 1, H), the first of them zeros."""
        w = self.weights
        hs = np.zeros((len(xs) + 1, len(w["b"])))
        for t, x in enumerate(xs):
            hs[t + 1] = np.tanh(x @ w["Wx"] + hs[t] @ w["Wh"] + w["b"])
        return hs[-1] @ w["V"] + w["c"], hs

    def backward(self, xs: Array, hs: Array, dy: Array) -> dict[str, Array]:
        """The gradient by each weight, from that by the answer (1,): through time, the last step first."""
        w = self.weights
        grads = {name: np.zeros_like(weight) for name, weight in w.items()}
        grads["V"], grads["c"] = np.outer(hs[-1], dy), dy
        dh = w["V"] @ dy  # enters at the last step only
        for t in reversed(range(len(xs))):
            dz = dh * (1.0 - hs[t + 1] ** 2)
            grads["Wx"] += np.outer(xs[t], dz)
            grads["Wh"] += np.outer(hs[t], dz)
            grads["b"] += dz
            dh = w["Wh"] @ dz
        return grads

    def update(self, grads: dict[str, Array], lr: float) -> None:
        """One step of gradient descent."""
        for name, grad in grads.items():
            self.weights[name] -= lr * grad


def loss_and_gradients(network: Elman, xs: Array, answer: float) -> tuple[float, dict[str, Array]]:
    """The squared error (y - answer)^2 for one sequence, and its gradient by each weight."""
    y, hs = network.forward(xs)
    error = y - answer
    return float(error[0] ** 2), network.backward(xs, hs, 2.0 * error)


def train(
    xs: Array, seed: int, epochs: int, hidden: int = 8, scale: float = 1.0, lr: float = 0.05
) -> tuple[Elman, list[float]]:
    """A network trained on the four sequences xs (4, T, d), one at a time in a random order.

    The losses are those of each epoch: the squared errors of the four samples, added up as they came.
    """
    rng = np.random.default_rng(seed)
    network = Elman(rng, xs.shape[-1], hidden, scale)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for sample in rng.permutation(len(xs)):
            loss, grads = loss_and_gradients(network, xs[sample], ANSWERS[sample])
            network.update(grads, lr)
            total += loss
        losses.append(total)
    return network, losses


def error(network: Elman, xs: Array) -> float:
    """The squared errors of the four sequences, added up."""
    return sum(float((network.forward(x)[0][0] - answer) ** 2) for x, answer in zip(xs, ANSWERS, strict=True))


def print_predictions(network: Elman, xs: Array, threshold: float = 0.5) -> None:
    """What the network answers to each input, as a number and as a bit."""
    print("input   answer   above the threshold   wanted")
    for bits, x, answer in zip(BITS, xs, ANSWERS, strict=True):
        (y,) = network.forward(x)[0]
        print(f"{bits[0]:.0f}, {bits[1]:.0f}   {y:6.3f}   {int(y > threshold):19d}   {answer:6.0f}")


def save_picture(curves: dict[str, list[float]], path: str) -> None:
    """The loss of each epoch, in both forms."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, losses in curves.items():
        axes.semilogy(np.maximum(losses, 1e-16), label=name)
    axes.set(xlabel="epoch", ylabel="squared error over the four inputs", title="An Elman network learns XOR")
    axes.legend()
    figure.savefig(path)
    print("the losses:", path)


def main(words: Sequence[str] | None = None) -> None:
    """Train in both forms; print losses and predictions; draw the losses."""
    parser = argparse.ArgumentParser(description="An Elman network by hand learns XOR.")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the order of samples")
    parser.add_argument("--epochs", type=int, default=2000, help="how often the four samples are shown")
    options = parser.parse_args(words)
    curves = {}
    for name, xs in FORMS.items():
        print(f"--- {name}")
        network, curves[name] = train(xs, options.seed, options.epochs)
        for epoch, loss in enumerate(curves[name], start=1):
            print(f"epoch {epoch}   loss {loss:.6f}")
        print_predictions(network, xs)
        print(f"error {error(network, xs):.6f}")
    save_picture(curves, "xor_recurrent.png")


if __name__ == "__main__":
    main()
