"""The report of a run: one page that holds all it shows, and opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cartwheel import __version__
from cartwheel.envs.environment import Environment
from cartwheel.reports import sections
from cartwheel.reports.facts import Facts, read_facts
from cartwheel.reports.markup import text
from cartwheel.reports.pictures import Pictures, compare
from cartwheel.reports.tables import Drawing, grid_drawings
from cartwheel.storage.atomic import write_atomically
from cartwheel.storage.run import Run

ANIMATION_FILE = "animation.webp"


@dataclass(frozen=True)
class Report:
    """Where a report is: the page, and the animation by itself, None if there is none."""

    page: Path
    animation: Path | None


def write_report(run: Run, environment: Environment | None) -> Report:
    """Write `report.html` into the run's folder, finished or not, and the animation that it shows beside it.

    `environment` is the run's, or None where it can't be made again: then the page says that there is no picture.
    StorageError where the folder can't be read or written.
    """
    facts = read_facts(run, environment)
    pictures = _pictures(facts, environment)
    page, animation = run.report_path, run.folder / ANIMATION_FILE
    drawings = grid_drawings(facts.policy, environment)
    write_atomically(page, render_page(facts, pictures, drawings).encode())
    if not pictures.animation:
        animation.unlink(missing_ok=True)  # one of an earlier report would be of another policy
        return Report(page, None)
    write_atomically(animation, pictures.animation)
    return Report(page, animation)


def _pictures(facts: Facts, environment: Environment | None) -> Pictures:
    if facts.policy is None:
        return Pictures(problem="the run has no policy yet.")
    if environment is None:
        return Pictures(problem=f"{facts.environment} can't be made here.")
    return compare(environment, facts.policy, facts.seed)


def render_page(facts: Facts, pictures: Pictures, drawings: Sequence[Drawing] = ()) -> str:
    """The page as text."""
    parts = (
        sections.heading(facts),
        sections.work(pictures),
        sections.network(facts),
        sections.values(drawings),
        sections.learning(facts),
        sections.test(facts),
        sections.results(facts),
        sections.again(facts),
        sections.settings(facts),
    )
    body = "\n".join(part for part in parts if part)
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(facts.name)}: {text(facts.environment)}, {text(facts.verdict.lower())}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
<footer>Written by Cartwheel {text(__version__)}.</footer>
</main>
</body>
</html>
"""
