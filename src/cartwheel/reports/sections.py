"""The parts of a report's page, each a piece of markup; an empty text where a run has nothing to show there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cartwheel.policies.graph import GraphNetwork
from cartwheel.policies.table import TableNetwork
from cartwheel.reports.again import lines_to_type
from cartwheel.reports.curves import Canvas, curve_points, histogram, learning_curve
from cartwheel.reports.facts import Facts
from cartwheel.reports.graphs import graph_drawing, shape_of
from cartwheel.reports.markup import commands, number, paragraph, section, tables, text, webp
from cartwheel.reports.pictures import Pictures
from cartwheel.reports.tables import Drawing
from cartwheel.reports.words import GENERATIONS, RESULT, RESULT_BY_STEPS, STEPS, count_text, duration_text, range_text

_WIDTHS = {"wide": 720, "narrow": 330}  # of the drawings for a desktop and for a phone, in CSS pixels


def heading(facts: Facts) -> str:
    """What was trained, and what came of it."""
    return f"""<header>
<p>Cartwheel report of the run {text(facts.name)}</p>
<h1>{text(facts.environment)}</h1>
<p>{text(_subject(facts))}</p>
{_verdict(facts)}
</header>"""


def _subject(facts: Facts) -> str:
    parts = [f"algorithm {facts.algorithm}", f"seed {facts.seed}"]
    if facts.policy is not None:
        network = facts.policy.network
        kind = network.described if isinstance(network, TableNetwork) else f"{network.described} network"
        parts.insert(0, f"{kind}, {network.size:,} parameters")
    return " \N{MIDDLE DOT} ".join(parts)


def _verdict(facts: Facts) -> str:
    figure, lines = _test_figure(facts) if facts.result else _training_figure(facts)
    meaning = "".join(f"<span>{text(line)}</span>" for line in lines)
    return f"""<div class="verdict{" solved" if facts.reached else ""}">
<p class="state">{text(facts.verdict)}</p>
<p class="figure">{text(figure)}</p>
<p class="meaning">{meaning}</p>
</div>"""


def _test_figure(facts: Facts) -> tuple[str, list[str]]:
    result, returns = facts.result, facts.returns
    lines = [f"mean return of {returns.size:,} test episodes"]
    if returns.size and returns.min() == returns.max():
        lines = [f"return of each of {returns.size:,} test episodes"]
    elif returns.size and "test_low" in result:
        lines.append(f"95 % interval of the mean {range_text(result['test_low'], result['test_high'])}")
        lines.append(f"single episodes {range_text(returns.min(), returns.max())}")
    if facts.final is not None:
        lines.append(f"kept as the best on validation episodes; the final policy: {number(facts.final, 5)}")
    if facts.threshold is not None:
        lines.append(f"solved means {number(facts.threshold)} or more")
    if "steps" in result and "seconds" in result:
        lines.append(
            f"trained for {count_text(result['steps'])} environment steps in {duration_text(result['seconds'])}"
        )
    return number(result.get("test_mean", np.nan), 5), lines


def _training_figure(facts: Facts) -> tuple[str, list[str]]:
    if not facts.rows or "best" not in facts.metrics:
        return "\N{EN DASH}", ["there is no row of metrics yet" if facts.by_steps else "no generation is finished yet"]
    if facts.by_steps:
        figure = float(np.fmax.reduce(facts.metrics["validation_return"]))
        done = f"{count_text(facts.metrics['steps'][-1])} environment steps"
        lines = [f"best return on validation so far, after {done}", "not a test: those episodes choose the policy"]
    else:
        figure = float(facts.metrics["best"][-1])
        done = f"{facts.rows:,} generation{'s' if facts.rows > 1 else ''}"
        lines = [f"best return in training so far, after {done}", "not a test: those episodes chose the candidate"]
    if facts.threshold is not None:
        lines.append(f"solved means {number(facts.threshold)} or more")
    return number(figure, 5), lines


def work(pictures: Pictures) -> str:
    """The policy at work beside an untrained one; a still picture for who wants nothing to move."""
    if pictures.problem:
        return section("At work", paragraph(f"There is no picture of the policy at work: {pictures.problem}"))
    width, height = pictures.size
    return section(
        "At work",
        f"""<details open>
<summary>Animation, {_tempo(pictures.speed)} (close it to stop it)</summary>
<figure>
<picture>
<source media="(prefers-reduced-motion: reduce)" srcset="{webp(pictures.still)}">
<img src="{webp(pictures.animation)}" width="{width}" height="{height}" alt="{text(pictures.words)}">
</picture>
<figcaption>{text(pictures.words)} A dimmed picture is of an episode that is over.</figcaption>
</figure>
</details>""",
    )


def _tempo(speed: float) -> str:
    times = number(speed, 2)
    return "in real time" if times == "1" else f"at {times} times its real speed"


def network(facts: Facts) -> str:
    """The network of a policy that evolved its shape."""
    policy = facts.policy
    if policy is None or not isinstance(policy.network, GraphNetwork):
        return ""
    shape = shape_of(policy.network, policy.theta)
    title = f"The network that evolved for {facts.environment}"
    legend = [("", "weight above 0"), ("best", "weight below 0")]
    items = "".join(f'<li class="{name}">{text(words)}</li>' for name, words in legend)
    hidden = len(shape.layers) - shape.inputs - shape.outputs
    words = (
        f"{shape.inputs} inputs, {shape.outputs} outputs, {hidden} hidden nodes and {len(shape.links)} links. The "
        "wider a link, the larger its weight; what is dashed reads what was a step ago."
    )
    return section(
        "Network",
        f'<figure>\n<ul class="legend">{items}</ul>\n'
        f"{_drawings('network', 0.5, lambda canvas: graph_drawing(policy, canvas, title))}\n"
        f"<figcaption>{text(words)}</figcaption>\n</figure>",
    )


def values(drawings: Sequence[Drawing]) -> str:
    """What a table of values learnt."""
    figures = [
        f"""<figure>
