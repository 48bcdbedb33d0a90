"""The native environments by id, held to the files that define them."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from cartwheel.envs import native
from cartwheel.envs.native import registry


def test_the_registry_names_each_file_under_the_ids_that_it_says() -> None:
    """The ids stand in two places, so that a file can be found by id without loading any other."""
    modules = [import_module(f"{native.__name__}.{found.name}") for found in pkgutil.iter_modules(native.__path__)]
    ids = {name: module.__name__ for module in modules if hasattr(module, "NATIVE") for name in module.NATIVE.ids}
    assert ids == registry._FILES
