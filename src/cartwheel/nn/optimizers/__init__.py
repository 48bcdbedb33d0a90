"""Optimizers on the one vector, hooks that change the gradient before them, and schedules of rates."""

from cartwheel.nn.optimizers.base import Optimizer
from cartwheel.nn.optimizers.hooks import ClipGrad, ClipValue, FreezeParam, Hook, WeightDecay
from cartwheel.nn.optimizers.rules import SGD, AdaDelta, AdaGrad, Adam, AdamW, Momentum, MomentumSGD, Nesterov, RMSprop
from cartwheel.nn.optimizers.schedules import ConstantRate, CosineRate, ExponentialRate, LinearRate, PiecewiseRate
from cartwheel.nn.optimizers.settings import Fraction, Rate, Setting

__all__ = [
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "ClipGrad",
    "ClipValue",
    "ConstantRate",
    "CosineRate",
    "ExponentialRate",
    "Fraction",
    "FreezeParam",
    "Hook",
    "LinearRate",
    "Momentum",
    "MomentumSGD",
    "Nesterov",
    "Optimizer",
    "PiecewiseRate",
    "RMSprop",
    "Rate",
    "Setting",
    "WeightDecay",
]
