"""What a program was recorded with, and is looked at again at each call: settings, hooks, and where numbers lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cartwheel.nn.array import Array
from cartwheel.nn.capture.names import Names
from cartwheel.nn.capture.tape import Tape
from cartwheel.nn.layers.layer import Contents
from cartwheel.nn.variable import Variable


class Watch:
    """Parameters and other Variables of the user's, optimizers, schedules, and arrays that were taken as constants."""

    def __init__(self, tape: Tape, variables: Sequence[Variable], constants: Sequence[Array], names: Names) -> None:
        self._places = [(x, x._data) for x in (*tape.parameters.values(), *variables)]
        self._learners = [(one.optimizer, one.vector, one.settings, one.hooks) for one in tape.learners.values()]
        self._schedules = tape.schedules
        self._models = list(tape.models.values())
        self._changes = -1
        self._lists: list[tuple[Any, Any]] = []
        self._constants = [(array, array.tobytes()) for array in constants]
        self._names, self._cells = names.found()

    def same(self) -> bool:
        """Whether nothing of it has changed. ValueError where a model has other parameters, as from a call of it.

        It is asked at each call: loops, since generators take longer than all the rest.
        """
        for names, name, value in self._names:
            if names.get(name) is not value:
                return False
        for cell, value in self._cells:
            if cell.cell_contents is not value:
                return False
        for x, data in self._places:
            if x._data is not data and not _at_one_place(x._data, data):
                return False
        for optimizer, vector, settings, hooks in self._learners:
            if optimizer._vector is not vector or optimizer.settings != settings:
                return False
            if (hooks or optimizer.hooks) and hooks != [(hook, hook.settings) for hook in optimizer.hooks]:
                return False
        if self._models and (self._changes != Contents.changes or self._other_lists()):
            self._check_models()
        for schedule, optimizer, rate in self._schedules:
            if schedule(optimizer._step) != rate:
                return False
        return not self._constants or all(array.tobytes() == numbers for array, numbers in self._constants)

    def _check_models(self) -> None:
        """Have models look at what they hold, and remember the lists among it."""
        for model in self._models:
            model._checked()
        self._changes = Contents.changes
        self._lists = [one for model in self._models for one in model._inside.lists()]

    def _other_lists(self) -> bool:
        for holder, found in self._lists:
            try:
                if holder != found:  # what is the same is not compared further
                    return True
            except ValueError:  # of parameters, of which one is another
                return True
        return False


def _at_one_place(x: Array, y: Array) -> bool:
    """Whether two views show the same memory in the same way. That of y is kept by the program."""
    if x is None or x.shape != y.shape or x.dtype != y.dtype or x.strides != y.strides:
        return False
    return bool(x.ctypes.data == y.ctypes.data)
