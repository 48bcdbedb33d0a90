"""Policies: a network's specification, how its outputs become actions, and the two together."""
