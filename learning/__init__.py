"""Learning tables: `python -m learning TABLE` runs each row's seeds, and writes what came of them to docs/learning."""
