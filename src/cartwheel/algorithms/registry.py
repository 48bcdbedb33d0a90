"""The algorithms by name. To add one: a file, and its name in `_FILES`."""

from __future__ import annotations

from importlib import import_module

from cartwheel.algorithms.base import Entry
from cartwheel.registry import Registry

_FILES = (
    "genetic",
    "random_search",
    "hill_climbing",
    "evolution_strategy",
    "ars",
    "pgpe",
    "snes",
    "xnes",
    "cma_es",
    "sep_cma_es",
    "neat",
    "ppo",
    "a2c",
    "reinforce",
    "dqn",
    "tables.q_learning",
    "tables.double_q_learning",
    "tables.sarsa",
    "tables.expected_sarsa",
    "tables.n_step_sarsa",
    "tables.off_policy_sarsa",
    "tables.monte_carlo",
    "tables.off_policy_monte_carlo",
)

ALGORITHMS: Registry[Entry] = Registry("algorithm")
for _file in _FILES:
    _entry: Entry = import_module(f"cartwheel.algorithms.{_file}").ENTRY
    ALGORITHMS.register(_entry.name, _entry)
