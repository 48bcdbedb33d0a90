"""Executors: `map(function, items)`, in order, by one worker or several; and crews, who keep what they work on.

What they give never depends on how many they are.
"""

from cartwheel.training.executors.base import Executor
from cartwheel.training.executors.choice import make_crew, make_executor
from cartwheel.training.executors.parcels import packed
from cartwheel.training.executors.processes import Processes
from cartwheel.training.executors.serial import Serial
from cartwheel.training.executors.threads import Threads

__all__ = ["Executor", "Processes", "Serial", "Threads", "make_crew", "make_executor", "packed"]
