"""What one action costs from Python: an observation as an environment gives it, to an action that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from benchmarks import act_peers
from benchmarks.act_peers import Act, Array, Layers
from benchmarks.act_process import many
from benchmarks.ppo import stable_baselines
from benchmarks.ppo_process import Process
from benchmarks.records import Comparison, Contestant, Sample, Setting, benchmark
from cartwheel.errors import CartwheelError
from cartwheel.policies.policy import Policy
from cartwheel.policies.specification import Stochastic
from cartwheel.spaces import Box, Discrete

_MODULE = "benchmarks.act_process"

INPUTS, HIDDEN, CHOICES = 4, (64, 64), 2
_OURS, _NUMPY, _ONNX, _TORCH = "Cartwheel", "NumPy by hand", "onnxruntime", "PyTorch, eager"
_JAX, _THEIRS = "JAX jit", "stable-baselines3's predict"
_OTHERS = (_NUMPY, _ONNX, _TORCH, _JAX, _THEIRS)

#: Those that run in this process.
_PEERS: dict[str, Callable[[Layers], Act]] = {
    _NUMPY: act_peers.numpy,
    _ONNX: act_peers.onnx,
    _TORCH: act_peers.torch,
}


@benchmark(
    "act",
    "The greedy action of a policy 4-64-64-2 with tanh units for one observation, a float32 array as an environment "
    "gives it: `policy.act` beside the same network by others, each of which gives the number of the same action: "
    "onnxruntime and PyTorch with one thread, JAX in a process of its own on one core; and stable-baselines3's "
    "`predict`, in a process of its own, with weights of its own. The work of a turn is the CPU time of one call, in "
    "microseconds. Compilation, and what is done at the first call, are left out.",
    (
        *(
            Comparison(f"{name}: microseconds", "work", "value", name, at_most=3.0 if name == _OURS else None)
            for name in (_OURS, *_OTHERS)
        ),
        *(Comparison(f"{name} / {_OURS}", "work", "ratio", name, _OURS) for name in _OTHERS),
    ),
)
def act(setting: Setting) -> Iterator[Contestant]:
    """Ours and the peers; under `quick` a hundredth of the calls."""
    made, seen, times = policy(), observations(), (1 if setting.quick else 100)
    wanted = [int(made.act(one)[0]) for one in seen]
    yield Contestant(_OURS, partial(many, made.act, seen, times))
    for name, make in _PEERS.items():
        rival = make(layers(made))
        check(name, [rival(one) for one in seen], wanted)
        yield Contestant(name, partial(many, rival, seen, times))
    yield Contestant(_JAX, partial(_asked, Process(_MODULE, "jax"), "jax", seen, times, wanted))
    theirs = partial(_asked, stable_baselines(_MODULE), "stable-baselines3", seen, max(1, times // 10), None)
    yield Contestant(_THEIRS, theirs)


def policy() -> Policy:
    """A policy with some weights."""
    specification, rng = Stochastic(HIDDEN, "tanh"), np.random.default_rng(0)
    theta = rng.standard_normal(specification.build(INPUTS, CHOICES).size) / 4
    box = Box((INPUTS,), (-np.inf,) * INPUTS, (np.inf,) * INPUTS)
    return Policy(specification, box, Discrete(CHOICES), theta.astype(np.float32))


def layers(policy: Policy) -> Layers:
    """The policy's network, layer by layer."""
    arrays = policy.network.layout.unpack(policy.theta)
    return [(arrays[f"W{k}"], arrays[f"b{k}"]) for k in range(1, len(HIDDEN) + 2)]


def observations(count: int = 1000) -> list[Array]:
    """Arrays of their own, as an environment gives them."""
    return list(np.random.default_rng(1).standard_normal((count, INPUTS)).astype(np.float32))


def check(name: str, chosen: Sequence[int], wanted: Sequence[int]) -> None:
    """CartwheelError where other actions are chosen than ours."""
    others = sum(one != other for one, other in zip(chosen, wanted, strict=True))
    if others:
        raise CartwheelError(f"{name} chose {others:,} of {len(wanted):,} actions otherwise: not the same network")


def _asked(process: Process, who: str, seen: Sequence[Array], times: int, wanted: Sequence[int] | None) -> Sample:
    """A turn of a process, whose actions are checked where they are known."""
    heard = process.ask({"who": who, "observations": [one.tolist() for one in seen], "times": times})
    if wanted is not None:
        check(who, heard["chosen"], wanted)
    return Sample(**heard["turn"])
