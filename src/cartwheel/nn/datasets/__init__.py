"""Data sets: small ones that are computed, and the text of a file of the user's.

Sequences are `(N, T, ...)`, a row for each example, and come out of a loader as `(B, T, ...)`; recurrent layers want
the time first: `x.swapaxes(0, 1)`. Where no generator is given, the data are always the same, others for training than
for testing.
"""

from cartwheel.nn.datasets.computed import (
    XOR,
    Adding,
    Copy,
    Parity,
    SinCurve,
    Spiral,
    get_adding,
    get_copy,
    get_parity,
    get_spiral,
)
from cartwheel.nn.datasets.dataset import Dataset
from cartwheel.nn.datasets.text import CharText

__all__ = [
    "XOR",
    "Adding",
    "CharText",
    "Copy",
    "Dataset",
    "Parity",
    "SinCurve",
    "Spiral",
    "get_adding",
    "get_copy",
    "get_parity",
    "get_spiral",
]
