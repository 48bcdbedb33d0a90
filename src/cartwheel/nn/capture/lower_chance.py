"""Rows of what is drawn at random: from `Config.rng`, whose state a program takes over and hands back."""

from __future__ import annotations

import numpy as np

from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.lowering import bits, lowers
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.config import Config
from cartwheel.nn.functions import regularisation


@lowers(regularisation._dropout_mask)
def _dropout_mask(builder: Builder, entry: Entry) -> None:
    if not isinstance(getattr(Config.rng, "bit_generator", None), np.random.PCG64):
        raise NotImplementedError("another generator than PCG64")
    if builder.generator is None:
        builder.generator = builder.new((4,), "i")
    y, ratio = builder.output(entry.outputs[0]), entry.attributes["ratio"]
    builder.emit("dropout_mask", [y.size, builder.generator.offset, y.offset, bits(ratio), bits(0.0)], entry)
