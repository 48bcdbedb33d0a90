"""Rows for many minibatches in one call: each round takes its rows of the inputs, and keeps what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cartwheel.nn.capture.builder import Builder
from cartwheel.nn.capture.layout import Place
from cartwheel.nn.capture.tape import Entry


def _entry(name: str) -> Entry:
    """What stands in a program's description for a row that no operation became."""
    return Entry(name, name, [], {}, [], "", lambda arrays: [])


def minibatches(builder: Builder, inputs: Sequence[Place], rounds: int, rows: int) -> list[Place]:
    """Rows that fill the inputs (B, ...) from arrays (rows, ...); the places of the names (rounds, B), and of these."""
    batch = inputs[0].shape[0]
    names = builder.new((rounds, batch), "i")
    wholes = []
    for place in inputs:
        whole = builder.new((rows, *place.shape[1:]), place.kind)
        length = math.prod(place.shape[1:])
        name = "minibatch_of_integers" if place.kind == "i" else "minibatch"
        words = [rows, length, whole.offset, batch, place.offset, names.offset, rounds]
        builder.emit(name, words, _entry("minibatch"))
        wholes.append(whole)
    return [names, *wholes]


def traces(builder: Builder, outputs: Sequence[Place], rounds: int) -> list[Place]:
    """Rows that keep each round's outputs (...), in (rounds, ...)."""
    kept = []
    for place in outputs:
        entry = _entry("store")
        place = builder.contiguous(place, entry)
        trace = builder.new((rounds, *place.shape), place.kind)
        name = "store_of_integers" if place.kind == "i" else "store"
        builder.emit(name, [place.size, place.offset, trace.offset, rounds], entry)
        kept.append(trace)
    return kept
