"""What an action costs: networks in lanes, by the engine for perceptrons and by recorded programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.records import Comparison, Contestant, Sample, Setting, benchmark, timed
from cartwheel.experience.lanes import Actor, load
from cartwheel.kernels.compile import compiled
from cartwheel.kernels.network import act
from cartwheel.policies.actions import action_head
from cartwheel.policies.specification import MLP, Recurrent, Specification
from cartwheel.spaces import Discrete

_INPUTS, _CHOICES = 4, 2
_LANES = (1, 15, 48)
_PERCEPTRON, _PROGRAM = "perceptron", "program"
_SMALL, _LARGE = "4-16-2", "4-64-64-2"

_JOBS: tuple[tuple[str, Specification, str], ...] = (
    *((_SMALL, MLP((16,)), engine) for engine in (_PERCEPTRON, _PROGRAM)),
    *((_LARGE, MLP((64, 64)), engine) for engine in (_PERCEPTRON, _PROGRAM)),
    *((f"4-{cell}{H}-2", Recurrent(cell, (H,)), _PROGRAM) for cell in ("rnn", "gru", "lstm") for H in (16, 64)),
)


def _name(job: str, engine: str, lanes: int) -> str:
    return f"{job} as a {engine}, {lanes} lane{'s' if lanes > 1 else ''}"


def _comparisons() -> Iterator[Comparison]:
    """The two engines against each other on one network, then what each contestant took."""
    for job in (_SMALL, _LARGE):
        for lanes in _LANES:
            first, second = _name(job, _PROGRAM, lanes), _name(job, _PERCEPTRON, lanes)
            wanted = 3.0 if job == _SMALL and lanes < 16 else None
            yield Comparison(f"{first} / {_PERCEPTRON}", "work", "ratio", first, second, at_most=wanted)
    for job, _, engine in _JOBS:
        for lanes in _LANES:
            name = _name(job, engine, lanes)
            yield Comparison(f"{name}: nanoseconds", "work", "value", name)


@benchmark(
    "acting",
    "Greedy actions of 1, 15 and 48 lanes, each with its own weights, observation and memory: a perceptron's by the "
    "engine that runs sixteen lanes together, and by its recorded program, lane after lane, as recurrent networks are "
    "run. The work of a turn is the CPU time of one call, in nanoseconds, for all lanes together; calls are made from "
    "compiled code, as rollouts make them, and each puts its observations in place first.",
    tuple(_comparisons()),
)
def acting(setting: Setting) -> Iterator[Contestant]:
    """A contestant for each network, engine and number of lanes; under `quick` a hundredth of the calls."""
    for job, specification, engine in _JOBS:
        for lanes in _LANES:
            calls = _calls(specification, engine, lanes)
            times = _enough(calls, 0.0005 if setting.quick else 0.05)
            yield Contestant(_name(job, engine, lanes), partial(_turn, calls, times))


@compiled()
def _loop(
    times: int,
    lanes: int,
    observations: Any,
    sizes: Any,
    activation: Any,
    weights: Any,
    targets: Any,
    rows: Any,
    numbers: Any,
    integers: Any,
    places: Any,
    shift: Any,
    scale: Any,
    groups: Any,
    squashed: bool,
    low: Any,
    high: Any,
    layers: Any,
    action: Any,
) -> None:
    """So many calls; observations (d, lanes) are used up by each. The rest is `kernels.network.Lanes`, part by part."""
    for _ in range(times):
        for k in range(observations.shape[0]):
            for lane in range(lanes):
                layers[0, k, lane] = observations[k, lane]
        act(
            lanes,
            sizes,
            activation,
            weights,
            targets,
            rows,
            numbers,
            integers,
            places,
            shift,
            scale,
            groups,
            squashed,
            low,
            high,
            layers,
            action,
        )


def _calls(specification: Specification, engine: str, lanes: int) -> Callable[[int], None]:
    """So many calls of this network, when it is told how many."""
    network, rng = specification.build(_INPUTS, _CHOICES), np.random.default_rng(0)
    room = Actor(network, action_head(Discrete(_CHOICES)), engine).lanes(lanes)
    for lane, theta in enumerate(network.initial(rng, lanes, deviation=0.3)):
        load(room, lane, theta)
    observations = rng.standard_normal((_INPUTS, lanes), np.float32)
    return lambda times: _loop(times, lanes, observations, *room)


def _enough(calls: Callable[[int], None], seconds: float) -> int:
    """How many calls take about so long."""
    calls(1)  # compiles
    times = 1
    while (took := timed(partial(_counted, calls, times)).wall) < seconds / 4:
        times *= 4
    return max(1, round(times * seconds / took))


def _counted(calls: Callable[[int], None], times: int) -> float:
    calls(times)
    return float(times)


def _turn(calls: Callable[[int], None], times: int) -> Sample:
    """The work is what one call took, in nanoseconds."""
    sample = timed(partial(_counted, calls, times))
    return Sample(sample.cpu, sample.wall, 1e9 * sample.cpu / times)
