"""DeZero and `cartwheel.nn` under one name, the programs that run on both, and all names that DeZero has.

`python tests/nn/dezero_tools.py`, where DeZero is installed, writes the list of its names and its answers anew.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

PROGRAMS = sorted((Path(__file__).parent / "dezero_programs").glob("*.py"))
ANSWERS = Path(__file__).parent / "dezero_programs" / "answers.json"
NAMES = Path(__file__).parent / "dezero_programs" / "names.txt"

#: DeZero's modules, and where they are here.
MODULES = {
    name: f"cartwheel.nn.{name}" if name else "cartwheel.nn"
    for name in ("", *"core functions layers models optimizers dataloaders datasets utils cuda transforms".split())
} | {"functions_conv": "cartwheel.nn.functions"}


# --- both libraries under one name -----------------------------------------------------------------------------------


def as_dezero(name: str) -> str:
    return f"dezero.{name}" if name else "dezero"


def cartwheel_modules() -> dict[str, types.ModuleType]:
    return {as_dezero(name): import_module(here) for name, here in MODULES.items()}


_installed: dict[str, types.ModuleType] = {}


def dezero_modules() -> dict[str, types.ModuleType]:
    """DeZero's own modules; it needs `numpy.int`, and loads Matplotlib and Pillow, which nothing here draws with."""
    if not _installed:
        stubs = {name: types.ModuleType(name) for name in ("matplotlib", "matplotlib.pyplot", "PIL", "PIL.Image")}
        stubs["matplotlib"].pyplot, stubs["PIL"].Image = stubs["matplotlib.pyplot"], stubs["PIL.Image"]
        stubs["PIL.Image"].BILINEAR, stubs["PIL.Image"].Image = 2, types.SimpleNamespace
        setattr(np, "int", int)  # noqa: B010  # gone since NumPy 1.24
        with warnings.catch_warnings(), loaded(stubs | dict.fromkeys(map(as_dezero, MODULES))):
            warnings.simplefilter("ignore")
            for name in map(as_dezero, MODULES):
                sys.modules.pop(name, None)
            _installed.update({name: import_module(name) for name in map(as_dezero, MODULES)})
    return _installed


@contextmanager
def loaded(modules: Mapping[str, types.ModuleType | None]) -> Iterator[None]:
    """Have these modules stand under these names for the length of a `with` block."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def run(source: str, modules: Mapping[str, types.ModuleType]) -> dict[str, Any]:
    """The `results` of a program's source, as lists of numbers."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with loaded(modules):
        exec(compile(source, "program", "exec"), names)
    return {name: plain(value) for name, value in names["results"].items()}


