"""Benchmarks: `python -m benchmarks NAME`. Each is one file here that registers itself; see `records.py`."""

import os

# One thread for all: before NumPy is loaded, since its BLAS reads this only then.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")
