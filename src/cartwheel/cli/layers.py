"""Where settings come from: what is given, then a configuration file, then a preset, then the defaults."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartwheel.algorithms.registry import ALGORITHMS
from cartwheel.errors import UsageError, did_you_mean
from cartwheel.settings import FromFile, as_dict, resolve
from cartwheel.training.settings import TrainSettings

if TYPE_CHECKING:
    from cartwheel.algorithms.base import Entry
    from cartwheel.training.build import Job


@dataclass(frozen=True)
class Layers:
    """What a configuration file says: the environment, the algorithm, and tables of settings.

    A run's own file (`complete`) says everything: what it leaves out was not set.
    """

    environment: str | None
    algorithm: str | None
    tables: Mapping[str, FromFile]
    complete: bool = False

    @staticmethod
    def read(config: str | Path | None) -> Layers:
        """The layers of a configuration file, if there is one."""
        if config is None:
            return Layers(None, None, {})
        from cartwheel.storage.atomic import read_whole
        from cartwheel.storage.config import loads

        return Layers.of(loads(read_whole(Path(config)), str(config)), str(config))

    @staticmethod
    def of(data: Mapping[str, Any], what: str) -> Layers:
        """The layers in a configuration's data, checked."""
        known = ("environment", "algorithm", "train", "versions", *ALGORITHMS)
        for name, value in data.items():
            if name not in known:
                raise UsageError(f"{what}: unknown entry {name!r}; {did_you_mean(name, known)}")
            expected = str if name in ("environment", "algorithm") else dict
            if not isinstance(value, expected):
                raise UsageError(f"{what}: {name} has to be a {'text' if expected is str else 'table'}")
        algorithm = data.get("algorithm")
        if algorithm is not None and algorithm not in ALGORITHMS:
            raise UsageError(f"{what}: unknown algorithm {algorithm!r}; {did_you_mean(algorithm, ALGORITHMS)}")
        tables = {name: FromFile(value, what) for name, value in data.items() if isinstance(value, dict)}
        return Layers(data.get("environment"), algorithm, tables, "versions" in tables)

    def chosen(self, given: str | None = None) -> str | None:
        """The algorithm that is given, else the one that the file names, else the only one that it has a table of.

        None if it has none; UsageError if it has several.
        """
        if given or self.algorithm:
            return given or self.algorithm
        own = [name for name in self.tables if name in ALGORITHMS]
        if len(own) > 1:
            raise UsageError(
                f"{self.tables[own[0]].file}: tables of {' and '.join(own)}, and no algorithm named: "
                f'add algorithm = "{own[0]}" above them, or give --algorithm'
            )
        return own[0] if own else None


def resolved_settings(
    entry: Entry, options: Mapping[str, Any], layers: Layers, preset: str | None = None
) -> tuple[TrainSettings, Any]:
    """General and algorithm settings: what was given, then the file, then the preset, then the defaults."""
    general, own = (
        {field.name for field in dataclasses.fields(settings)} for settings in (TrainSettings, entry.settings)
    )
    for name in options:
        if name not in general | own:
            raise UsageError(
                f"unknown option {name!r} of {entry.name}; {who_has(name) or did_you_mean(name, general | own)}"
            )
    named = entry.general
    if preset is not None:
        if preset not in entry.presets:
            raise UsageError(f"unknown preset {preset!r} of {entry.name}; {_presets_near(preset, entry)}")
        if layers.complete:
            file = layers.tables["versions"].file
            raise UsageError(
                f"{file} holds all settings of a run, and leaves nothing to a preset: give one or the other"
            )
        named = {**named, **entry.presets[preset]}

    def part(names: set[str], values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name in names}

    return (
        resolve(TrainSettings, part(general, options), layers.tables.get("train", {}), part(general, named)),
        resolve(entry.settings, part(own, options), layers.tables.get(entry.name, {}), part(own, named)),
    )


def _presets_near(preset: str, entry: Entry) -> str:
    """The end of an error line about a preset that the algorithm has not: who has it, or else what is like it."""
    having = [other.name for other in ALGORITHMS.values() if preset in other.presets]
    return _who(having) or did_you_mean(preset, entry.presets)


def who_has(name: str) -> str:
    """The end of an error line about a setting that other algorithms have, if some have it."""
    return _who([other.name for other in ALGORITHMS.values() if name in other.settings.__dataclass_fields__])


def _who(algorithms: list[str]) -> str:
    if len(algorithms) < 2:
        return f"{algorithms[0]} has one: give --algorithm too" if algorithms else ""
    *first, last = algorithms if len(algorithms) < 4 else [*algorithms[:2], "others"]
    return f"{', '.join(first)} and {last} have one: give --algorithm too"


def config_of(job: Job) -> dict[str, Any]:
    """Every resolved setting and the versions: enough to repeat the run."""
    settings = as_dict(job.settings)
    settings |= {name: value for name, value in vars(job.settings.budget).items() if value is not None}
    return {
        "environment": job.environment.name,
        "algorithm": job.entry.name,
        "train": settings,
        job.entry.name: as_dict(job.algorithm.settings),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("cartwheel", "numpy", "numba", "gymnasium")},
        },
    }
