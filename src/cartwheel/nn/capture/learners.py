"""What a program needs of the optimizers whose updates it makes."""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.nn.array import Array
from cartwheel.nn.capture.updates import Learnt


@dataclass(frozen=True)
class Learner:
    """An optimizer, and the arrays in which a program keeps its memory and its count of updates."""

    learnt: Learnt
    step: Array | None  # the count among the integers (1,), where a row counts it

    def begin(self) -> None:
        """Take over what the optimizer remembers, if it was used in between."""
        optimizer = self.learnt.optimizer
        known = optimizer._memory
        for name, array in self.learnt.memory.items():
            if known.get(name) is not array:
                array[...] = known.get(name, 0.0)
                known[name] = array
        self.learnt.count._data[...] = optimizer._step
        if self.step is not None:
            self.step[...] = optimizer._step

    def end(self, rounds: int | None) -> None:
        """Tell the optimizer how many updates were made: in so many whole rounds, or as the program has counted."""
        optimizer = self.learnt.optimizer
        if rounds is not None:
            optimizer._step += rounds * self.learnt.updates
        else:
            optimizer._step = int(self.learnt.count._data)
