"""`Variable`: an array that remembers how it was made, so that gradients can be asked of what is made from it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from cartwheel.nn.array import Array, namespace
from cartwheel.nn.config import Config

if TYPE_CHECKING:
    from cartwheel.nn.function import Function, Node

_new = object.__new__


class _Functions:
    """Loads `nn.functions` when the first operator is used; the module then takes this place (`use_functions`)."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("cartwheel.nn.functions"), name)


#: The functions that operators and methods stand for.
_F: Any = _Functions()


def use_functions(functions: Any) -> None:
    """Say what operators and methods stand for: a module with `add`, `sum`, ..."""
    global _F
    _F = functions


class Variable:
    """`data` (an array), its `grad` (a Variable, None until `backward`), a `name`, and the function that made it.

    Data can be an array, a number or a sequence of numbers; TypeError for what is no number. An array is kept as it
    is, not copied.
    """

    __slots__ = ("__weakref__", "_data", "creator", "cut", "grad", "name")

    __array_priority__ = 200
    __array_ufunc__ = None  # array * variable is for Variable to answer, not for NumPy, element by element

    _data: Array
    creator: Function | Node | None
    grad: Variable | None
    name: str | None
    #: When `unchain_backward` took its creator away, in the order of creation; not set before.
    cut: int

    def __init__(self, data: Any, name: str | None = None) -> None:
        self._data = _checked(data)
        self.creator = None
        self.grad = None
        self.name = name

    @property
    def data(self) -> Array:
        """The array itself."""
        if Config.tape is not None:
            Config.tape.refuse(".data was read")
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = _checked(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        shape: tuple[int, ...] = self._data.shape
        return shape

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self._data.shape)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return int(self._data.size)

    @property
    def dtype(self) -> Any:
        """The type of the numbers."""
        return self._data.dtype

    # --- gradients ---------------------------------------------------------------------------------------------------

    def backward(self, retain_grad: bool = False, create_graph: bool = False) -> None:
        """Add the gradient of this Variable to the `grad` of each one that it was made from, and of parameters.

        Begins at `self.grad`, or at ones. `retain_grad` keeps the gradients of what lies between, `create_graph`
        records the gradients themselves, so that they can be differentiated again. The graph stays, for another
        `backward`. Gradients are of the type of what they belong to; those of integers are floats. RuntimeError where
        there is no graph; ValueError for a loss of several numbers made from parameters.
        """
        from cartwheel.nn.backward import backward

        backward(self, retain_grad, create_graph)

    def cleargrad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def unchain(self) -> None:
        """Forget how this was made: gradients end here."""
        self.creator = None

    def unchain_backward(self) -> None:
        """Release the graph behind this Variable, for truncated back-propagation: gradients end at its own inputs."""
        from cartwheel.nn.backward import release

        release(self)

    def set_creator(self, function: Function) -> None:
        """Say which function made this."""
        self.creator = function

    # --- as an array -------------------------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Variable:
        """The same numbers in another shape."""
        return _F.reshape(self, shape[0] if len(shape) == 1 else shape)  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> Variable:
        """The axes in another order, reversed if none is given."""
        return _F.transpose(self, axes[0] if len(axes) == 1 else axes or None)  # type: ignore[no-any-return]

    @property
    def T(self) -> Variable:  # noqa: N802  # NumPy's name
        """The axes reversed."""
        return _F.transpose(self)  # type: ignore[no-any-return]

    def flatten(self) -> Variable:
        """All numbers in one axis."""
        return _F.reshape(self, (-1,))  # type: ignore[no-any-return]

    def astype(self, dtype: Any) -> Variable:
        """The same numbers in another type."""
        return _F.cast(self, dtype)  # type: ignore[no-any-return]

    def sum(self, axis: Any = None, keepdims: bool = False) -> Variable:
        """The sum over `axis`, or over all."""
        return _F.sum(self, axis, keepdims)  # type: ignore[no-any-return]

    def mean(self, axis: Any = None, keepdims: bool = False) -> Variable:
        """The mean over `axis`, or over all."""
        return _F.mean(self, axis, keepdims)  # type: ignore[no-any-return]

    def var(self, axis: Any = None, keepdims: bool = False) -> Variable:
        """The variance over `axis`, or over all."""
        return _F.var(self, axis, keepdims)  # type: ignore[no-any-return]

    def std(self, axis: Any = None, keepdims: bool = False) -> Variable:
        """The standard deviation over `axis`, or over all."""
        return _F.std(self, axis, keepdims)  # type: ignore[no-any-return]

    def max(self, axis: Any = None, keepdims: bool = False) -> Variable:
        """The largest over `axis`, or over all."""
        return _F.max(self, axis, keepdims)  # type: ignore[no-any-return]

    def min(self, axis: Any = None, keepdims: bool = False) -> Variable:
        """The smallest over `axis`, or over all."""
        return _F.min(self, axis, keepdims)  # type: ignore[no-any-return]

    def prod(self, axis: Any = None, keepdims: bool = False) -> Variable:
        """The product over `axis`, or over all."""
        return _F.prod(self, axis, keepdims)  # type: ignore[no-any-return]

    def argmax(self, axis: int | None = None) -> Array:
        """The place of the largest, as an array of integers."""
        return namespace(self._data).argmax(self.data, axis=axis)

    def argmin(self, axis: int | None = None) -> Array:
        """The place of the smallest, as an array of integers."""
        return namespace(self._data).argmin(self.data, axis=axis)

    def dot(self, other: Any) -> Variable:
        """The matrix product."""
        return _F.matmul(self, other)  # type: ignore[no-any-return]

    matmul = dot

    def to_cpu(self) -> None:
        """Move the data to NumPy's memory."""
        from cartwheel.nn.cuda import as_numpy

        self._data = None if self._data is None else as_numpy(self._data)

    def to_gpu(self) -> None:
        """Move the data to a GPU. RuntimeError where CuPy is not installed."""
        from cartwheel.nn.cuda import as_cupy

        self._data = None if self._data is None else as_cupy(self._data)

    def item(self) -> float:
        """The number of a Variable that holds one."""
        if self.size != 1:
            raise ValueError(f"expected one number, got shape {self.shape}")
        return self.data.item() if hasattr(self._data, "item") else float(self.data)

    # --- operators ---------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Variable:
        return _F.add(self, other)  # type: ignore[no-any-return]

    __radd__ = __add__

    def __sub__(self, other: Any) -> Variable:
        return _F.sub(self, other)  # type: ignore[no-any-return]

    def __rsub__(self, other: Any) -> Variable:
        return _F.sub(other, self)  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> Variable:
        return _F.mul(self, other)  # type: ignore[no-any-return]

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Variable:
        return _F.div(self, other)  # type: ignore[no-any-return]

    def __rtruediv__(self, other: Any) -> Variable:
        return _F.div(other, self)  # type: ignore[no-any-return]

    def __pow__(self, other: Any) -> Variable:
        return _F.pow(self, other)  # type: ignore[no-any-return]

    def __rpow__(self, other: Any) -> Variable:
        return _F.pow(other, self)  # type: ignore[no-any-return]

    def __matmul__(self, other: Any) -> Variable:
        return _F.matmul(self, other)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Variable:
        return _F.matmul(other, self)  # type: ignore[no-any-return]

    def __neg__(self) -> Variable:
        return _F.neg(self)  # type: ignore[no-any-return]

    def __pos__(self) -> Variable:
        return self

    def __abs__(self) -> Variable:
        return _F.abs(self)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Variable:
        return _F.get_item(self, index)  # type: ignore[no-any-return]

    # Comparisons answer with an array of truth values: there is nothing in them to differentiate.

    def __lt__(self, other: Any) -> Array:
        return _compared("less", self, other)

    def __le__(self, other: Any) -> Array:
        return _compared("less_equal", self, other)

    def __gt__(self, other: Any) -> Array:
        return _compared("less", other, self)

    def __ge__(self, other: Any) -> Array:
        return _compared("less_equal", other, self)

    def __eq__(self, other: Any) -> Array:
        return _compared("equal", self, other)

    def __ne__(self, other: Any) -> Array:
        return _compared("not_equal", self, other)

    # Truth values are Variables only while a step is recorded.

    def __and__(self, other: Any) -> Array:
        return _compared("logical_and", self, other)

    __rand__ = __and__

    def __or__(self, other: Any) -> Array:
        return _compared("logical_or", self, other)

    __ror__ = __or__

    def __invert__(self) -> Array:
        return _compared("not_equal", self, True)

    __hash__ = object.__hash__

    # --- as Python's -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Variable]:
        if not self.shape:
            raise TypeError("a Variable that holds one number can't be iterated over")
        return (self[place] for place in range(self.shape[0]))

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        array = self.data
        if self.size != 1 or array.dtype.kind not in "iu":
            raise TypeError(f"expected one integer as an index, got {array.dtype} {self.shape}")
        return int(array.item())

    def __format__(self, how: str) -> str:
        if not how:
            return str(self)
        if self.size != 1:
            raise TypeError(f"{how!r} is for one number, and this Variable has the shape {self.shape}: use .item()")
        return format(self.item(), how)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "a Variable is not an array, and NumPy's functions would lose its gradient: "
            "use the functions of nn.functions, or .data for the numbers alone"
        )

    def __repr__(self) -> str:
        if self._data is None:
            return "variable(None)"
        if Config.tape is not None:  # they would be those of the recording for ever
            return f"variable({self.dtype} {self.shape}, while a step is recorded)"
        numbers = str(self._data).replace("\n", "\n" + " " * 9)
        return f"variable({numbers})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        """A copy of the numbers; how they were made is not copied."""
        if Config.tape is not None:
            Config.tape.refuse("a Variable was copied", "F.copy gives a copy that is computed anew")
        copy = _new(type(self))
        memo[id(self)] = copy
        copy._data = None if self._data is None else namespace(self._data).asarray(self._data, copy=True)
        copy.creator, copy.name = None, self.name
        copy.grad = None if self.grad is None else as_variable(self.grad).__deepcopy__(memo)
        return copy

    def __copy__(self) -> Variable:
        return self.__deepcopy__({})

    def __getstate__(self) -> tuple[Any, dict[str, Any]]:
        """What a pickle has: the numbers, and not how they were made."""
        if Config.tape is not None:
            Config.tape.refuse("a Variable was pickled")
        state: Any = object.__getstate__(self)
        others, slots = state
        slots.pop("cut", None)
        return others, {**slots, "creator": None}


class Parameter(Variable):
    """A Variable that is learnt. Its data may be None until a layer knows its size.

    Once a model keeps it in its vector `theta`, new data are copied there (and must have the same shape), so that the
    two never differ.
    """

    __slots__ = ("bound",)

    #: The model's vector (`nn.vector.Vector`) that the data are a view into; False if there is none.
    bound: Any

    def __init__(self, data: Any = None, name: str | None = None) -> None:
        self.bound = False
        self._data = None if data is None else _checked(data)
        self.creator = self.grad = None
        self.name = name

    @property
    def data(self) -> Array:
        """The array itself."""
        if Config.tape is not None:
            Config.tape.refuse(".data was read")
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if Config.tape is not None:
            if self._data is None:  # a size that is known now is no change
                Config.tape.initialised = True
            else:
                Config.tape.refuse(".data was set", "Set it before the step, or assign to a model's theta")
        if not self.bound:
            self._data = None if value is None else _checked(value)
        elif value is not self._data:
            value = _checked(value)
            if value.shape != self._data.shape:
                raise ValueError(
                    f"{self.bound.names[id(self)]} has the shape {self._data.shape} in its model, which is frozen "
                    f"since the first forward; got data of shape {value.shape}"
                )
            self._data[...] = value

    def cleargrad(self) -> None:
        """Forget the gradient."""
        if Config.tape is not None:
            Config.tape.keep_gradient(self)
        self.grad = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        copy = super().__deepcopy__(memo)
        copy.bound = False  # type: ignore[attr-defined]  # the copy's model gives it a vector of its own
        return copy


def _compared(name: str, x0: Any, x1: Any) -> Any:
    """An array of truth values; a Variable of them while a step is recorded, since they are computed anew each time."""
    operation = getattr(import_module("cartwheel.nn.functions.comparison"), name)
    return operation(x0, x1) if Config.tape is not None else operation.forward(None, raw(x0), raw(x1))


def wrapped(array: Array) -> Variable:
    """A Variable around what an operation gave: an array, or a NumPy scalar."""
    variable = _new(Variable)
    variable._data = np.asarray(array) if isinstance(array, np.generic) else array
    variable.creator = variable.grad = variable.name = None
    return variable


def as_variable(x: Any) -> Variable:
    """A Variable as it is; anything else as a new one."""
    return x if isinstance(x, Variable) else Variable(x)


def raw(x: Any) -> Any:
    """The array of a Variable; anything else as it is."""
    return x._data if isinstance(x, Variable) else x


def _checked(data: Any) -> Array:
    if type(data) is np.ndarray or namespace(data) is not np:
        array = data
    elif isinstance(data, Variable) or data is None:
        raise TypeError(f"expected an array or numbers as data of a Variable, got {type(data).__name__}")
    else:
        array = np.asarray(data)
    if getattr(array.dtype, "kind", "f") not in "biufc":
        raise TypeError(f"expected numbers as data of a Variable, got the type {array.dtype}")
    return array
