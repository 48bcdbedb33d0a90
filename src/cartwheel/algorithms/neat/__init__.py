"""NEAT: networks whose weights and shape evolve together. `search.py` is the algorithm."""

from cartwheel.algorithms.neat.search import ENTRY as ENTRY
from cartwheel.algorithms.neat.search import Neat as Neat
from cartwheel.algorithms.neat.settings import NeatSettings as NeatSettings
