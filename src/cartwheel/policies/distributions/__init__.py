"""Distributions of actions, as a network's outputs give them: what policy gradients draw from and differentiate.

They are written in the framework's functions: parameters and actions are Variables or arrays of the same meaning, what
is given back are Variables, gradients follow, and a step that uses them can be recorded (`nn.capture`).
"""

from cartwheel.policies.distributions.base import Distribution
from cartwheel.policies.distributions.discrete import Bernoulli, Categorical, MultiCategorical
from cartwheel.policies.distributions.exploration import StateDependentExploration, exploration_matrices
from cartwheel.policies.distributions.gaussian import DiagonalGaussian, SquashedGaussian

__all__ = [
    "Bernoulli",
    "Categorical",
    "DiagonalGaussian",
    "Distribution",
    "MultiCategorical",
    "SquashedGaussian",
    "StateDependentExploration",
    "exploration_matrices",
]
