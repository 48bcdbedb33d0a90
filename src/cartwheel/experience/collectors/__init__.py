"""Collectors: single steps of lanes whose episodes go on from one request to the next.

`GeneralCollector` steps Gymnasium's own environments, `NativeCollector` compiled physics; where the physics are equal,
so is what they collect, to the bit.
"""

from cartwheel.experience.collectors.base import Collector
from cartwheel.experience.rollouts import GeneralRollout, NativeRollout, Rollout
from cartwheel.experience.stations import Here, Hire, Station, Stations
from cartwheel.kernels.compile import compile_aside

__all__ = ["Collector", "Here", "Hire", "Station", "Stations", "make_collector"]


def make_collector(rollout: Rollout, seed: int, lanes: int, hire: Hire = Here) -> Collector:
    """The collector that goes with a rollout, for the run of this seed.

    `hire` makes the stations where Gymnasium's own environments are; compiled physics, where a step of all lanes takes
    less time than to say that it is wanted, are stepped here.
    """
    # The kernels of each are loaded with it: the first time they are compiled, for seconds.
    if isinstance(rollout, NativeRollout):
        compile_aside("rollout", "rollout")  # by which validation looks at what is learnt
        from cartwheel.experience.collectors.native import NativeCollector

        return NativeCollector(rollout, seed, lanes)
    from cartwheel.experience.collectors.general import GeneralCollector

    assert isinstance(rollout, GeneralRollout)
    return GeneralCollector(rollout, seed, lanes, hire)
