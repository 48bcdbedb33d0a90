"""What holds for a block or a thread (`no_grad`, `test_mode`, `debug`), and what the messages of mistakes name."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel import nn
from cartwheel.nn import Function, Parameter, Variable
from cartwheel.nn import functions as F

HERE = Path(__file__).name


def variable(*numbers: Any, dtype: Any = np.float64) -> Variable:
    return Variable(np.array(numbers[0] if len(numbers) == 1 else numbers, dtype))


def line_of(text: str) -> int:
    """The line of this file that ends with a mark, for messages that must name it."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {text}"))


class Halved(Function):
    def forward(self, x: Any) -> Any:
        return x / 2

    def backward(self, g: Any) -> Any:
        return g / 2


# --- the configuration -----------------------------------------------------------------------------------------------


def test_nothing_is_recorded_under_no_grad() -> None:
    x = variable(2.0)
    with nn.no_grad():
        assert (x * x).creator is None
        assert Halved()(x).creator is None
        assert not nn.Config.enable_backprop
    assert (x * x).creator is not None


def leave_by_an_exception_if(wanted: bool) -> None:
    assert wanted
    raise KeyError


def test_a_mode_ends_with_its_block_also_by_an_exception() -> None:
    for mode, name, usual in (
        (nn.no_grad, "enable_backprop", True),
        (nn.test_mode, "train", True),
        (nn.debug, "debug", False),
    ):
        with pytest.raises(KeyError), mode():
            leave_by_an_exception_if(getattr(nn.Config, name) is not usual)
        assert getattr(nn.Config, name) is usual
    with pytest.raises(AttributeError), nn.using_config("trian", False):
        pass


def test_no_grad_in_one_thread_does_not_touch_another() -> None:
    inside, done = threading.Event(), threading.Event()
    seen = []

    def evaluate() -> None:
        with nn.no_grad(), nn.test_mode():
            inside.set()
            done.wait(10)
            seen.append((variable(1.0) * 2.0).creator)

    thread = threading.Thread(target=evaluate)
    thread.start()
    assert inside.wait(10)
    x = variable(3.0)
    y = x * x
    assert nn.Config.train
    y.backward()
    done.set()
    thread.join()
    assert float(x.grad) == 6.0
    assert seen == [None]


def test_backward_inside_no_grad_and_an_error_in_it_leave_the_configuration() -> None:
    class Broken(Function):
        def forward(self, x: Any) -> Any:
            return x

        def backward(self, g: Any) -> Any:
            raise KeyError

    with pytest.raises(KeyError):
        Broken()(variable(1.0)).backward()
    assert nn.Config.enable_backprop
    y = variable(2.0) * 2.0
    with nn.no_grad():
        y.backward()
        assert not nn.Config.enable_backprop


def test_a_seed_makes_the_same_numbers_again() -> None:
    nn.seed(4)
    first = nn.Config.rng.standard_normal(3)
    nn.seed(4)
    np.testing.assert_array_equal(nn.Config.rng.standard_normal(3), first)


# --- the seeds of mistakes -------------------------------------------------------------------------------------------


def test_debug_names_the_first_operation_that_gives_no_number() -> None:
    x = variable(1.0, 0.0, -2.0)
    with np.errstate(all="ignore"), nn.debug():
        y = x * 2.0
        with pytest.raises(FloatingPointError) as caught:
            F.exp(F.log(y))  # the logarithm of a negative number
    message = str(caught.value)
    assert message.startswith("log gave 1 of 3 NaN and 1 of 3 infinite")
    assert f"{HERE}:{line_of('the logarithm of a negative number')}" in message
    assert "input 0: float64 (3,), from -4 to 2" in message