def plain(value: Any) -> Any:
    """Arrays and tuples as lists, NumPy's numbers as Python's."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value


def flat(value: Any) -> list[float]:
    return [number for one in value for number in flat(one)] if isinstance(value, list) else [float(value)]


# --- what DeZero has -------------------------------------------------------------------------------------------------

#: Classes whose methods and attributes are names as well, since programs have them in their hands; one of each.
IN_HAND: dict[str, Callable[[Any], Any]] = {
    "core.Variable": lambda cls: cls(np.zeros(1)),
    "core.Parameter": lambda cls: cls(np.zeros(1)),
    "core.Function": lambda cls: used(cls),
    "layers.Layer": lambda cls: cls(),
    "layers.Linear": lambda cls: cls(1, in_size=1),
    "layers.Conv2d": lambda cls: cls(1, 1, in_channels=1),
    "layers.Deconv2d": lambda cls: cls(1, 1, in_channels=1),
    "layers.RNN": lambda cls: cls(1, in_size=1),
    "layers.LSTM": lambda cls: cls(1, in_size=1),
    "layers.EmbedID": lambda cls: cls(1, 1),
    "layers.BatchNorm": lambda cls: cls(),
    "models.Model": lambda cls: cls(),
    "models.Sequential": lambda cls: cls(),
    "models.MLP": lambda cls: cls((1,)),
    "optimizers.Optimizer": lambda cls: cls(),
    "optimizers.SGD": lambda cls: cls(),
    "optimizers.MomentumSGD": lambda cls: cls(),
    "optimizers.AdaGrad": lambda cls: cls(),
    "optimizers.AdaDelta": lambda cls: cls(),
    "optimizers.Adam": lambda cls: cls(),
    "optimizers.WeightDecay": lambda cls: cls(0.1),
    "optimizers.ClipGrad": lambda cls: cls(0.1),
    "dataloaders.DataLoader": lambda cls: cls([(0, 0)], 1),
    "dataloaders.SeqDataLoader": lambda cls: cls([(0, 0)], 1),
    "datasets.Dataset": lambda cls: cls(),
}
CONSTANTS = "array_types cache_dir gpu_enable pil_available is_simple_core".split()
IMAGE_NETWORKS = "VGG16 ResNet ResNet152 ResNet101 ResNet50 BuildingBlock BottleneckA BottleneckB SqueezeNet".split()


def public(names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in names.items() if not name.startswith("_")}


def names_of(modules: Mapping[str, types.ModuleType]) -> list[str]:
    """Each public name of DeZero's modules, with the parameters of functions and classes: one per line of `NAMES`."""
    found = []
    for short in MODULES:
        module = modules[as_dezero(short)]
        for name, value in public(vars(module)).items():
            home = getattr(value, "__module__", None)
            own = home == module.__name__ or name in CONSTANTS
            exported = short in ("", "functions") and str(home).startswith("dezero.") and short != home[7:]
            if isinstance(value, types.ModuleType) or name in IMAGE_NETWORKS or not (own or exported):
                continue
            if short == "functions" and name in ("Function", "Variable", "as_variable", "as_array"):
                continue
            full = f"{short}.{name}" if short else name
            found.append(full if name in CONSTANTS else full + parameters(value))
            if own and full in IN_HAND:
                found += [f"{full}.{member}" for member in members(value)]
    return sorted(found)


def parameters(value: Any, of: type | None = None) -> str:
    """The parameters of a function or class (or of a method `of` one) as `(x, axis=1)`; nothing for what is no such."""
    if not callable(value):
        return ""
    parts = []
    for one in list(inspect.signature(value).parameters.values())[of is not None :]:
        default = "" if one.default is one.empty else f"={default_text(one.default)}"
        parts.append({one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "") + one.name + default)
    return f"({', '.join(parts)})"


def default_text(value: Any) -> str:
    plain_default = value is None or isinstance(value, bool | int | float | str | list)
    return repr(value) if plain_default else getattr(value, "__name__", "...")


def members(cls: type) -> list[str]:
    """The public methods and attributes that a class adds to those of the classes above it."""
    inherited = {name for base in cls.__mro__[1:] for name in [*dir(base), *attributes(base)]}
    if len(cls.__mro__) > 2:
        inherited |= {"forward", "update_one"}
    methods = {name: parameters(value, of=cls) for name, value in public(vars(cls)).items()}
    found = dict.fromkeys(public(attributes(cls)), "") | methods
    return [name + rest for name, rest in found.items() if name not in inherited]


def attributes(cls: type) -> dict[str, Any]:
    make = IN_HAND.get(f"{cls.__module__.removeprefix('dezero.')}.{cls.__name__}")
    return vars(make(cls)) if make else {}


def used(cls: type) -> Any:
    """A Function that was called once, and so has inputs and outputs."""
    function = type("Same", (cls,), {"forward": lambda self, x: x})()
    function(np.zeros(1))
    return function


def listed() -> dict[str, str]:
    """The names of `NAMES`, and the parameters of each."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    return {name: rest and f"({rest}" for name, _, rest in (line.partition("(") for line in lines)}


if __name__ == "__main__":
    NAMES.write_text("\n".join(names_of(dezero_modules())) + "\n", encoding="utf-8")
    found = {path.stem: run(path.read_text(encoding="utf-8"), dezero_modules()) for path in PROGRAMS}
    ANSWERS.write_text(json.dumps(found, separators=(",", ":")).replace("]],", "]],\n") + "\n", encoding="utf-8")
