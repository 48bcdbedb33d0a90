"""Learning tables of values from single steps: `table.py` is what all methods share, each other file is one method."""
