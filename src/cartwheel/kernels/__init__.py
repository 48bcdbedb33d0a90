"""Compiled loops: the only folder that knows Numba. Users' own native environments are compiled through it too."""

from cartwheel.kernels.compile import OBSERVE, RESET, STEP, compiled
from cartwheel.kernels.random import uniform

__all__ = ["OBSERVE", "RESET", "STEP", "compiled", "uniform"]
