"""Which algorithm is taken where none is named: the same for all, since one general setting serves all.

PPO learns discrete and continuous actions alike, from normalised observations and scaled rewards; the evidence are the
rows without a preset of docs/learning/policies.md. Nobody is given a memory, a table or a population by guess.
"""

from __future__ import annotations

DEFAULT_ALGORITHM = "ppo"

#: The rule, for those who read a help page.
RULE = "Where none is named: ppo, for discrete and continuous actions alike."

#: And for those who are given it.
NOTE = (
    "no algorithm named: ppo, for discrete and continuous actions "
    "(docs/learning/policies.md; --algorithm takes another)"
)
