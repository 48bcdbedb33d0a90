"""Rows for many minibatches in one call: each round takes its rows of the inputs, and keeps what came of it.

Where the whole inputs are, and how many rounds there are, is told at each call (`Sweep.told`): the rows of a program
that say it are filled in anew, so that inputs are read where they lie, and a replay buffer may grow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cartwheel.kernels.opcodes.moves import NAMES, OF_ROUNDS, ROUNDS, ROWS, SOURCE, TO
from cartwheel.nn.array import Array
from cartwheel.nn.capture.builder import Builder, Row
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.tape import Entry


def _entry(name: str) -> Entry:
    """What stands in a program's description for a row that no operation became."""
    return Entry(name, name, [], {}, [], "", lambda arrays: [])


@dataclass
class Sweep:
    """The rows that take minibatches and keep outputs, with the places that they fill and keep."""

    taking: list[tuple[Row, Place]] = field(default_factory=list)
    keeping: list[tuple[Row, Place]] = field(default_factory=list)

    def told(
        self, names: Array, wholes: Sequence[Array], traces: Sequence[Array], bases: tuple[Array, Array]
    ) -> list[tuple[Row, dict[int, int]]]:
        """The words of each row for names (K, B), whole inputs (N, ...) and traces (K, ...) of outputs.

        All are contiguous; `bases` are the program's floats and integers.
        """
        of_names = _distance(names, bases[1])
        words = []
        for (row, place), whole in zip(self.taking, wholes, strict=True):
            source = _distance(whole, bases[place.kind == "i"])
            words.append((row, {ROWS: len(whole), SOURCE: source, NAMES: of_names, ROUNDS: len(names)}))
        for (row, place), trace in zip(self.keeping, traces, strict=True):
            words.append((row, {TO: _distance(trace, bases[place.kind == "i"]), OF_ROUNDS: len(names)}))
        return words

    def rehearsed(self, rounds: int, bases: tuple[Array, Array]) -> tuple[dict[int, Array], list[Array]]:
        """By a row, its words for so many rounds with minibatches of zeros; and the arrays that these reach."""
        if not self.taking:
            return {}, []
        names = np.zeros((rounds, self.taking[0][1].shape[0]), np.int64)
        wholes = [np.zeros((1, *place.shape[1:]), bases[place.kind == "i"].dtype) for _, place in self.taking]
        kept = [np.zeros((rounds, *place.shape), bases[place.kind == "i"].dtype) for _, place in self.keeping]
        told: dict[int, Array] = {}
        for row, words in self.told(names, wholes, kept, bases):
            told[id(row)] = row.words.copy()
            told[id(row)][list(words)] = list(words.values())
        return told, [names, *wholes, *kept]


def minibatches(builder: Builder, sweep: Sweep, inputs: Sequence[Place]) -> None:
    """Rows that fill the inputs (B, ...) from arrays (N, ...): until they are told others, from one row of zeros."""
    batch = inputs[0].shape[0]
    names = builder.new((1, batch), "i")
    for place in inputs:
        whole = builder.new((1, *place.shape[1:]), place.kind)
        name = "minibatch_of_integers" if place.kind == "i" else "minibatch"
        words = [1, math.prod(place.shape[1:]), whole.offset, batch, place.offset, names.offset, 1]
        builder.emit(name, words, _entry("minibatch"))
        sweep.taking.append((builder.rows[-1], place))


def traces(builder: Builder, sweep: Sweep, outputs: Sequence[Place]) -> None:
    """Rows that keep each round's outputs (...), in (K, ...)."""
    for place in outputs:
        entry = _entry("store")
        place = builder.contiguous(place, entry)
        trace = builder.new((1, *place.shape), place.kind)
        name = "store_of_integers" if place.kind == "i" else "store"
        builder.emit(name, [place.size, place.offset, trace.offset, 1], entry)
        sweep.keeping.append((builder.rows[-1], place))


def laid(array: Array, place: Place, dtype: np.dtype[np.generic]) -> Array:
    """An array as a program can read it where it lies; a copy of one that is of another type, or not in order."""
    return np.require(array, np.int64 if place.kind == "i" else dtype, ["C", "A"])


def _distance(array: Array, base: Array) -> int:
    """How far an array lies from another one, in numbers."""
    distance: int = (array.ctypes.data - base.ctypes.data) // base.itemsize
    return distance
