"""Learning tables: `python -m learning TABLE` runs each row's seeds, and writes what came of them to docs/learning."""

import os

# One thread for all: before NumPy is loaded, since its BLAS reads this only then. Each run has a process of its own.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")
