"""A replay memory: the last transitions of some lanes, to learn from them again.

Sources: V. Mnih et al., "Human-level control through deep reinforcement learning", 2015 (uniform draws); T. Schaul et
al., "Prioritized Experience Replay", 2016 (`priorities.py`); S. Kapturowski et al., "Recurrent Experience Replay in
Distributed Reinforcement Learning", 2019 (R2D2), section 2.3: sequences with the memory that was stored, and burn-in.

Deviations: all batches of a call are drawn by the priorities as they were then. Sequences are drawn uniformly, and
begin anywhere, not at every 40th step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartwheel.errors import UsageError, one_line
from cartwheel.experience import priorities
from cartwheel.experience.batches import Batch, Floats, Sequences
from cartwheel.experience.priorities import Priorities
from cartwheel.experience.records import Transitions
from cartwheel.kernels.replay import GOES_ON, OVER, Ring, sequences, windows


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Rows in the order of time: `obs (T + 1, N, d)` with what followed the last one, the rest `(T, N, ...)`.

    `finals (E, d)` are what truly followed the last steps of episodes, in the order of rows and lanes.
    """

    obs: Floats
    action: Floats
    reward: Floats
    end: NDArray[np.uint8]
    memory: Floats
    finals: Floats


_NAMES = [field.name for field in fields(_Rows)]


