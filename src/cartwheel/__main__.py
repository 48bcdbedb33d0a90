"""`python -m cartwheel`: the same as the program `cartwheel`."""

from __future__ import annotations

import sys

from cartwheel.cli.main import main

if __name__ == "__main__":  # worker processes may import this again
    sys.exit(main())