def test_debug_names_the_operation_whose_gradient_is_no_number() -> None:
    with np.errstate(all="ignore"), nn.debug():
        x = variable(0.0, 4.0)
        y = F.sqrt(x)  # a square root at zero
        with pytest.raises(FloatingPointError) as caught:
            (y * 1.0).backward()  # where backward is called
    message = str(caught.value)
    assert message.startswith("the gradient of sqrt (called at ")
    assert f"{HERE}:{line_of('a square root at zero')}" in message
    assert f"{HERE}:{line_of('where backward is called')}" in message
    assert "1 of 2 infinite" in message


def test_debug_looks_at_functions_of_ones_own_and_only_in_its_block() -> None:
    class Reciprocal(Function):
        def forward(self, x: Any) -> Any:
            return 1 / x

        def backward(self, g: Any) -> Any:
            return -g

    with np.errstate(all="ignore"):
        assert np.isinf(Reciprocal()(variable(0.0)).data)
        with nn.debug(), pytest.raises(FloatingPointError, match=r"Reciprocal gave 1 of 1 infinite"):
            Reciprocal()(variable(0.0))


def test_debug_passes_what_is_finite_and_integers() -> None:
    with nn.debug():
        x = variable(1.0, 2.0)
        y = F.sum(x * x) + Variable(np.array(3))
        y.backward()
    np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])


def test_shapes_that_do_not_fit_name_operation_shapes_and_line() -> None:
    with pytest.raises(ValueError, match="add") as caught:
        variable(1.0, 2.0, 3.0) + np.ones((2, 2))  # three and two
    message = str(caught.value)
    assert message.startswith("add: ")
    assert "float64 (3,), float64 (2, 2)" in message
    assert message.endswith(f"{HERE}:{line_of('three and two')})")


def test_products_that_do_not_fit_name_shapes_and_line() -> None:
    x, W = Variable(np.ones((5, 3))), Parameter(np.ones((4, 2)), name="W")
    with pytest.raises(ValueError, match="matmul") as caught:
        x @ W  # columns and rows
    message = str(caught.value)
    assert "(5, 3)" in message
    assert "(4, 2)" in message
    assert f"{HERE}:{line_of('columns and rows')}" in message


def test_the_cause_of_a_mistake_is_kept() -> None:
    with pytest.raises(ValueError, match="add") as caught:
        variable(1.0, 2.0, 3.0) + np.ones(2)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_bias_of_length_0_is_a_mistake_and_a_batch_of_none_is_not() -> None:
    with pytest.raises(ValueError, match=r"holds no number.*np\.zeros\(n\)"):
        Variable(np.ones((4, 1))) + Parameter(np.zeros(0))
    assert (Variable(np.ones((0, 3))) + np.ones(3)).shape == (0, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + "a",
        lambda x: x + np.array(["2020"], "M8[Y]"),
        lambda x: x * np.array([None, None, None]),
        lambda x: x ** "a",
        lambda x: x + None,
        lambda x: x + {},
    ],
)
def test_operands_of_other_types_are_a_type_error_of_the_operation(call: Any) -> None:
    with pytest.raises(TypeError, match=r"(add|mul|pow): .*test_modes\.py"):
        call(variable(1.0, 2.0, 3.0))


def test_an_axis_that_is_none_is_a_value_error_of_the_operation() -> None:
    with pytest.raises(ValueError, match=r"sum: .*axis 3.*test_modes\.py"):
        F.sum(variable(1.0, 2.0), axis=3)


def test_the_generator_of_a_thread_begins_at_seed_0() -> None:
    drawn = []
    nn.seed(7)
    thread = threading.Thread(target=lambda: drawn.append(nn.Config.rng.standard_normal()))
    thread.start()
    thread.join()
    assert drawn == [np.random.default_rng(0).standard_normal()]


def test_the_package_names_what_is_for_users() -> None:
    assert set(nn.__all__) < set(dir(nn))
    assert not [name for name in dir(nn) if name.startswith("_") or name in ("annotations", "import_module", "Any")]
    assert all(hasattr(nn, name) for name in dir(nn) if name != "check")
