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
        "kernels/network.py",
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
        "random[lane, k] = seeds[job % seeds.shape[0], k]",
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
        "return Best(self._newcomers([0])[0], best_of(self.ask(), experience).value)",
        "algorithms",
    ),
    Fault(
        "the last of equals is the best",
        "algorithms/base.py",
        'places = np.argsort(-fitness, kind="stable")[:count]',
        'places = np.argsort(fitness, kind="stable")[::-1][:count]',
        "algorithms",
    ),
    Fault(
        "the best can be written to, and is a view of the population",
        "algorithms/base.py",
        "vector = np.array(self.theta)",
        "vector = self.theta[...]",
        "algorithms",
    ),
    Fault(
        "a seed reused: the same mutations in each generation",
        "algorithms/genetic.py",
        "Purpose.VARIATION, self._generation, place)",
        "Purpose.VARIATION, 0, place)",
        "algorithms",
    ),
    Fault(
        "a variance taken for a standard deviation",
        "algorithms/operators/mutations.py",
        "noise *= rows.dtype.type(std)",
        "noise *= rows.dtype.type(std**0.5)",
        "algorithms",
    ),
    Fault(
        "the worst of a tournament wins",
        "algorithms/operators/selections.py",
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
        "self._judged is not None and self._moments is None and np.array_equal(best.theta, self._judged)",
        "False",
        "training/test_trainer.py",
    ),
    Fault(
        "the champion forgotten by a resume",
        "training/trainer.py",
        'next(iter(_bests_in(own, "champion")), None)',
        "None",
        "training/test_trainer.py",
    ),
    Fault(
        "the last generation's best forgotten by a resume",
        "training/trainer.py",
        'self._latest = _bests_in(own, "latest")',
        "self._latest = []",
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
        "whole.returns[place], whole.lengths[place] = part.returns, part.lengths",
        "whole.returns[places[-1]], whole.lengths[place] = part.returns, part.lengths",
        "training/test_trainer.py",
    ),
    Fault(
        "an action squashed to twice its bounds",
        "policies/actions.py",
        "(0.5 * (np.tanh",
        "(1.0 * (np.tanh",
        "kernels/test_twins.py policies/test_actions.py",
    ),
    Fault(
        "a sign in the gradient of cos",
        "nn/functions/elementwise.py",
        "cos.rules = (lambda g, y, x: -g * sin(x),)",
        "cos.rules = (lambda g, y, x: g * sin(x),)",
        "nn/test_functions.py",
    ),
    Fault(
        "exp in float64 whatever it is given",
        "nn/functions/elementwise.py",
        "return xp.exp(x)",
        "return xp.exp(x * np.float64(1.0))",
        "nn/test_functions.py",
    ),
    Fault(
        "both of two equals get the whole gradient",
        "nn/functions/elementwise.py",
        "where(tie, 0.5 * g, g)",
        "g",
        "nn/test_functions.py",
    ),
    Fault(
        "where differentiates the branch not taken",
        "nn/functions/elementwise.py",
        "sum_to(where(condition, 0.0, g), x1.shape)",
        "sum_to(where(condition, g, 0.0), x1.shape)",
        "nn/test_functions.py",
    ),
    Fault(
        "the gradient of a stretched factor is not summed",
        "nn/functions/arithmetic.py",
        "sum_to(g * x0, x1.shape))",
        "g * x0)",
        "nn/test_functions.py",
    ),
    Fault(
        "a sign in the gradient of a quotient",
        "nn/functions/arithmetic.py",
        "sum_to(-g * y / x1, x1.shape)",
        "sum_to(g * y / x1, x1.shape)",
        "nn/test_functions.py",
    ),
    Fault(
        "sum_to sums over an axis too few",
        "nn/functions/arithmetic.py",
        "axes = *range(lead), *(",
        "axes = *range(lead - 1), *(",
        "nn/test_functions.py",
    ),
    Fault(
        "relu writes to its input",
        "nn/functions/activations.py",
        "return xp.maximum(x, 0)\n",
        "return xp.maximum(x, 0, out=x)\n",
        "nn/test_functions.py",
    ),
    Fault(
        "softmax sums its gradient over the last axis, whatever the axis",
        "nn/functions/activations.py",
        "_sum.forward(xp, g * y, axis=axis, keepdims=True)",
        "_sum.forward(xp, g * y, axis=-1, keepdims=True)",
        "nn/test_functions.py",
    ),
    Fault(
        "another factor in the gradient of gelu",
        "nn/functions/activations.py",
        "3.0 * _B * square",
        "2.0 * _B * square",
        "nn/test_functions.py",
    ),
    Fault(
        "a mean's gradient is that of a sum",
        "nn/functions/reductions.py",
        "_kept(g, x, axis, keepdims) / (_per_result(x, y) or 1), x.shape)",
        "_kept(g, x, axis, keepdims), x.shape)",
        "nn/test_functions.py",
    ),
    Fault(
        "equals share no gradient of max",
        "nn/functions/reductions.py",
        "(reached / sum(reached, axis, True))",
        "reached",
        "nn/test_functions.py",
    ),
    Fault(
        "the gradient of a variance forgets ddof",
        "nn/functions/reductions.py",
        "(2.0 / (count - ddof))",
        "(2.0 / count)",
        "nn/test_functions.py",
    ),
    Fault(
        "a mean taken for a constant, which only second gradients see",
        "nn/functions/reductions.py",
        "_centred.rules = (lambda g, y, x, axis: _centred(g, axis=axis),)",
        "_centred.rules = (lambda g, y, x, axis: g,)",
        "nn/test_functions.py",
    ),
    Fault(
        "cumsum's gradient in the wrong direction",
        "nn/functions/reductions.py",
        "flip(_cumsum(flip(g, axis), axis=axis), axis)",
        "_cumsum(g, axis=axis)",
        "nn/test_functions.py",
    ),
    Fault(
        "axes reordered twice in place of back",
        "nn/functions/shape.py",
        "_transpose(g, axes=_inverse(axes))",
        "_transpose(g, axes=axes)",
        "nn/test_functions.py",
    ),
    Fault(
        "a part of a concatenation at the wrong place",
        "nn/functions/shape.py",
        "bounds = [0, *accumulate(x.shape[axis] for x in xs)]",
        "bounds = [0, *(x.shape[axis] for x in xs)]",
        "nn/test_functions.py",
    ),
    Fault(
        "a place taken twice gets one of its gradients",
        "nn/functions/indexing.py",
        "if not any(map(_can_repeat, index)):",
        "if True:",
        "nn/test_functions.py",
    ),
    Fault(
        "a population's biases summed over the candidates",
        "nn/functions/products.py",
        "g = reductions.sum(g, -2)",
        "g = reductions.sum(g, 0)",
        "nn/test_functions.py",
    ),
    Fault(
        "weights that were stretched get the gradient of one",
        "nn/functions/products.py",
        "reshape(sum_to(gW, W.shape) if len(W.shape) > 2 else gW, W.shape)",
        "reshape(gW[..., : W.shape[-1]] if len(W.shape) > 2 else gW, W.shape)",
        "nn/test_functions.py",
    ),
    Fault(
        "a sign in the gradient of the mean squared error by its target",
        "nn/functions/losses.py",
        "sum_to(_mean_squared_error_gradient(g, x1, x0, rows=rows), x1.shape)",
        "sum_to(_mean_squared_error_gradient(g, x0, x1, rows=rows), x1.shape)",
        "nn/test_functions.py",
    ),
    Fault(
        "the gradient of cross entropy not divided by the rows",
        "nn/functions/losses.py",
        "chances *= gradients[0] / _rows(x.shape)",
        "chances *= gradients[0]",
        "nn/test_functions.py",
    ),
    Fault(
        "batch normalisation takes the variance for a constant",
        "nn/functions/regularisation.py",
        "(g - (by_beta + h * by_gamma) / count)",
        "(g - by_beta / count)",
        "nn/test_functions.py",
    ),
    Fault(
        "the stride down taken across as well",
        "nn/functions/pooling.py",
        "slice(column, right, across)",
        "slice(column, right, down)",
        "nn/test_functions.py",
    ),
    Fault(
        "a gradient flows back through a reset",
        "nn/functions/through_time.py",
        "dc = _forget(xp, rows[t], dc * f[t, ...])",
        "dc = dc * f[t, ...]",
        "nn/test_functions.py",
    ),
    Fault(
        "a sign in the derivative of a gate",
        "nn/functions/through_time.py",
        "of_n * ahs * r * (1.0 - r)",
        "of_n * ahs * r * (1.0 + r)",
        "nn/test_functions.py",
    ),
    Fault(
        "functions passed in the order of their creation",
        "nn/backward.py",
        "found.sort(key=_creation, reverse=True)",
        "found.sort(key=_creation)",
        "nn/test_core.py",
    ),
    Fault(
        "gradients that share memory",
        "nn/backward.py",
        "if g is other:",
        "if False:",
        "nn/test_functions.py",
    ),
    Fault(
        "a sum of gradients written into one that is not its own",
        "nn/backward.py",
        "elif self.variables or key not in self._own or not isinstance(so_far, np.ndarray):",
        "elif self.variables or not isinstance(so_far, np.ndarray):",
        "nn/test_core.py",
    ),
    Fault(
        "a second backward takes the place of the first",
        "nn/backward.py",
        "wrapped(raw(x.grad) + g)",
        "wrapped(g)",
        "nn/test_core.py",
    ),
    Fault(
        "what enters a function twice gets its recorded gradient twice",
        "nn/backward.py",
        "flow.gradients.pop(id(x), None) if",
        "flow.gradients.get(id(x)) if",
        "nn/test_functions.py",
    ),
    Fault(
        "an instance called twice forgets its first call",
        "nn/function.py",
        "            self._leave_earlier_call()",
        "            pass",
        "nn/test_core.py",
    ),
    Fault(
        "a power of small integers overflows in its gradient",
        "nn/functions/elementwise.py",
        "    c = float(c)\n",
        "",
        "nn/test_functions.py",
    ),
    Fault(
        "a minus for a plus in a row",
        "kernels/opcodes/elementwise.py",
        "y[i] = x0[i] + x1[i]",
        "y[i] = x0[i] - x1[i]",
        "nn/test_capture.py",
    ),
    Fault(
        "the same outer stride for two axes",
        "kernels/opcodes/blocks.py",
        "offset += outer % row[LENGTHS + 1] * row[word + 2]",
        "offset += outer % row[LENGTHS + 1] * row[word + 3]",
        "nn/test_capture_table.py",
    ),
    Fault(
        "a block that begins where another does",
        "kernels/opcodes/blocks.py",
        "offset += inner * row[CHUNK] * stride",
        "offset += 0",
        "kernels/test_opcodes_mathematics.py",
    ),
    Fault(
        "a form that forgets what is gathered",
        "kernels/opcodes/forms.py",
        "            if strides[-1] != 1:\n                yield stretch(gathered, min(chunk, last), written=True)\n",
        "",
        "nn/test_capture.py",
    ),
    Fault(
        "a relu that lets negative numbers through",
        "kernels/opcodes/activation.py",
        "y[i] = x[i] if not x[i] <= like(x[i], 0.0) else like(x[i], 0.0)",
        "y[i] = x[i]",
        "kernels/test_opcode_levels.py",
    ),
    Fault(
        "another bias correction",
        "kernels/opcodes/optimization.py",
        "rate = kind(alpha * math.sqrt(1.0 - math.pow(beta2, t)) / (1.0 - math.pow(beta1, t)))",
        "rate = kind(alpha * math.sqrt(1.0 - math.pow(beta2, t)))",
        "kernels/test_opcode_levels.py",
    ),
    Fault(
        "an update that is not counted",
        "kernels/opcodes/optimization.py",
        "integers[row[STEP]] = before + row[ADVANCE]",
        "integers[row[STEP]] = before",
        "kernels/test_opcode_levels.py",
    ),
    Fault(
        "a class out of range that ends nothing",
        "kernels/opcodes/softmax.py",
        "    integers[1] = -1\n    return 0 * chosen",
        "    return 0 * chosen",
        "nn/test_capture.py",
    ),
    Fault(
        "an index out of range that ends nothing",
        "kernels/opcodes/moves.py",
        "    integers[_FAILED] = -1\n    return 0 if place < 0 else length - 1",
        "    return 0 if place < 0 else length - 1",
        "nn/test_capture.py",
    ),
    Fault(
        "minibatches that are all the first",
        "kernels/opcodes/moves.py",
        "names = row[NAMES] + _round(integers, row[ROUNDS]) * row[BATCH]",
        "names = row[NAMES]",
        "nn/test_capture.py",
    ),
    Fault(
        "a mean that is a sum",
        "kernels/opcodes/reductions.py",
        "        _divide(row, numbers, _y(row, number), row[REDUCED])\n",
        "",
        "kernels/test_opcode_levels.py",
    ),
    Fault(
        "a cell that forgets",
        "kernels/opcodes/lstm.py",
        "numbers[new + b * size + k] = numbers[f + k] * numbers[c + b * size + k] + numbers[i + k] * numbers[u + k]",
        "numbers[new + b * size + k] = numbers[i + k] * numbers[u + k]",
        "kernels/test_opcodes_recurrence.py",
    ),
    Fault(
        "a derivative of tanh without its square",
        "kernels/opcodes/lstm.py",
        "numbers[by_u + k] = numbers[dc + m + k] * ((one - y * y) * numbers[i + k])",
        "numbers[by_u + k] = numbers[dc + m + k] * numbers[i + k]",
        "kernels/test_opcodes_recurrence.py",
    ),
    Fault(
        "rounds that are not counted",
        "kernels/opcodes/registry.py",
        "        integers[0] += 1\n",
        "",
        "nn/test_capture.py",
    ),
    Fault(
        "a row that is never checked",
        "nn/capture/program.py",
        "        if span.first != span.last and not any(",
        "        if False and not any(",
        "nn/test_capture.py",
    ),
    Fault(
        "an optimizer that is not told of its updates",
        "nn/capture/program.py",
        "self.optimizer._step += times",
        "pass",
        "nn/test_capture.py",
    ),
    Fault(
        "the memory of eager steps not taken over",
        "nn/capture/program.py",
        "            if known.get(name) is not array:",
        "            if False:",
        "nn/test_capture.py",
    ),
    Fault(
        "recordings that are not compared",
        "nn/capture/captured.py",
        "        if line != again:",
        "        if False:",
        "nn/test_capture.py",
    ),
    Fault(
        "a recording that changes theta",
        "nn/capture/tape.py",
        "            array[...] = numbers\n",
        "            pass\n",
        "nn/test_capture.py",
    ),
    Fault(
        "a view taken for a constant",
        "nn/capture/builder.py",
        "found = self.places[id(x)] = self._view(x) or self._constant(x)",
        "found = self.places[id(x)] = self._constant(x)",
        "nn/test_capture.py",
    ),
    Fault(
        "a gradient that goes where another is",
        "nn/capture/lowering.py",
        "        offset += x.size\n",
        "        offset += 0\n",
        "nn/test_capture.py",
    ),
    Fault(
        "a draw that nothing is made of is left out",
        "nn/capture/tape.py",
        " or entry.what in DRAWS",
        "",
        "nn/test_chance.py",
    ),
    Fault(
        "one draw from the generator for all classes of a row",
        "nn/functions/chance.py",
        "rng.gumbel(size=x.shape)",
        "rng.gumbel(size=(*x.shape[:-1], 1))",
        "nn/test_chance.py",
    ),
    Fault(
        "1 at the chance of 1 - p",
        "kernels/opcodes/chance.py",
        "y[i] = one if uniform(generator, 0.0, 1.0) < chances[i] else zero",
        "y[i] = zero if uniform(generator, 0.0, 1.0) < chances[i] else one",
        "kernels/test_opcode_levels.py",
    ),
    Fault(
        "a squared error's slope without its 2",
        "kernels/opcodes/losses.py",
        "gx.dtype.type(2.0 / _setting(row, DIVISOR))",
        "gx.dtype.type(1.0 / _setting(row, DIVISOR))",
        "kernels/test_opcode_levels.py",
    ),
    Fault(
        "transposed axes in their old order",
        "nn/capture/layout.py",
        "strides=tuple(self.strides[axis] for axis in axes)",
        "strides=self.strides",
        "nn/test_capture.py",
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
