"""Compiled loops: the only folder that knows Numba. Users' own native environments are compiled through it too."""

from cartwheel.kernels.compile import OBSERVE, RESET, STEP, compiled
from cartwheel.kernels.random import uniform
from cartwheel.kernels.trigonometry import sine_cosine

__all__ = ["OBSERVE", "RESET", "STEP", "compiled", "sine_cosine", "uniform"]
