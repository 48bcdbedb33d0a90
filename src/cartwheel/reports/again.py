"""What to type to have a run again, to go on with it, and to use its policy."""

from __future__ import annotations

import shlex
from typing import Any

from cartwheel.reports.facts import Facts

Lines = list[tuple[str, str]]  # what it does, and the line


def lines_to_type(facts: Facts) -> Lines:
    """The lines for this run: of the command line, or of Python where only its user can hand the environment over."""
    lines = _python(facts) if facts.own else _commands(facts)
    if facts.policy is not None:
        load = f"policy = cartwheel.load({facts.place + '/policy.safetensors'!r})"
        lines.append(("Use its policy, in Python", f"import cartwheel\n\n{load}\naction, _ = policy.act(observation)"))
    return lines


def _commands(facts: Facts) -> Lines:
    place = shlex.quote(facts.place)
    lines = [("Repeat the run", f"cartwheel train --config {shlex.quote(facts.place + '/config.toml')}")]
    if not facts.result or facts.result.get("stop") == "budget":
        more = "".join(f" --{name} {value}" for name, value in _larger_budget(facts).items())
        lines.append(("Go on with it", f"cartwheel resume {place}{more}"))
    if facts.policy is not None:
        lines.append(("Measure its policy over 1,000 episodes", f"cartwheel evaluate {place} --episodes 1000"))
        lines.append(("Film its policy", f"cartwheel render {place} --to {shlex.quote(facts.name + '.webp')}"))
    return lines


def _python(facts: Facts) -> Lines:
    place, name = facts.place, facts.environment.rpartition(":")[2]
    name = name if name.isidentifier() else "YourEnvironment"
    lines = [("Repeat the run", f"cartwheel.train({name}, config={place + '/config.toml'!r})")]
    if not facts.result or facts.result.get("stop") == "budget":
        more = "".join(f", {option}={value}" for option, value in _larger_budget(facts).items())
        lines.append(("Go on with it", f"cartwheel.resume({place!r}, environment={name}{more})"))
    if facts.policy is not None:
        measure = f"cartwheel.evaluate({place!r}, environment={name}, episodes=1000)"
        lines.append(("Measure its policy over 1,000 episodes", measure))
    return lines


def _larger_budget(facts: Facts) -> dict[str, Any]:
    """Twice the budget of a run that used up its own; nothing for one that has some left."""
    if not facts.result:
        return {}
    return {name: 2 * facts.training[name] for name in ("generations", "steps", "seconds") if name in facts.training}
