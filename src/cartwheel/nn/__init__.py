"""The framework: networks on one vector. Knows only NumPy."""

from cartwheel.nn.flat import ACTIVATIONS, Layout, dense_forward, dense_layout

__all__ = ["ACTIVATIONS", "Layout", "dense_forward", "dense_layout"]
