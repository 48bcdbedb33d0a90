"""The T-maze with a corridor of 50 steps, compiled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cartwheel.envs.native import t_maze
from cartwheel.envs.native.t_maze import begin
from cartwheel.kernels import RESET, compiled

LENGTH = 50.0


@compiled(RESET)
def reset(lane: int, state: Any, generators: Any) -> None:
    """At the sign of a corridor of 50 steps."""
    begin(LENGTH, lane, state, generators)


NATIVE = replace(
    t_maze.NATIVE, ids=("cartwheel/TMaze-50-v0",), entry_point="cartwheel.envs.t_maze:TMaze50", reset=reset
)
