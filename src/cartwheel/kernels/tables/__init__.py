"""Tables of values learn from the steps of N lanes, in order: all lanes of a row, then the next row.

A stretch is six arrays (T, N): `state`, `action`, `reward`, `discount` (0 where the episode ended by its own rules,
else 1), `boundary` (the episode was over after this step) and `following`, the state that truly came next. All methods
take a target into a value by one rule (`rules.learn`); what the target is, is told at each. A time limit ends the sum
of rewards, and the value of what followed stands for the rest; after an end by the rules nothing counts.

Each method gives the sum of the absolute errors, and how many targets there were. Level of agreement with the plain
twins in `tests/tables.py`: EXACT.
"""
