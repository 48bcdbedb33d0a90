"""Collectors: single steps of lanes whose episodes go on from one request to the next.

`GeneralCollector` steps Gymnasium's own environments, `NativeCollector` compiled physics; where the physics are equal,
so is what they collect, to the bit.
"""

from cartwheel.experience.collectors.base import Collector
from cartwheel.experience.collectors.general import GeneralCollector
from cartwheel.experience.collectors.native import NativeCollector
from cartwheel.experience.rollouts import GeneralRollout, NativeRollout, Rollout

__all__ = ["Collector", "make_collector"]


def make_collector(rollout: Rollout, seed: int, lanes: int) -> Collector:
    """The collector that goes with a rollout, for the run of this seed."""
    if isinstance(rollout, NativeRollout):
        return NativeCollector(rollout, seed, lanes)
    assert isinstance(rollout, GeneralRollout)
    return GeneralCollector(rollout, seed, lanes)
