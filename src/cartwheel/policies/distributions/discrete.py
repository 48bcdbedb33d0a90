"""Distributions of choices: one of several, several of these, and bits.

Sources: categorical and Bernoulli distributions by their logits, as in any textbook; E. J. Gumbel, "Statistical Theory
of Extreme Values", 1954, for drawing by the largest of logit + noise (`F.categorical`).

    log p_k = x_k - log sum_j exp(x_j)        H = -sum_k p_k log p_k        KL(p, q) = sum_k p_k (log p_k - log q_k)

Deviation: what has no chance at all (a logit of -infinity, or so low that its exponential is 0) adds 0 to entropy and
divergence, as x log x does in the limit, and 0 to their gradients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np

from cartwheel.errors import UsageError
from cartwheel.nn import Variable
from cartwheel.nn import functions as F
from cartwheel.nn.functions.regularisation import check_numbers
from cartwheel.policies.distributions.base import Distribution, check_shape


class Categorical(Distribution):
    """One of A choices, of logits (..., A): of any size, as only their differences count; -infinity forbids one.

    A draw is the number of a choice, an integer (...). `log_prob` takes whole numbers of other types too; an IndexError
    for those that are no choice.
    """

    def __init__(self, logits: Any) -> None:
        self.logits = logits  # (..., A)
        self.log_chances = F.log_softmax(logits, axis=-1)  # (..., A)

    def sample(self, rng: np.random.Generator | None = None) -> Variable:
        """A choice (...) for each row, drawn with the chances softmax(logits)."""
        return F.categorical(self.logits, rng)

    def mode(self) -> Variable:
        """The choice of the largest logit (...), the first of equals."""
        return F.argmax(self.logits, axis=-1)

    def log_prob(self, draw: Any) -> Variable:
        """log p of each row's choice, for draws (...): (...)."""
        check_shape("choices", draw, self.logits.shape[:-1])
        choice = F.cast(draw, np.int64)
        check_numbers("log_prob", "choices", choice, self.logits.shape[-1])
        return F.take_along_axis(self.log_chances, F.expand_dims(choice, -1), axis=-1)[..., 0]

    def entropy(self) -> Variable:
        """-sum(p log p): (...)."""
        return -self._expectation(self.log_chances)

    def kl(self, other: Categorical) -> Variable:
        """sum(p (log p - log q)): (...); infinite where q forbids what p does not."""
        check_shape("the other's logits", other.logits, self.logits.shape)
        possible = F.exp(self.log_chances) > 0.0  # elsewhere both logarithms may be infinite
        return self._expectation(self.log_chances - F.where(possible, other.log_chances, 0.0))

    def _expectation(self, values: Variable) -> Variable:
        """The mean of a value for each choice (..., A), by their chances: (...)."""
        chances = F.exp(self.log_chances)
        return F.sum(chances * F.where(chances > 0.0, values, 0.0), axis=-1)


class MultiCategorical(Distribution):
    """One of A_g choices for each of G groups, independent of each other, of logits (..., A_1 + ... + A_G).

    A draw is an integer for each group, (..., G). It is what `ActionHead` calls an action in all discrete spaces; a
    single choice is a single group.
    """

    def __init__(self, logits: Any, groups: Sequence[int]) -> None:
        ends = np.cumsum([0, *groups]).tolist()
        if not groups or min(groups) < 1 or ends[-1] != logits.shape[-1]:
            raise UsageError(f"expected groups that share {logits.shape[-1]} logits, got {tuple(groups)}")
        self.parts = [Categorical(logits[..., low:high]) for low, high in pairwise(ends)]

    def sample(self, rng: np.random.Generator | None = None) -> Variable:
        """A choice in each group, (..., G), the groups drawn in order."""
        return F.stack([part.sample(rng) for part in self.parts], axis=-1)

    def mode(self) -> Variable:
        """The choice of the largest logit in each group, (..., G)."""
        return F.stack([part.mode() for part in self.parts], axis=-1)

    def log_prob(self, draw: Any) -> Variable:
        """The sum over the groups of log p, for draws (..., G): (...)."""
        check_shape("choices", draw, (*self.parts[0].logits.shape[:-1], len(self.parts)))
        return _total(part.log_prob(draw[..., group]) for group, part in enumerate(self.parts))

    def entropy(self) -> Variable:
        """The sum of the groups' entropies: (...)."""
        return _total(part.entropy() for part in self.parts)

    def kl(self, other: MultiCategorical) -> Variable:
        """The sum of the groups' divergences: (...). The other has to have the same groups."""
        if len(other.parts) != len(self.parts):
            raise UsageError(f"expected another of {len(self.parts)} groups, got one of {len(other.parts)}")
        return _total(one.kl(two) for one, two in zip(self.parts, other.parts, strict=True))


def _total(terms: Iterable[Variable]) -> Variable:
    """The sum of what is said of each group."""
    return reduce(F.add, terms)


class Bernoulli(Distribution):
    """Bits (..., a), independent of each other, 1 at the chance sigmoid(x) for logits x (..., a).

    A draw is 0 or 1 for each, in the type of the logits; `log_prob` takes other types and truth values too. With
    s = softplus, log p(1) = -s(-x) and log p(0) = -s(x), in which nothing small is lost beside something large.
    """

    def __init__(self, logits: Any) -> None:
        self.logits = logits  # (..., a)

    def sample(self, rng: np.random.Generator | None = None) -> Variable:
        """Bits (..., a)."""
        return F.bernoulli(F.sigmoid(self.logits), rng)

    def mode(self) -> Variable:
        """1 where it is the more probable, else 0: (..., a)."""
        return F.cast(self.logits > 0.0, self.logits.dtype)

    def log_prob(self, draw: Any) -> Variable:
        """The sum over the bits of log p, for draws (..., a): (...)."""
        check_shape("bits", draw, self.logits.shape)
        sign = 1.0 - 2.0 * F.cast(draw, self.logits.dtype)  # -1 for a 1, and 1 for a 0
        return -F.sum(F.softplus(sign * self.logits), axis=-1)

    def entropy(self) -> Variable:
        """The sum over the bits of p s(-x) + (1 - p) s(x): (...)."""
        return self._expectation(F.softplus(-self.logits), F.softplus(self.logits))

    def kl(self, other: Bernoulli) -> Variable:
        """The sum over the bits of p (s(-y) - s(-x)) + (1 - p) (s(y) - s(x)), for the other's logits y: (...)."""
        check_shape("the other's logits", other.logits, self.logits.shape)
        x, y = self.logits, other.logits
        return self._expectation(F.softplus(-y) - F.softplus(-x), F.softplus(y) - F.softplus(x))

    def _expectation(self, of_one: Variable, of_zero: Variable) -> Variable:
        """The mean of a value for each outcome of each bit (..., a), summed over the bits: (...)."""
        return F.sum(F.sigmoid(self.logits) * of_one + F.sigmoid(-self.logits) * of_zero, axis=-1)
