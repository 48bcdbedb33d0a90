"""Run a row's seeds, each in a process of its own, and keep what came of them as lines of a CSV."""

from __future__ import annotations

import csv
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from learning.rows import Row

FIELDS = (
    "row seed settings test_mean final_mean best stop generations steps validation_steps cpu_seconds wall_seconds exact"
).split()


def run(row: Row, seed: int) -> dict[str, Any]:
    """Train with this seed; the line of the CSV."""
    import cartwheel

    start, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        done = cartwheel.train(
            row.environment,
            algorithm=row.algorithm,
            runs=folder,
            hooks=[],
            seed=seed,
            **{"steps": row.budget, "solved_at": row.reach, **row.settings},
        )
        result = dict(done.result or {})
        seconds = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.perf_counter() - start}
        if row.exact:
            result["exact"] = exact_mean(row.environment, final_policy(done))
    line = {name: result[name] for name in FIELDS if name in result}
    return {"row": row.name, "seed": seed, "settings": _told(row), **line, **seconds}


def final_policy(done: Any) -> Any:
    """The policy that a run of single steps ended with, which need not be the one that it kept."""
    state = done.checkpoints.read()
    assert state is not None  # it is over
    return replace(done.policy, theta=state["run/latest"][0])


def exact_mean(environment: str, policy: Any) -> float:
    """A policy's mean return within the time limit, computed from the environment's transition table."""
    import gymnasium

    from cartwheel.envs.transitions import transition_table
    from cartwheel.tabular.planning import exact_return

    table, limit = transition_table(environment), gymnasium.spec(environment).max_episode_steps
    return exact_return(table, [policy.act(state)[0] for state in range(table.states)], steps=limit)


def run_all(rows: Sequence[Row], seeds: Sequence[int], file: Path, workers: int) -> None:
    """Run what is not yet in the file, which grows line by line; one that is there with other settings is an error."""
    known = {(line["row"], int(line["seed"])): line for line in read(file)}
    jobs = [(row, seed) for row in rows for seed in seeds[: row.seeds]]
    for row, seed in jobs:
        line = known.get((row.name, seed))
        if line is not None and line["settings"] != _told(row):
            raise SystemExit(
                f"{file}: {row.name}, seed {seed}, was run with {line['settings']}: delete these lines first"
            )
    missing = [(row, seed) for row, seed in jobs if (row.name, seed) not in known]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(run, row, seed) for row, seed in missing]):
            line = done.result()
            _append(file, line)
            print(
                f"{line['row']}, seed {line['seed']}: {line['test_mean']:.1f} after {line['steps']:,} steps", flush=True
            )


def read(file: Path) -> list[dict[str, str]]:
    """The lines of a CSV; none if there is no such file."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _append(file: Path, line: dict[str, Any]) -> None:
    """One line more, with the columns that the file has."""
    new = not file.exists()
    with file.open("a+", newline="", encoding="utf-8") as stream:
        stream.seek(0)
        fields = FIELDS if new else next(csv.reader(stream))
        writer = csv.DictWriter(stream, fields)
        if new:
            writer.writeheader()
        writer.writerow({name: _cell(line.get(name, "")) for name in fields})


def _cell(value: Any) -> Any:
    """Floats whole: a figure that is rounded could reach what it has not reached."""
    return repr(float(value)) if isinstance(value, float) else value


def _told(row: Row) -> str:
    return json.dumps({"budget": row.budget, **row.settings}, sort_keys=True)


def baselines(environment: str, rules: dict[str, str], episodes: int = 100) -> Iterator[tuple[str, float]]:
    """The mean returns of a random policy and of rules, in the episodes that all are tested on."""
    import gymnasium

    import cartwheel.envs  # noqa: F401  # which registers its environments
    from cartwheel.seeds import Purpose, episode_seeds

    made = gymnasium.make(environment)
    seeds = episode_seeds(0, Purpose.TEST, count=episodes)
    for name, rule in {"a random policy": "", **rules}.items():
        code = compile(rule or "None", name, "eval")
        made.action_space.seed(0)
        returns = []
        for seed in seeds.tolist():
            x, _ = made.reset(seed=seed)
            total, over = 0.0, False
            while not over:
                action = eval(code, {"x": x}) if rule else made.action_space.sample()  # our own text, from rows.py
                action = np.asarray(action, np.float32) if isinstance(action, list) else action
                x, reward, terminated, truncated, _ = made.step(action)
                total, over = total + float(reward), terminated or truncated
            returns.append(total)
        yield name, float(np.mean(returns))
    made.close()
