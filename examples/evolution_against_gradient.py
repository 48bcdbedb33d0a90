"""Evolution against the gradient: one task, the same budget, ten seeds, and the intervals of what each comes to.

Run it with `python examples/evolution_against_gradient.py`. A network of one number learns two periods of a sine from
64 points; its error is the mean squared one. The budget is counted in passes over all points: an evaluation is one, a
step of Adam three (there, and back through inputs and weights). Three networks: a small one, a larger one, and one of
thresholds (-1 or 1), through which no gradient comes, so that Adam moves its last layer only and leaves all thresholds
where they began, at x = 0.5. All begin at the same random weights for a seed. The errors on the way are drawn to
`evolution_against_gradient.png`.

After 6,000 passes, the geometric mean of ten seeds and its 95 % interval (0.5 is the error of always answering 0):

    network           parameters   Adam                         CMA-ES                     SNES
    8 tanh                    25   0.00064 (0.00016 to 0.0025)  0.0027 (0.0013 to 0.0059)  0.038 (0.030 to 0.047)
    16-16 tanh               321   0.000011 (6e-6 to 2e-5)      0.077 (0.065 to 0.090)     0.049 (0.045 to 0.053)
    16 thresholds             49   0.50 (all)                   0.038 (0.033 to 0.044)     0.037 (0.033 to 0.042)

With few parameters CMA-ES comes near the gradient; with ten times as many it falls far behind, while the gradient
gains; where there is no gradient, evolution is what is left. A run takes 0.1 to 0.4 s, one of CMA-ES with 321
parameters 2 s.

What is easily got wrong: one seed says nothing where runs differ by a factor of ten; the mean of errors is the mean of
the worst run, so it is their logarithms that are averaged; and an evaluation is not a step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import cartwheel
from cartwheel.experience.statistics import summarise
from cartwheel.nn import MLP, no_grad, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn.capture import capture

X = np.linspace(0.0, 1.0, 64, endpoint=False, dtype=np.float32)[:, np.newaxis]
Y = np.sin(4 * np.pi * X)
PASSES = 3  # of a step of Adam, in evaluations

#: The hidden layers and their activation.
NETWORKS: dict[str, tuple[list[int], Any]] = {
    "8 tanh": ([8], F.tanh),
    "16-16 tanh": ([16, 16], F.tanh),
    "16 thresholds": ([16], F.sign),
}
METHODS = ("adam", "cma-es", "snes")


def network(name: str, seed: int) -> MLP:
    """One of the networks, from 2 x - 1 to y, with random weights."""
    hidden, activation = NETWORKS[name]
    model = MLP([*hidden, 1], activation=activation, in_size=1, rng=np.random.default_rng(seed))
    model.theta *= 2.0
    return model


def by_gradient(model: MLP, budget: int) -> Any:
    """The error in each pass (budget,) of Adam's steps."""
    optimizer = optimizers.Adam(0.02).setup(model)

    @capture
    def learn(x: Any, y: Any) -> Any:
        loss = F.mean_squared_error(model(x), y)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    errors = [learn(2 * X - 1, Y).item() for _ in range(budget // PASSES)]
    return np.repeat(errors, PASSES)


def by_evolution(model: MLP, algorithm: str, budget: int, seed: int) -> Any:
    """The error in each evaluation (budget,) of an algorithm of `cartwheel.minimize`."""
    errors: list[float] = []
    x = (2 * X - 1)[np.newaxis]  # (1, N, 1): the same for all candidates

    @capture
    def measured(population: Any) -> Any:
        with no_grad(), model.bound_to(population):
            return F.mean((model(x) - Y) ** 2, axis=(1, 2))

    def f(population: Any) -> Any:
        values = measured(population.astype(np.float32)).data
        errors.extend(values)
        return values

    cartwheel.minimize(f, model.theta, algorithm=algorithm, sigma=0.3, max_evaluations=budget, seed=seed, batched=True)
    return np.array(errors)


def curves(name: str, method: str, seeds: int, budget: int) -> Any:
    """The lowest error so far after each pass, for each seed (seeds, budget)."""
    found = np.empty((seeds, budget))
    for seed in range(seeds):
        model = network(name, seed)
        errors = by_gradient(model, budget) if method == "adam" else by_evolution(model, method, budget, seed)
        found[seed] = np.pad(np.minimum.accumulate(errors), (0, budget - len(errors)), "edge")  # where it has converged
    return found


def save_picture(drawn: dict[str, dict[str, Any]], path: str) -> None:
    """The median error on the way, for each network."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    figure = Figure(figsize=(12, 4), layout="constrained")
    panels = figure.subplots(1, len(drawn), sharey=True)
    for axes, (name, methods) in zip(panels, drawn.items(), strict=True):
        for method, found in methods.items():
            axes.plot(np.median(found, axis=0), label=method)
        axes.set(title=name, xlabel="passes", yscale="log")
    panels[0].set(ylabel="mean squared error, median")
    panels[0].legend()
    figure.savefig(path)
    print("the errors on the way:", path)


def main(words: Sequence[str] | None = None) -> None:
    """Run all methods on all networks, and print the errors with their intervals."""
    parser = argparse.ArgumentParser(description="Evolution and the gradient on one task, with intervals over seeds.")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each, with the seeds 0, 1, ...")
    parser.add_argument("--budget", type=int, default=6000, help="passes of each run")
    parser.add_argument("--quick", action="store_true", help="2 seeds, and 300 passes")
    options = parser.parse_args(words)
    seeds, budget = (2, 300) if options.quick else (options.seeds, options.budget)
    print(f"{'network':16}{'parameters':>10}  {'method':8}{'error':>10}   {'95 % interval':24}{'seconds':>9}")
    drawn: dict[str, dict[str, Any]] = {}
    for name in NETWORKS:
        for method in METHODS:
            started = time.perf_counter()
            found = drawn.setdefault(name, {})[method] = curves(name, method, seeds, budget)
            seconds = (time.perf_counter() - started) / seeds
            logs = summarise(np.log10(found[:, -1]))
            low, middle, high = (10**value for value in (logs.low, logs.mean, logs.high))
            print(f"{name:16}{network(name, 0).theta.size:10}  {method:8}{middle:10.2g}", end="   ")
            print(f"{f'{low:.2g} to {high:.2g}':24}{seconds:9.2f}")
    save_picture(drawn, "evolution_against_gradient.png")


if __name__ == "__main__":
    main()
