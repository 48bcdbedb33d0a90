"""What a figure depends on beside the code: the machine and the versions."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from cartwheel import __version__


def describe() -> dict[str, str]:
    """The processor, the system and the versions of what the figures rest on, as short texts."""
    versions = {name: version(name) for name in ("numpy", "numba", "gymnasium", "torch", "dezero") if find_spec(name)}
    return {
        "processor": f"{processor()}, {processors()} processors",
        "load": f"{os.getloadavg()[0]:.1f} before the first turn",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
        "cartwheel": __version__,
    }


def processor() -> str:
    """The processor's model as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor() or platform.machine()


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