class Replay:
    """Room for `capacity` transitions of `lanes` lanes: the newest `capacity // lanes` steps of each.

    `obs`, `action` and `memory` are the widths d, a and m (0: nothing is remembered). With `alpha` above 0, transitions
    are drawn by priorities, else all alike. Rewards are kept as float32, as a network's targets are. Observations are
    kept once: what followed a step is the next one's, and only what followed an episode's last step has room of its
    own, which grows with the number of episodes. UsageError where the room is less than a step, or can't be had.
    """

    def __init__(
        self, capacity: int, lanes: int, *, obs: int, action: int, memory: int = 0, alpha: float = 0.0
    ) -> None:
        if lanes < 1 or capacity < lanes:
            raise UsageError(f"replay: expected room for a step of each of the {lanes} lanes, got {capacity}; raise it")
        if not 0.0 <= alpha <= 1.0:
            raise UsageError(f"replay: expected an exponent of priorities from 0 to 1, got {alpha}")
        self.alpha, self._lanes = alpha, lanes
        shapes = _shapes(capacity, lanes, obs, action, memory)
        self._most_finals, _ = shapes["finals"][0]
        shapes["finals"] = (lanes, obs), np.float32
        try:
            made = {name: np.zeros(*shape) for name, shape in shapes.items()}
            self._priorities = Priorities(made["end"].size, alpha) if alpha > 0.0 else None
        except (MemoryError, ValueError):  # ValueError: more than an array can have
            raise UsageError(f"replay: no room for {capacity} transitions; lower the capacity") from None
        self._memory = made.pop("memory")
        self._ring = Ring(**made)
        self._head = self._count = self._ended = 0

    @staticmethod
    def bytes(capacity: int, lanes: int, *, obs: int, action: int, memory: int = 0, prioritised: bool = False) -> int:
        """The bytes that such a memory takes at most, if each step were an episode's last; nothing is allocated."""
        shapes = [*_shapes(capacity, lanes, obs, action, memory).values()]
        if prioritised:
            shapes.append(priorities.shape(math.prod(shapes[3][0])))
        return sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in shapes)

    @property
    def memory_size(self) -> int:
        """m, how much of the network's memory is kept with each step."""
        return int(self._memory.shape[2])

    def __len__(self) -> int:
        return self._count * self._lanes

    # --- what comes in ------------------------------------------------------------------------------------------------

    def add(self, transitions: Transitions) -> None:
        """Append the steps of a stretch in which all lanes took all steps; the oldest make room.

        With priorities, they get the largest one that there has been. ValueError where widths are others, or where a
        step does not follow on the one before it though no episode ended there.
        """
        self._check_widths(transitions)
        end = np.where(transitions.discount == 0.0, OVER, transitions.boundary).astype(np.uint8)
        self._check_order(transitions, end)
        memory = np.zeros((*end.shape, 0), np.float32) if transitions.memory is None else transitions.memory
        most = len(self._ring.end) - 1
        for first in range(0, len(end), most):
            part = slice(first, first + most)
            followed = transitions.next_obs[part]
            self._write(
                _Rows(
                    obs=np.concatenate([transitions.obs[part], followed[-1:]]),
                    action=transitions.action[part],
                    reward=transitions.reward[part].astype(np.float32),
                    end=end[part],
                    memory=memory[part, :, : self._memory.shape[2]],
                    finals=followed[end[part] != GOES_ON],
                )
            )

    def update(self, index: NDArray[np.int64], td_error: NDArray[Any]) -> None:
        """Give the transitions `index (K,)` of a batch the priorities of their TD errors (K,), of either sign.

        Of a transition that comes twice, the last one stays. ValueError where an error is not finite.
        """
        if self._priorities is None:
            raise ValueError("expected a memory with priorities (alpha above 0), got a uniform one")
        if np.shape(index) != np.shape(td_error) or not np.isfinite(td_error).all():
            raise ValueError(f"expected {np.size(index)} finite TD errors, got {one_line(td_error)}")
        if not ((index >= 0) & (index < self._ring.end.size)).all() or not self._priorities[index].all():
            raise ValueError("expected the transitions of a batch that was drawn after the last ones were added")
        self._priorities.learn(np.ravel(index), np.ravel(td_error))

    # --- what is drawn ------------------------------------------------------------------------------------------------

    def sample(
        self, rng: np.random.Generator, updates: int, batch: int, n_step: int, gamma: float, beta: float = 0.0
    ) -> Batch:
        """Windows of `n_step` steps for so many updates, with replacement.

        A window stops after an episode's last step, with gamma to the k it got to, and at the newest step. Drawn is
        once: uniformly by `rng.integers(len(self), size=(updates, batch))`, transitions counted from the oldest row
        on, lane after lane; by priorities by `rng.random((updates, batch))`, stratified: a batch's j-th lies in the
        j-th of `batch` equal parts of the sum of priorities. Weights are 1 where all are alike.
        """
        _check_counts(updates=updates, batch=batch, n_step=n_step)
        if not (0.0 <= gamma <= 1.0 and beta >= 0.0):
            raise UsageError(f"replay: expected gamma from 0 to 1 and beta from 0 on, got {gamma} and {beta}")
        _check_stored(self._count, 1)
        if self._priorities is None:
            index = self._numbers(rng.integers(len(self), size=(updates, batch)))
            weight = np.ones(index.size, np.float32)
        else:
            index = self._priorities.draw(rng.random((updates, batch)))
            weight = self._priorities.weights(index, beta)
        return self._windows(index.ravel(), n_step, gamma, weight)

    def sample_sequences(
        self, rng: np.random.Generator, updates: int, batch: int, burn_in: int, length: int
    ) -> Sequences:
        """Sequences of `length` steps that count, after up to `burn_in` that only bring the memory up to date.

        The first step that counts is drawn by `rng.integers(..., size=(updates, batch))`, with replacement, from all
        after which `length - 1` more rows are stored. Before it stand the `burn_in` steps before it, fewer near the
        beginning of its episode or of what is stored: the sequence begins there, at place 0, with the memory that was
        stored. It ends with its episode: after the last step stands what truly followed, with the memory still
        to be advanced over it; then there are zeros, and the mask is 0. So none crosses into another episode, each
        has a step that counts, and the first steps of an episode, whose memory needs no warming up, count too.
        """
        _check_counts(updates=updates, batch=batch, length=length)
        if burn_in < 0:
            raise UsageError(f"replay: expected a burn-in of at least 0, got {burn_in}")
        _check_stored(self._count, length)
        starts = (self._count - length + 1) * self._lanes
        return self._sequences(self._numbers(rng.integers(starts, size=(updates, batch))), burn_in, length)

    # --- what is kept -------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that later draws depend on, of the filled part, in the order of time."""
        ring, at = self._ring, self._places(self._count + 1)
        state = {
            "obs": ring.obs[at],
            "action": ring.action[at[:-1]],
            "reward": ring.reward[at[:-1]],
            "end": ring.end[at[:-1]],
            "memory": self._memory[at[:-1]],
            "finals": ring.finals[np.arange(self._first_final(), self._ended) % len(ring.finals)],
            "rows": len(ring.end),
            "head": self._head,
        }
        if self._priorities is not None:
            state["priority"] = self._priorities[self._transitions(at[:-1])]
            state["largest"] = self._priorities.largest
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` says. UsageError where it is that of a memory of another size or kind."""
        expected, got = _described(self.state()), _described(state)
        if got != expected:
            raise UsageError(f"replay: expected the state of a memory of {expected}, got one of {got}")
        self._count, self._ended = 0, 0
        self._head = (int(state["head"]) - len(state["end"])) % len(self._ring.end)
        self._write(_Rows(**{name: state[name] for name in _NAMES}))
        if self._priorities is not None:
            self._priorities.clear()
            self._priorities[self._transitions(self._places(self._count))] = state["priority"]
            self._priorities.largest = float(state["largest"])

    # --- what must hold -----------------------------------------------------------------------------------------------

    def _check_widths(self, transitions: Transitions) -> None:
        steps, lanes = len(transitions.reward), self._lanes
        expected = {
            "obs": (steps, lanes, self._ring.obs.shape[2]),
            "next_obs": (steps, lanes, self._ring.obs.shape[2]),
            "action": (steps, lanes, self._ring.action.shape[2]),
        } | dict.fromkeys(("reward", "discount", "boundary"), (steps, lanes))
        if width := self._memory.shape[2]:
            expected["memory"] = steps, lanes, width
        for name, shape in expected.items():
            if np.shape(getattr(transitions, name)) != shape:
                got = np.shape(getattr(transitions, name))
                raise ValueError(f"expected transitions with {name} {shape}, got {got}")
        if not (transitions.taken == steps).all():
            raise ValueError(f"expected all lanes to take {steps} steps, got {one_line(transitions.taken)}")

    def _check_order(self, transitions: Transitions, end: NDArray[np.uint8]) -> None:
        """Each step's observation is what followed the one before it, unless an episode ended there."""
        before = self._ring.obs[self._head][None], self._ring.end[self._head - 1][None]
        if self._count == 0:
            before = transitions.obs[:1], end[:1]
        expected = np.concatenate([before[0], transitions.next_obs[:-1]])
        follows = (expected == transitions.obs).all(axis=2) | (np.concatenate([before[1], end[:-1]]) != GOES_ON)
        if not follows.all():
            step, lane = np.argwhere(~follows)[0]
            raise ValueError(f"step {step} of lane {lane} does not follow on the step before it, whose episode goes on")

    # --- how it lies --------------------------------------------------------------------------------------------------

    @property
    def _oldest(self) -> int:
        return (self._head - self._count) % len(self._ring.end)

    def _places(self, count: int) -> NDArray[np.int64]:
        """Where so many rows lie, from the oldest on; the one after the newest is the free one."""
        return (self._oldest + np.arange(count)) % len(self._ring.end)

    def _numbers(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of transitions that are counted from the oldest row on."""
        return (places + self._oldest * self._lanes) % self._ring.end.size

    def _first_final(self) -> int:
        """The number of the oldest final observation that is still needed."""
        return int(self._ring.earlier[self._oldest]) if self._count else self._ended

    def _write(self, new: _Rows) -> None:
        """Write rows, at most as many as there is room for, over the oldest ones."""
        steps = len(new.end)
        at = (self._head + np.arange(steps + 1)) % len(self._ring.end)
        self._head, self._count = int(at[-1]), min(self._count + steps, len(self._ring.end) - 1)
        ends = (new.end != GOES_ON).sum(axis=1)
        self._ring.earlier[at[:-1]] = self._ended + np.cumsum(ends) - ends
        self._keep(new.finals)
        ring, rows = self._ring, at[:-1]
        ring.obs[at], ring.action[rows], ring.reward[rows], ring.end[rows] = new.obs, new.action, new.reward, new.end
        self._memory[rows] = new.memory
        if self._priorities is not None:
            self._priorities[self._transitions(rows)] = self._priorities.largest
            self._priorities[self._transitions(at[-1:])] = 0.0

    def _keep(self, finals: Floats) -> None:
        """Keep what followed last steps, with those that are still needed; their room doubles when it is short."""
        kept, room = np.arange(self._first_final(), self._ended), self._ring.finals
        if (needed := len(kept) + len(finals)) > len(room):
            room = np.zeros((min(max(needed, 2 * len(room)), self._most_finals), room.shape[1]), np.float32)
            room[kept % len(room)] = self._ring.finals[kept % len(self._ring.finals)]
            self._ring = self._ring._replace(finals=room)
        room[(self._ended + np.arange(len(finals))) % len(room)] = finals
        self._ended += len(finals)

    # --- how it is read -----------------------------------------------------------------------------------------------

    def _windows(self, index: NDArray[np.int64], n_step: int, gamma: float, weight: Floats) -> Batch:
        count, (d, a) = index.size, (self._ring.obs.shape[2], self._ring.action.shape[2])
        batch = Batch(
            obs=np.empty((count, d), np.float32),
            action=np.empty((count, a), np.float32),
            reward=np.empty(count, np.float32),
            discount=np.empty(count, np.float32),
            next_obs=np.empty((count, d), np.float32),
            weight=weight,
            index=index,
        )
        filled = batch.obs, batch.action, batch.reward, batch.discount, batch.next_obs
        windows(index, self._head, n_step, gamma, *self._ring, *filled)
        return batch

    def _sequences(self, start: NDArray[np.int64], burn_in: int, length: int) -> Sequences:
        updates, batch = start.shape
        steps = burn_in + length
        made = Sequences(
            memory=np.zeros((updates, batch, self._memory.shape[2]), np.float32),
            obs=np.zeros((updates, steps + 1, batch, self._ring.obs.shape[2]), np.float32),
            action=np.zeros((updates, steps, batch, self._ring.action.shape[2]), np.float32),
            reward=np.zeros((updates, steps, batch), np.float32),
            discount=np.zeros((updates, steps, batch), np.float32),
            mask=np.zeros((updates, steps, batch), np.float32),
        )
        filled = made.obs, made.action, made.reward, made.discount, made.mask, made.memory
        sequences(start, self._oldest, burn_in, length, *self._ring, self._memory, *filled)
        return made

    def _transitions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of these rows' transitions (T, N)."""
        return rows[:, None] * self._lanes + np.arange(self._lanes)


def _shapes(capacity: int, lanes: int, obs: int, action: int, memory: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    """The arrays of a memory; what follows last steps has room for all that there can be."""
    steps = capacity // lanes
    return {
        "obs": ((steps + 1, lanes, obs), np.float32),
        "action": ((steps + 1, lanes, action), np.float32),
        "reward": ((steps + 1, lanes), np.float32),
        "end": ((steps + 1, lanes), np.uint8),
        "earlier": ((steps + 1,), np.int64),
        "finals": ((steps * lanes, obs), np.float32),
        "memory": ((steps + 1, lanes, memory), np.float32),
    }


def _described(state: Mapping[str, Any]) -> str:
    """The size and kind of the memory whose state it is."""
    widths = ", ".join(str(state[name].shape[2]) for name in ("obs", "action", "memory"))
    kind = "prioritised" if "priority" in state else "uniform"
    return f"{state['rows'] - 1} steps of {state['end'].shape[1]} lanes, widths {widths}, {kind}"


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"replay: expected {name.replace('_', '-')} of at least 1, got {count}")


def _check_stored(stored: int, needed: int) -> None:
    if stored < needed:
        raise UsageError(
            f"replay: expected {needed} or more steps of each lane to draw from, got {stored}; add some first"
        )
