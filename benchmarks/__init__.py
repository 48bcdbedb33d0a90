"""Benchmarks: `python -m benchmarks NAME`. Each is one file here that registers itself; see `records.py`."""
