"""`python -m benchmarks`."""

from __future__ import annotations

import sys

from benchmarks.runner import main

if __name__ == "__main__":  # worker processes import this file under another name
    sys.exit(main(sys.argv[1:]))
