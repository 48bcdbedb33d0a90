"""Rows of what is drawn at random: from `Config.rng`, whose state a program takes over and hands back."""

from __future__ import annotations

import math

import numpy as np

from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.lowering import ALL, bits, lowers
from cartwheel.nn.capture.tape import Entry
from cartwheel.nn.config import Config
from cartwheel.nn.functions import chance, regularisation


def _generator(builder: Builder) -> int:
    """Where the generator's state is, among the integers."""
    if not isinstance(getattr(Config.rng, "bit_generator", None), np.random.PCG64):
        raise NotImplementedError("another generator than PCG64")
    if builder.generator is None:
        builder.generator = builder.new((4,), "i")
    return builder.generator.offset


@lowers(regularisation._dropout_mask, reads=ALL)
def _dropout_mask(builder: Builder, entry: Entry) -> None:
    y, ratio = builder.output(entry.outputs[0]), entry.attributes["ratio"]
    builder.emit("dropout_mask", [y.size, _generator(builder), y.offset, bits(ratio)], entry)


@lowers(chance._standard_normal, chance._standard_uniform, reads=ALL)
def _numbers(builder: Builder, entry: Entry) -> None:
    y = builder.output(entry.outputs[0])
    builder.emit(entry.name, [y.size, _generator(builder), y.offset], entry)


@lowers(chance._bernoulli)
def _bernoulli(builder: Builder, entry: Entry) -> None:
    p, y = builder.contiguous(builder.place(entry.inputs[0]), entry), builder.output(entry.outputs[0])
    builder.emit("bernoulli", [y.size, _generator(builder), y.offset, p.offset], entry)


@lowers(chance._categorical, makes="i")
def _categorical(builder: Builder, entry: Entry) -> None:
    x, y = builder.contiguous(builder.place(entry.inputs[0]), entry), builder.output(entry.outputs[0])
    columns = x.shape[-1]
    scratch = builder.new((math.prod(x.shape),), "i")
    builder.emit("categorical", [y.size, _generator(builder), y.offset, x.offset, columns, scratch.offset], entry)