<picture><img src="{webp(drawing.picture)}" width="{drawing.size[0]}" height="{drawing.size[1]}" \
alt="{text(drawing.words)}"></picture>
<figcaption>{text(drawing.words)}</figcaption>
</figure>"""
        for drawing in drawings
    ]
    return section("Values", *figures)


def learning(facts: Facts) -> str:
    """The learning curve."""
    lines = STEPS if facts.by_steps else GENERATIONS
    columns = [facts.metrics.get(name) for name in ("steps", *lines.columns)]
    if any(column is None or not len(column) for column in columns):
        return section("Learning", paragraph(lines.none))
    curve = curve_points(*columns, gaps=not facts.by_steps)  # type: ignore[arg-type]
    title = f"{lines.title} over environment steps, in {facts.environment}"
    drawings = _drawings("curve", 0.42, lambda canvas: learning_curve(curve, facts.threshold, canvas, title))
    if not drawings:
        return section("Learning", paragraph("No return in training was finite, so there is no curve."))
    points = lines.point if curve.merged == 1 else lines.merged.format(curve.merged)
    legend = list(zip(("", "best"), lines.legend, strict=True))
    if facts.threshold is not None:
        legend.append(("mark", f"solved: {number(facts.threshold)} or more"))
    items = "".join(f'<li class="{name}">{text(words)}</li>' for name, words in legend)
    return section(
        "Learning",
        f'<figure>\n<ul class="legend">{items}</ul>\n{drawings}\n'
        f"<figcaption>{text(points)}. {text(lines.about)}</figcaption>\n</figure>",
    )


def test(facts: Facts) -> str:
    """How the test episodes came out, one by one."""
    returns = facts.returns
    if not returns.size:
        return ""
    title = f"How many of {returns.size} test episodes had which return, in {facts.environment}"
    drawings = _drawings("test", 0.3, lambda canvas: histogram(returns, facts.threshold, canvas, title))
    if not drawings:
        return ""  # all returned the same, as the heading says
    words = f"{returns.size:,} episodes that had no part in the training."
    if facts.threshold is not None:
        count = int((returns >= facts.threshold).sum())
        words += f" {count:,} of them returned {number(facts.threshold)} (the dashed line) or more."
    return section("Test episodes", f"<figure>\n{drawings}\n<figcaption>{text(words)}</figcaption>\n</figure>")


def _drawings(name: str, ratio: float, draw: Callable[[Canvas], str]) -> str:
    """A drawing twice, for a desktop and for a phone, of which the page shows one."""
    made = []
    for width_name, width in _WIDTHS.items():
        drawing = draw(Canvas(f"{name}-{width_name}", width, max(220, round(width * ratio))))
        made.append(drawing.replace("<svg ", f'<svg class="{width_name}" ', 1))
    return "\n".join(made) if all(made) else ""


def results(facts: Facts) -> str:
    """All figures of a finished run."""
    result = dict(facts.result)
    if "test_low" in result:
        result["test_interval"] = range_text(result["test_low"], result["test_high"])
    figures = RESULT_BY_STEPS if facts.by_steps else RESULT
    rows = {group: list(_rows(result, columns)) for group, columns in figures.items()}
    return section("Results", tables(rows))


def _rows(
    result: Mapping[str, Any], columns: Mapping[str, tuple[str, Callable[[Any], str]]]
) -> Iterator[tuple[str, str]]:
    for name, (label, form) in columns.items():
        if name in result:
            yield label, form(result[name])


def settings(facts: Facts) -> str:
    """All settings, and the versions that the run was made with."""
    groups: dict[str, list[tuple[str, str]]] = {"Run": []}
    titles = {"train": "Training", "versions": "Versions"}
    for name, value in facts.config.items():
        if isinstance(value, Mapping):
            groups[titles.get(name, f"Algorithm {name}")] = [(key, _setting(item)) for key, item in value.items()]
        else:
            groups["Run"].append((name, _setting(value)))
    return section("Settings", tables(groups))


def again(facts: Facts) -> str:
    """What to type to repeat the run, go on with it and use its policy."""
    where = f"From the folder that holds {facts.place.rpartition('/')[0]}:"
    return section("Do it again", paragraph(where), commands(lines_to_type(facts)))


def _setting(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{key}={_setting(item)}" for key, item in value.items()) or "none"
        case list():
            return ", ".join(map(_setting, value)) or "none"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
