"""Repeat-previous: cards are dealt one by one, and the suit of an earlier one is to be named.

Source: popgym 1.0.7, popgym/envs/repeat_previous.py (its Easy is one deck and k = 4); S. Morad et al., "POPGym:
Benchmarking Partially Observable Reinforcement Learning", 2023. Rewards and episodes are popgym's. The cards are as
likely, but for the same seed they are others: popgym shuffles the deck, here each suit is drawn when it is dealt.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

SUITS = 4
PER_SUIT = 13

_LETTERS = "sdch"  # popgym's order: spades, diamonds, clubs, hearts
_COLOURS = np.array([(40, 40, 40), (225, 140, 40), (60, 140, 80), (200, 50, 60), (225, 225, 225)], np.uint8)
_UNDEALT = 4  # the last of the colours
_TILE = 24  # pixels


class RepeatPrevious(gymnasium.Env[np.int64, np.int64]):
    """Name the suit of the card k - 1 steps before the one that lies there: k = 1 is that one, k = 4 a delay of 3.

    Observation: the suit of the card just dealt; action: a suit; both 0 to 3. Each named suit is worth 1/(n - k) if it
    is right, as much less if it is wrong, n cards being in all decks; the first k - 1 actions are worth nothing. The
    episode ends when the last card is dealt, after n - 1 steps.
    ValueError for decks and a k that are no whole numbers with 1 <= k < 52 * decks.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012
    observation_space = gymnasium.spaces.Discrete(SUITS)
    action_space = gymnasium.spaces.Discrete(SUITS)

    def __init__(self, k: int = 4, decks: int = 1, render_mode: str | None = None) -> None:
        if not (isinstance(k, int) and isinstance(decks, int) and 1 <= k < SUITS * PER_SUIT * decks):
            raise ValueError(f"expected whole numbers with 1 <= k < 52 * decks, got k={k!r} and decks={decks!r}")
        self.k, self.decks, self.render_mode = k, decks, render_mode
        self.cards = SUITS * PER_SUIT * decks
        self.left = [PER_SUIT * decks] * SUITS  # cards of each suit that are not dealt yet
        self.dealt: list[np.int64] = []  # suits

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        """All cards back, and the first one dealt."""
        super().reset(seed=seed)
        self.left, self.dealt = [PER_SUIT * self.decks] * SUITS, []
        return self._deal(), {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        """Judge the suit that was named, and deal the next card."""
        if not 0 < len(self.dealt) < self.cards:
            raise gymnasium.error.ResetNeeded("there is no card left to be dealt; call reset() first")
        reward = 0.0
        if len(self.dealt) >= self.k:
            scale = 1 / (self.cards - self.k)
            reward = scale if action == self.dealt[-self.k] else -scale
        suit = self._deal()
        return suit, reward, len(self.dealt) == self.cards, False, {}

    def render(self) -> Any:
        """The dealt cards, the oldest first, 13 to a row: letters for the suits, or a picture of coloured tiles."""
        if self.render_mode == "ansi":
            letters = "".join(_LETTERS[suit] for suit in self.dealt).ljust(self.cards, ".")
            return "\n".join(letters[start : start + PER_SUIT] for start in range(0, self.cards, PER_SUIT))
        if self.render_mode != "rgb_array":
            return None
        suits = np.full(self.cards, _UNDEALT)
        suits[: len(self.dealt)] = self.dealt
        tiles = _COLOURS[suits.reshape(-1, PER_SUIT)]
        return tiles.repeat(_TILE, axis=0).repeat(_TILE, axis=1)

    def _deal(self) -> np.int64:
        """Draw a suit with the chances of a shuffled deck: each card that is left is as likely."""
        place = self.np_random.uniform(0.0, self.cards - len(self.dealt))
        suit = np.int64(np.searchsorted(np.cumsum(self.left), place, side="right"))
        self.left[suit] -= 1
        self.dealt.append(suit)
        return suit
