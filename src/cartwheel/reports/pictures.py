"""A policy at work beside an untrained one: the same episode for both, as an animation and in words."""

from __future__ import annotations

from dataclasses import dataclass

from cartwheel.envs.environment import Environment
from cartwheel.errors import CartwheelError
from cartwheel.experience.play import Episode, play
from cartwheel.policies.policy import Policy
from cartwheel.reports.animation import Frame, encode, side_by_side
from cartwheel.reports.markup import number
from cartwheel.seeds import Purpose, episode_seeds, generator

# An animation lasts ten seconds at most, if need be by running four times as fast as it is; what is longer is cut.
_SECONDS, _FASTEST = 10.0, 4.0
_SHORTEST = 3.0  # seconds: a policy that fails at once has the other one shown on
_RATE = 12.5  # pictures a second, about: CartPole's own 50 would take a second to draw


@dataclass(frozen=True)
class Pictures:
    """An animation and a still as WebP, and words for those who can't see them; or `problem`, why there are none.

    `size` is their width and height in pixels, `speed` how many times as fast as the environment the animation is.
    """

    animation: bytes = b""
    still: bytes = b""
    size: tuple[int, int] = (0, 0)
    speed: float = 1.0
    words: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Pace:
    """How an episode is shown: its first `limit` steps, a picture of each `every`, `fps` pictures a second."""

    limit: int
    every: int
    speed: float
    fps: float


def pace(steps_per_second: float, length: int) -> Pace:
    """The pace that shows `length` steps of an environment, whole and in real time if possible."""
    seconds = max(length / steps_per_second, _SHORTEST)
    speed = min(max(seconds / _SECONDS, 1.0), _FASTEST)
    limit = max(1, round(min(seconds, speed * _SECONDS) * steps_per_second))
    every = max(1, round(steps_per_second * speed / _RATE))
    return Pace(limit, every, speed, steps_per_second * speed / every)


def compare(environment: Environment, policy: Policy, seed: int) -> Pictures:
    """The policy's episode beside that of a random network of its kind, both of the run's `seed`.

    The policy's is shown whole, if it is not too long, and the other one as long. An environment that fails, or can't
    draw, makes no pictures.
    """
    episode_seed = int(episode_seeds(seed, Purpose.DISPLAY, count=1)[0])
    policies = untrained(policy, seed), policy
    try:
        shown = pace(environment.frames_per_second, play(environment, policy, episode_seed).length)
        episodes = [
            play(environment, one, episode_seed, frames=True, limit=shown.limit, every=shown.every) for one in policies
        ]
    except CartwheelError as fault:
        return Pictures(problem=str(fault))
    if not all(episode.frames for episode in episodes):
        return Pictures(problem=next(episode.unseen for episode in episodes if episode.unseen))
    captions = (f"untrained: {_steps(episodes[0])}", f"trained: {_steps(episodes[1])}")
    frames = side_by_side(episodes[0].frames, episodes[1].frames, captions)
    height, width, _ = frames[0].shape
    return Pictures(
        encode(frames, shown.fps),
        encode([_telling(frames)], shown.fps),
        (width, height),
        shown.speed,
        _words(environment, episodes, captions),
    )


def untrained(policy: Policy, seed: int) -> Policy:
    """A policy of the same kind with random weights, which follow from `seed`."""
    theta = policy.network.initial(generator(seed, Purpose.INITIAL), 1)[0]
    return Policy(policy.specification, policy.observation_space, policy.action_space, theta)


def _telling(frames: list[Frame]) -> Frame:
    """The frame that stands for all where nothing may move: late enough for the untrained to have failed."""
    return frames[len(frames) * 2 // 3]


def _steps(episode: Episode) -> str:
    count = f"{episode.length:,} step{'s' if episode.length > 1 else ''}"
    return count if episode.over else f"first {count}"


def _words(environment: Environment, episodes: list[Episode], captions: tuple[str, str]) -> str:
    """What there is to see, for those who can't."""
    parts = [
        f"{caption}, return {number(episode.return_, 5)}." for caption, episode in zip(captions, episodes, strict=True)
    ]
    return " ".join([f"Two policies in {environment.name}, from the same start.", *map(_sentence, parts)])


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]
