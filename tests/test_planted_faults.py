"""Faults planted in a copy of the sources, one at a time: the tests named beside each must notice it.

A line of `FAULTS` is: the file, what stands there, what is put in its place, and the tests to run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Fault:
    """A fault, by what it gets wrong."""

    what: str
    file: str
    right: str
    wrong: str
    tests: str

    @property
    def source(self) -> Path:
        return ROOT / "src" / "cartwheel" / self.file


FAULTS = [
    Fault(
        "another rotation in the generator",
        "kernels/random.py",
        "_ROTATION = np.uint64(58)",
        "_ROTATION = np.uint64(57)",
        "kernels/test_twins.py",
    ),
    Fault(
        "a sign in uniform",
        "kernels/random.py",
        "return low + (high - low)",
        "return low - (high - low)",
        "envs/test_native.py",
    ),
    Fault(
        "a bias forgotten in the offset of the next layer",
        "kernels/perceptron.py",
        "offset += (inputs + 1) * outputs",
        "offset += inputs * outputs",
        "kernels/test_twins.py",
    ),
    Fault(
        "the larger output is not the greater one",
        "kernels/perceptron.py",
        "if output > best or",
        "if output >= best or",
        "kernels/test_twins.py experience/test_rollouts.py",
    ),
    Fault(
        "another bias",
        "kernels/vector.py",
        "result = builder.fadd(builder.load(total), weight(inputs))",
        "result = builder.fsub(builder.load(total), weight(inputs))",
        "kernels/test_twins.py",
    ),
    Fault(
        "the rest of a square forgotten",
        "kernels/trigonometry.py",
        "(series - 0.5 * z_rest)",
        "series",
        "kernels/test_twins.py",
    ),
    Fault(
        "a product grouped in another way",
        "envs/native/cartpole.py",
        "x_acc = temp - POLE_MOMENT * theta_acc * cosine / TOTAL_MASS",
        "x_acc = temp - POLE_MOMENT * (theta_acc * cosine) / TOTAL_MASS",
        "envs/test_native.py",
    ),
    Fault(
        "a missing term: the wall does not stop the car",
        "envs/native/mountain_car_continuous.py",
        "if position == MIN_POSITION_4 and velocity < 0:",
        "if position == MIN_POSITION_4 and velocity > 0:",
        "envs/test_native.py",
    ),
    Fault(
        "the first step in float32",
        "envs/native/mountain_car_continuous.py",
        "state[2, lane] = 1.0",
        "state[2, lane] = 0.0",
        "envs/test_native.py",
    ),
    Fault(
        "the same episode for all",
        "kernels/rollout.py",
        "random[lane, k] = seeds[episode, k]",
        "random[lane, k] = seeds[0, k]",
        "experience/test_rollouts.py",
    ),
    Fault(
        "a return carried over to the next episode",
        "kernels/rollout.py",
        "= following, clock, 0.0, False",
        "= following, clock, total[lane], False",
        "experience/test_rollouts.py",
    ),
    Fault(
        "an episode one step too long",
        "experience/rollouts.py",
        "step >= limit",
        "step > limit",
        "experience/test_rollouts.py",
    ),
    Fault(
        "a return carried over, general path",
        "experience/rollouts.py",
        "self.total[lane], self.length[lane] = 0.0, 0",
        "self.length[lane] = 0",
        "experience/test_rollouts.py",
    ),
    Fault(
        "the worst are selected",
        "algorithms/genetic.py",
        "np.argsort(-fitness",
        "np.argsort(fitness",
        "algorithms",
    ),
    Fault(
        "an unmeasured mutant is returned as the best",
        "algorithms/genetic.py",
        "return best_of(self.ask(), experience)",
        "return Best(self._offspring(np.arange(len(self._population)))[-1], best_of(self.ask(), experience).value)",
        "algorithms",
    ),
    Fault(
        "the last of equals is the best",
        "algorithms/base.py",
        "place = int(fitness.argmax())",
        "place = len(fitness) - 1 - int(fitness[::-1].argmax())",
        "algorithms",
    ),
    Fault(
        "the best can be written to, and is a view of the population",
        "algorithms/base.py",
        "vector = np.array(self.theta, np.float32)",
        "vector = self.theta[...]",
        "algorithms",
    ),
    Fault(
        "a seed reused: the same mutations in each generation",
        "algorithms/genetic.py",
        "Purpose.VARIATION, self._generation)",
        "Purpose.VARIATION, 0)",
        "algorithms",
    ),
    Fault(
        "a variance taken for a standard deviation",
        "algorithms/genetic.py",
        "np.float32(settings.mutation_std) * noise",
        "np.float32(settings.mutation_std**0.5) * noise",
        "algorithms",
    ),
    Fault(
        "the worst of a tournament wins",
        "algorithms/genetic.py",
        ".min(axis=1)",
        ".max(axis=1)",
        "algorithms",
    ),
    Fault(
        "NaN fitness ranks highest",
        "algorithms/base.py",
        "np.where(np.isnan(fitness), -np.inf, fitness)",
        "np.where(np.isnan(fitness), np.inf, fitness)",
        "algorithms",
    ),
    Fault(
        "the same episodes in every generation",
        "training/trainer.py",
        "Purpose.TRAINING, self.generation, count",
        "Purpose.TRAINING, 0, count",
        "training/test_trainer.py",
    ),
    Fault(
        "test episodes that depend on the run",
        "seeds.py",
        "_TEST_ROOT if purpose is Purpose.TEST else seed",
        "seed",
        "training/test_trainer.py test_seeds.py",
    ),
    Fault(
        "purposes share their episodes",
        "seeds.py",
        "spawn_key=(int(purpose), *path)",
        "spawn_key=path",
        "training/test_trainer.py test_seeds.py",
    ),
    Fault(
        "the worst on validation is kept",
        "training/trainer.py",
        "judged.value > self._champion.value",
        "judged.value < self._champion.value",
        "training/test_trainer.py",
    ),
    Fault(
        "every second job left out",
        "kernels/tickets.py",
        "ir.Constant(ir.IntType(64), 1)",
        "ir.Constant(ir.IntType(64), 2)",
        "experience/test_rollouts.py",
    ),
    Fault(
        "the same candidate judged again and again",
        "training/trainer.py",
        "self._judged is not None and np.array_equal(best.theta, self._judged)",
        "False",
        "training/test_trainer.py",
    ),
    Fault(
        "the champion forgotten by a resume",
        "training/trainer.py",
        '_best_in(own, "latest"), _best_in(own, "champion")',
        '_best_in(own, "latest"), None',
        "training/test_trainer.py",
    ),
    Fault(
        "the last generation's best forgotten by a resume",
        "training/trainer.py",
        '_best_in(own, "latest"), _best_in(own, "champion")',
        'None, _best_in(own, "champion")',
        "training/test_trainer.py",
    ),
    Fault(
        "episodes that the request does not ask for",
        "experience/rollouts.py",
        "if len(seeds) != request.episodes:",
        "if False:",
        "experience/test_rollouts.py",
    ),
    Fault(
        "validation steps forgotten by a resume",
        "training/trainer.py",
        'self.validation_steps = int(own["validation_steps"])',
        "self.validation_steps = 0",
        "training/test_trainer.py",
    ),
    Fault(
        "what a file names is imported",
        "cli/subject.py",
        'if ":" in name:',
        "if False:",
        "training/test_trainer.py",
    ),
    Fault(
        "rows of a lost future are kept",
        "training/trainer.py",
        "metrics.drop_after(self.generation)",
        "pass",
        "training/test_trainer.py",
    ),
    Fault(
        "slices are put together in another order",
        "experience/rollouts.py",
        "returns[place], lengths[place] = part.returns, part.lengths",
        "returns[places[-1]], lengths[place] = part.returns, part.lengths",
        "training/test_trainer.py",
    ),
    Fault(
        "an action squashed to twice its bounds",
        "policies/actions.py",
        "(0.5 * (np.tanh",
        "(1.0 * (np.tanh",
        "kernels/test_twins.py policies/test_actions.py",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_the_fault_can_still_be_planted(fault: Fault) -> None:
    assert fault.source.read_text(encoding="utf-8").count(fault.right) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_the_fault_is_noticed(fault: Fault, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    copy = tmp_path / "src" / "cartwheel" / fault.file
    copy.write_text(copy.read_text(encoding="utf-8").replace(fault.right, fault.wrong), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "CARTWHEEL_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"tests/{name}" for name in fault.tests.split())],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]  # 1: tests failed; others: none ran
