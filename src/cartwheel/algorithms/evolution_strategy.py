"""The evolution strategy that follows an estimated gradient.

Source: T. Salimans et al., "Evolution Strategies as a Scalable Alternative to Reinforcement Learning", 2017, algorithm
1, with what its section 2 adds: antithetic samples, ranks, Adam and weight decay.

    eps_k ~ N(0, I),  F_k^+ = F(theta + sigma eps_k),  F_k^- = F(theta - sigma eps_k)           k = 1 ... N/2
    u <- the centred ranks of all N returns, from -1/2 to 1/2
    g <- 1/(N sigma) sum_k (u_k^+ - u_k^-) eps_k - lambda theta
    theta <- theta + Adam(g)           (D. Kingma and J. Ba, "Adam", 2015, algorithm 1: alpha, beta_1, beta_2)

Deviations: theta is measured too, as the last candidate: it is the policy that is handed over. Equal returns share
their rank; where all are equal there is no direction, and no step, not even that of the decay, which Adam would make a
full one. Actions are not perturbed, and the networks have no virtual batch
normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cartwheel.algorithms.base import Entry
from cartwheel.algorithms.strategy import Array, Strategy, centred_ranks
from cartwheel.errors import UsageError
from cartwheel.settings import option

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class EvolutionStrategySettings:
    """Settings of the evolution strategy."""

    population: int = option(
        32, "samples in a generation (N), an even number; the mean is measured besides", minimum=2, maximum=1_000_000
    )
    episodes: int = option(2, "episodes that each candidate plays in a generation", minimum=1, maximum=1_000_000)
    sigma: float = option(0.3, "standard deviation of the samples", above=0.0, maximum=1e6)
    learning_rate: float = option(0.1, "step size of Adam (alpha)", above=0.0, maximum=1e6)
    weight_decay: float = option(0.005, "how much the weights are drawn to zero (lambda)", minimum=0.0, maximum=1e3)
    initial_std: float = option(
        0.5, "standard deviation of the first mean's weights; its biases are 0", minimum=0.0, maximum=1e6
    )

    def __post_init__(self) -> None:
        check_even(self.population)


@dataclass(frozen=True)
class Search:
    """The mean theta, and the moments that Adam keeps, `(n,)` each; `steps` of Adam so far."""

    mean: Array
    first: Array
    second: Array
    steps: int = 0


class EvolutionStrategy(Strategy[Search, Array]):
    """Antithetic samples, centred ranks, Adam."""

    measures_mean = True
    settings: EvolutionStrategySettings

    def _begin(self, start: Array) -> Search:
        return Search(start, np.zeros(len(start)), np.zeros(len(start)))

    def _draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        mean = self._search.mean
        noise = rng.standard_normal((self.settings.population // 2, len(mean)))  # eps (N/2, n)
        return noise, antithetic(mean, self.settings.sigma * noise)

    def _learned(self, noise: Array, fitness: Array) -> Search:
        settings, mean = self.settings, self._search.mean
        if (fitness == fitness[0]).all():
            return self._search
        better, worse = np.split(centred_ranks(fitness), 2)  # u^+ and u^- (N/2,)
        g = (better - worse) @ noise / (settings.population * settings.sigma) - settings.weight_decay * mean
        return adam(self._search, g, settings.learning_rate)


def antithetic(mean: Array, steps: Array) -> Array:
    """The samples `(2 K, n)` on both sides of the mean `(n,)`: all mean + steps, then all mean - steps `(K, n)`."""
    return np.concatenate([mean + steps, mean - steps])


def adam(search: Search, g: Array, rate: float) -> Search:
    """The mean one step of Adam up the direction `g (n,)`."""
    steps = search.steps + 1
    first = _BETA_1 * search.first + (1 - _BETA_1) * g
    second = _BETA_2 * search.second + (1 - _BETA_2) * g**2
    step = first / (1 - _BETA_1**steps) / (np.sqrt(second / (1 - _BETA_2**steps)) + _EPSILON)
    return Search(search.mean + rate * step, first, second, steps)


def check_even(population: int) -> None:
    """UsageError where samples can't come in pairs."""
    if population % 2:
        raise UsageError(f"--population: expected an even number, as samples come in pairs; got {population}")


ENTRY = Entry(
    name="evolution-strategy",
    summary="evolution strategy: follows a gradient estimated from antithetic samples, with Adam",
    algorithm=EvolutionStrategy,
    settings=EvolutionStrategySettings,
    presets={},
)
