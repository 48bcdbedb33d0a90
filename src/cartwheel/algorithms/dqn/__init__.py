"""Q-learning with a network, a replay memory and a target network."""

from cartwheel.algorithms.dqn.agent import ENTRY

__all__ = ["ENTRY"]
