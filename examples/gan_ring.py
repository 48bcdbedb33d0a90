"""A generative adversarial network (Goodfellow et al. 2014) learns to draw points from a ring of 8 Gaussians.

Run it with `python examples/gan_ring.py`. The generator makes points (x, y) of noise; the discriminator learns to tell
them from real ones, which lie around 8 centres on a circle of radius 2, with a standard deviation of 0.1; the generator
learns to be taken for real. A point is *good* if it lies within 3 standard deviations of a centre (98.9 % of the real
ones do), and a centre is *covered* if at least an eighth of its fair share of points is good and nearest to it. With
the settings below all 8 centres are covered on 5 of 5 seeds, and 90 to 94 % of the points are good. The picture goes to
`gan_ring.png`.

With `--recorded` the steps of both are recorded once and replayed. Their random numbers are inputs, drawn outside: in a
recording they would be the same ones for ever.

What is easily got wrong: the points that the discriminator learns from must carry no graph (`no_grad`), or its loss
would also push the generator; the generator minimises -log D(G(z)), not log(1 - D(G(z))), whose gradient fades just
where the generator is bad; and a generator can please by a few centres alone, which the loss doesn't show: count them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cartwheel.nn import MLP, Variable, no_grad, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture

CENTRES = 2.0 * np.array([(math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)) for k in range(8)])
STD = 0.1
BATCH, HIDDEN, NOISE = 256, 64, 2


def real_points(rng: np.random.Generator, size: int) -> Any:
    """Points (size, 2) around centres drawn at random."""
    points = CENTRES[rng.integers(8, size=size)] + STD * rng.standard_normal((size, 2))
    return points.astype(np.float32)


def coverage(points: Any) -> tuple[int, float]:
    """How many of the 8 centres are covered by these points (N, 2), and which share of the points is good."""
    distances = np.linalg.norm(points[:, np.newaxis] - CENTRES, axis=2)  # (N, 8)
    good = distances.min(axis=1) < 3 * STD
    at_each = np.bincount(distances.argmin(axis=1)[good], minlength=8)
    return int(np.sum(at_each >= len(points) / 8 / 8)), float(good.mean())


class Pair:
    """The two networks with their optimizers, and the generator of random numbers that both draw from."""

    def __init__(self, seed: int, steps: int, recorded: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.generator = MLP([HIDDEN, HIDDEN, 2], activation=F.relu, in_size=NOISE, rng=self.rng)
        self.discriminator = MLP([HIDDEN, HIDDEN, 1], activation=F.leaky_relu, in_size=2, rng=self.rng)
        alpha = optimizers.LinearRate(1e-3, 1e-4, steps)  # they circle each other, the closer the smaller the steps
        self.of_generator = optimizers.Adam(alpha, beta1=0.5).setup(self.generator)
        self.of_discriminator = optimizers.Adam(alpha, beta1=0.5).setup(self.discriminator)
        self.teach_discriminator = capture(self._teach_discriminator) if recorded else self._teach_discriminator
        self.teach_generator = capture(self._teach_generator) if recorded else self._teach_generator

    def noise(self, size: int) -> Any:
        """What the generator makes points of (size, 2)."""
        return self.rng.standard_normal((size, NOISE)).astype(np.float32)

    def judged(self, points: Any, real: bool) -> Variable:
        """The mean cross-entropy of the discriminator's opinion of these points with `real`."""
        return F.sigmoid_cross_entropy(self.discriminator(points), np.full((len(points), 1), int(real)))

    def _teach_discriminator(self, noise: Any, real: Any) -> Variable:
        """A step of the discriminator, whose random numbers are drawn already: so it can be recorded."""
        with no_grad():
            false = self.generator(noise)
        loss = self.judged(real, True) + self.judged(false, False)
        self.discriminator.cleargrads()
        loss.backward()
        self.of_discriminator.update()
        return loss

    def _teach_generator(self, noise: Any) -> Variable:
        """A step of the generator."""
        loss = self.judged(self.generator(noise), True)
        self.generator.cleargrads()
        loss.backward()  # reaches the discriminator's weights, too: they are cleared before its own step
        self.of_generator.update()
        return loss

    def step_discriminator(self) -> float:
        """Tell real points from false ones a little better; gives the loss."""
        noise = self.noise(BATCH)
        return self.teach_discriminator(noise, real_points(self.rng, BATCH)).item()

    def step_generator(self) -> float:
        """Make points that look a little more real; gives the loss."""
        return self.teach_generator(self.noise(BATCH)).item()

    def sample(self, size: int = 2000) -> Any:
        """An array of points of the generator (size, 2)."""
        with no_grad():
            return self.generator(self.noise(size)).data


def train(seed: int, steps: int, recorded: bool = False) -> tuple[Pair, list[tuple[float, float]]]:
    """The pair after so many steps of both, and the two losses of each step; tells how it goes ten times."""
    pair = Pair(seed, steps, recorded)
    losses = []
    for step in range(1, steps + 1):
        losses.append((pair.step_discriminator(), pair.step_generator()))
        if step % max(steps // 10, 1) == 0:
            covered, good = coverage(pair.sample())
            print(f"step {step:5d}   losses {losses[-1][0]:.3f} {losses[-1][1]:.3f}   ", end="")
            print(f"{covered} of 8 centres covered, {good:.1%} of the points good")
    return pair, losses


def save_picture(pair: Pair, path: str) -> None:
    """Real points beside those of the generator."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    figure = Figure(figsize=(8, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    drawn = {"real": real_points(pair.rng, 2000), "from the generator": pair.sample()}
    for axes, (name, points) in zip(panels, drawn.items(), strict=True):
        axes.scatter(*points.T, s=3, alpha=0.4)
        axes.set(title=name, aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
    figure.savefig(path)
    print("real points and those of the generator:", path)


def main(words: Sequence[str] | None = None) -> None:
    """Train, print how many centres are covered, and draw the points."""
    parser = argparse.ArgumentParser(description="A GAN learns a ring of 8 Gaussians.")
    parser.add_argument("--seed", type=int, default=0, help="of weights, noise and points")
    parser.add_argument("--steps", type=int, default=4000, help="of both networks")
    parser.add_argument("--recorded", action="store_true", help="record the training steps, and replay them")
    options = parser.parse_args(words)
    pair, _ = train(options.seed, options.steps, options.recorded)
    covered, good = coverage(pair.sample())
    print(f"result: {covered} of 8 centres covered, {good:.1%} of the points good")
    save_picture(pair, "gan_ring.png")


if __name__ == "__main__":
    main()
