"""A policy in one file: its vector, its network's specification and its spaces. Needs neither Numba nor Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel import spaces
from cartwheel.errors import StorageError, UsageError, one_line
from cartwheel.policies import specification
from cartwheel.policies.normalisation import Normalisation
from cartwheel.policies.policy import Policy
from cartwheel.storage.arrays import pack, unpack
from cartwheel.storage.atomic import read_whole, write_atomically

POLICY_FILE = "policy.safetensors"


def save(policy: Policy, path: str | PathLike[str], about: Mapping[str, Any] | None = None) -> Path:
    """Write a policy to the file `path`, atomically, and return the path.

    `about` is plain data that travels with it, such as the environment's id and the figures of a test; `read_about`
    gives it back. Raises StorageError where the file can't be written or `about` can't be stored, UsageError for what
    is no policy.
    """
    if not isinstance(policy, Policy):
        raise UsageError(f"expected a policy to save, got {one_line(repr(policy))}")
    if not isinstance(about, Mapping | None):
        raise UsageError(f"about: expected a mapping, got {one_line(repr(about))}")
    metadata = {
        "kind": "policy",
        "specification": specification.to_data(policy.specification),
        "observation_space": spaces.to_data(policy.observation_space),
        "action_space": spaces.to_data(policy.action_space),
        "about": dict(about or {}),
    }
    arrays = {"theta": policy.theta}
    if policy.normalisation is not None:
        arrays |= {"shift": policy.normalisation.shift, "scale": policy.normalisation.scale}
    write_atomically(Path(path), pack(arrays, metadata))
    return Path(path)


def load(path: str | PathLike[str]) -> Policy:
    """The policy in the file `path`, or of the run folder `path`. Reading it can run no code.

    Raises StorageError for a file that is missing, damaged, no policy, or of a newer format.
    """
    file = _file(path)
    arrays, metadata = _read(file)
    try:
        return _policy(arrays, metadata)
    except UsageError as problem:
        raise StorageError(f"{file}: not a policy that can be used: {problem}") from None


def read_about(path: str | PathLike[str]) -> dict[str, Any]:
    """What was told about the policy in this file or run folder when it was saved; StorageError as for `load`."""
    about = _read(_file(path))[1].get("about")
    return about if isinstance(about, dict) else {}


def _file(path: str | PathLike[str]) -> Path:
    if not isinstance(path, (str, PathLike)):
        raise UsageError(f"expected the path of a policy, got {one_line(repr(path))}")
    return Path(path) / POLICY_FILE if Path(path).is_dir() else Path(path)


def _read(file: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    arrays, metadata = unpack(read_whole(file), str(file))
    if metadata.get("kind") != "policy":
        raise StorageError(f"{file}: expected a policy, got a file of the kind {metadata.get('kind')!r}")
    if set(arrays) not in ({"theta"}, {"theta", "shift", "scale"}):
        got = one_line(", ".join(sorted(arrays)))
        raise StorageError(f"{file}: expected the arrays theta, or theta, shift and scale, got {got}")
    return arrays, metadata


# What a file may say besides: an entry that this version does not know could change how the policy acts.
_KEYS = {"kind", "specification", "observation_space", "action_space", "about"}


def _policy(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> Policy:
    if not set(metadata) <= _KEYS:
        raise UsageError(f"this version does not know its {', '.join(sorted(set(metadata) - _KEYS))}")
    network = specification.from_data(metadata.get("specification"))
    observation_space, action_space = (
        spaces.from_data(metadata.get(key)) for key in ("observation_space", "action_space")
    )
    for array in arrays.values():
        if array.dtype != np.float32 or array.ndim != 1:
            raise UsageError(f"expected a vector of float32, got {array.dtype} of shape {array.shape}")
    theta = arrays["theta"]
    # Each input and each output has at least one parameter. Sizes that the vector can't serve end here, before anything
    # is made in these sizes.
    for name, space in (("observation", observation_space), ("action", action_space)):
        if spaces.flat_size(space) > theta.size:
            raise UsageError(f"its {name} space is larger than a network of {theta.size} parameters can serve")
    normalisation = Normalisation(arrays["shift"], arrays["scale"]) if "shift" in arrays else None
    return Policy(network, observation_space, action_space, theta, normalisation)
