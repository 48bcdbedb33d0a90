"""Each kernel against its plain twin, compiled and with compilation off."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from twins import EXACT, Twin, twins

from cartwheel.experience.lanes import Actor, load
from cartwheel.kernels.acting import act
from cartwheel.kernels.trigonometry import sine_cosine
from cartwheel.policies.actions import action_head
from cartwheel.policies.specification import MLP
from cartwheel.spaces import Box

ALL = list(twins())


def agree(pair: Twin) -> None:
    got, expected = np.asarray(pair.run_kernel()), np.asarray(pair.run_twin())
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    if pair.level == EXACT:
        assert got.tobytes() == expected.tobytes()  # an equality would take -0 for 0
    else:  # tanh of NumPy and of the C library: 4 ulp each, and what follows from it
        np.testing.assert_allclose(got, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("pair", ALL, ids=[f"{pair.kernel}: {pair.case}" for pair in ALL])
def test_kernel_agrees_with_its_twin(pair: Twin) -> None:
    agree(pair)


def test_kernels_agree_with_compilation_off() -> None:
    program = (
        "import sys, warnings; sys.path.insert(0, sys.argv[1]); warnings.simplefilter('ignore')\n"
        "import numba; assert numba.config.DISABLE_JIT\n"
        "from kernels.test_twins import agree\nfrom twins import twins\n"
        "pairs = list(twins())\nfor pair in pairs: agree(pair)\nprint(len(pairs))"
    )
    tests = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program, tests],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(ALL)


@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("hidden", [(), (16,), (33, 20), (64, 64), (5, 70, 9)])
def test_all_engines_make_the_same_numbers(hidden: tuple[int, ...], activation: str) -> None:
    """To the bit: so that which of them is the faster one may decide."""
    head = action_head(Box((3,), (-1.0,) * 3, (1.0,) * 3))
    network = MLP(hidden, activation).build(7, 3)
    theta = np.random.default_rng(0).normal(scale=0.2, size=(32, network.size)).astype(np.float32)
    observation = np.random.default_rng(1).normal(size=(7, 32)).astype(np.float32)
    actions = []
    for engine in ("perceptron", "units", "program"):
        room = Actor(network, head, engine).lanes(32)
        for lane in range(32):
            load(room, lane, theta[lane])
        room.layers[0, :7] = observation
        act(32, *room)
        actions.append(room.action)
    assert actions[0].tobytes() == actions[1].tobytes() == actions[2].tobytes()
    assert np.unique(actions[0]).size > 32


def test_a_wrong_kernel_is_noticed() -> None:
    pair = ALL[0]
    wrong = Twin(pair.kernel, pair.case, pair.level, lambda: np.asarray(pair.run_kernel()) + 1, pair.run_twin)
    with pytest.raises(AssertionError):
        agree(wrong)


def test_every_entry_point_has_a_twin() -> None:
    """The twin of rollout and collect is the general path (tests/experience), the environments' is Gymnasium.

    What is only ever compiled into these has none of its own.
    """
    folder = Path(__file__).parents[2] / "src" / "cartwheel" / "kernels"
    entries = set()
    for path in folder.glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for line, following in pairwise(lines):
            if line.startswith("@compiled(") and following.startswith("def ") and not following.startswith("def _"):
                entries.add(f"{path.stem}.{following[4:].partition('(')[0]}")
    inner = {"perceptron.load", "network.load", "network.move", "perceptron.forward", "perceptron.forward_by_units"}
    inner |= {"network.forward", "network.decide", "network.act", "network.bounded", "acting.outputs"}
    inner |= {"exploring.draw", "exploring.explore"}  # by themselves they are in `acting`
    inner |= {"single.act_on"}  # held to `acting.act` by tests/policies/test_act.py
    assert entries - inner - {"rollout.rollout", "collect.collect"} == {pair.kernel for pair in ALL}


@pytest.mark.slow
def test_sines_and_cosines_equal_the_c_librarys_over_40_million_angles() -> None:
    rng = np.random.default_rng(3)
    for scale in (0.01, 0.05, 0.13, 0.25):
        for _ in range(10):
            rows = np.zeros((3, 1_000_000))
            rows[0] = rng.uniform(-scale, scale, 1_000_000)
            sine_cosine(rows.shape[1], rows, 0, 1, 2)
            assert (rows[1] == np.sin(rows[0])).all()
            assert (rows[2] == np.cos(rows[0])).all()
