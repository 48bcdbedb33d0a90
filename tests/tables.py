"""What the tests of tables share: plain twins of the kernels, worlds and lanes in them, and exact values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cartwheel.experience.records import Experience, Request, Transitions

# --- plain twins: a list of steps for each lane, one target after the other -------------------------------------------


def rows(stretch: Sequence[Any]) -> Iterator[tuple[int, int, int, int, float, float, bool, int]]:
    """Time, lane and the six numbers of each step, in the order in which they are learnt from."""
    T, N = stretch[0].shape
    for t in range(T):
        for lane in range(N):
            s, a, r, d, over, then = (array[t, lane] for array in stretch)
            yield t, lane, int(s), int(a), float(r), float(d), bool(over), int(then)


def greedy(values: Any, s: int) -> int:
    return int(np.argmax(values[s]))


def chance(best: int, a: int, actions: int, epsilon: float) -> float:
    return epsilon / actions + (1.0 - epsilon if a == best else 0.0)


def mixed(values: Any, s: int, epsilon: float) -> float:
    row = [float(value) for value in values[s]]
    return epsilon * (sum(row) / len(row)) + (1.0 - epsilon) * max(row)


def learnt(values: Any, visits: Any, place: tuple[int, int], target: float, weight: float, rule: Any) -> float:
    """The rule by which a value learns; the absolute error."""
    ordinary, rate, power = rule
    old = float(values[place])
    visits[place] += 1.0 if ordinary else weight
    size = rate if ordinary else weight * rate
    if power:
        size = size / float(visits[place]) ** power
    error = (weight * target if ordinary else target) - old
    values[place] = old + min(1.0, size) * error
    return abs(error)


def expected(*arguments: Any) -> tuple[float, float]:
    *stretch, values, visits, epsilon, gamma, rate, power = arguments
    errors = []
    for t, _, s, a, r, d, _, then in rows(stretch):
        target = r + (gamma * d * mixed(values, then, float(epsilon[t])) if d else 0.0)
        errors.append(learnt(values, visits, (s, a), target, 1.0, (False, rate, power)))
    return sum(errors), len(errors)


def double_q(*arguments: Any) -> tuple[float, float]:
    *stretch, values, visits, coin, gamma, rate, power = arguments
    errors = []
    for t, lane, s, a, r, d, _, then in rows(stretch):
        own, other = int(coin[t, lane]), 1 - int(coin[t, lane])
        target = r + (gamma * d * float(values[other, then, greedy(values[own], then)]) if d else 0.0)
        errors.append(learnt(values[own], visits[own], (s, a), target, 1.0, (False, rate, power)))
    return sum(errors), len(errors)


class Lists:
    """Steps that wait, as lists of (state, action, reward, chance), taken from and written back to the arrays."""

    def __init__(self, places: Any, numbers: Any, count: Any) -> None:
        self.arrays = places, numbers, count
        self.of = [
            [(*map(int, places[k, lane]), *map(float, numbers[k, lane])) for k in range(count[lane])]
            for lane in range(len(count))
        ]

    def write(self) -> None:
        places, numbers, count = self.arrays
        for lane, steps in enumerate(self.of):
            count[lane] = len(steps)
            for k, (s, a, r, b) in enumerate(steps):
                places[k, lane], numbers[k, lane] = (s, a), (r, b)


def _ratio(values: Any, step: Any, aim: float) -> float:
    s, a, _, b = step
    return 1.0 if aim < 0.0 else chance(greedy(values, s), a, values.shape[1], aim) / b


def sarsa(*arguments: Any) -> tuple[float, float]:
    *stretch, values, visits, places, numbers, count, acted, epsilon, aim, ordinary, gamma, rate, power = arguments
    waiting, errors, targets = Lists(places, numbers, count), [], 0

    def first_learns(steps: list[Any], rest: float, weight: float) -> None:
        for step in reversed(steps[1:]):
            rest = step[2] + gamma * rest
            weight *= _ratio(values, step, aim)
        s, a, r, _ = steps.pop(0)
        if weight or ordinary:
            errors.append(learnt(values, visits, (s, a), r + gamma * rest, weight, (ordinary, rate, power)))

    for t, lane, s, a, r, d, over, then in rows(stretch):
        step = (s, a, r, chance(int(acted[s]), a, values.shape[1], float(epsilon[t])))
        steps = waiting.of[lane]
        if len(steps) == len(places):
            first_learns(steps, float(values[s, a]), _ratio(values, step, aim))
            targets += 1
        steps.append(step)
        while over and steps:
            first_learns(steps, d * mixed(values, then, aim if aim >= 0 else float(epsilon[t])) if d else 0.0, 1.0)
            targets += 1
    waiting.write()
    return sum(errors), targets


def monte_carlo(*arguments: Any) -> tuple[float, float]:
    *stretch, values, visits, places, numbers, count, acted, epsilon, aim, gamma, rate, power = arguments
    waiting, errors = Lists(places, numbers, count), []
    for t, lane, s, a, r, d, over, then in rows(stretch):
        waiting.of[lane].append((s, a, r, chance(int(acted[s]), a, values.shape[1], float(epsilon[t]))))
        if not over:
            continue
        target, weight = d * mixed(values, then, aim if aim >= 0 else float(epsilon[t])) if d else 0.0, 1.0
        while waiting.of[lane] and weight:
            step = waiting.of[lane].pop()
            target = step[2] + gamma * target
            errors.append(learnt(values, visits, step[:2], target, weight, (False, rate, power)))
            weight *= _ratio(values, step, aim)
        waiting.of[lane].clear()
    waiting.write()
    return sum(errors), len(errors)


def td0(*arguments: Any) -> tuple[float, float]:
    *stretch, values, visits, ratio, ordinary, gamma, rate, power = arguments
    errors = []
    for t, lane, s, _, r, d, _, then in rows(stretch):
        weight = float(ratio[t, lane])
        if weight or ordinary:
            target = r + gamma * d * float(values[then, 0])
            errors.append(learnt(values, visits, (s, 0), target, weight, (ordinary, rate, power)))
    return sum(errors), ratio.size


def returns(*arguments: Any) -> tuple[float, float]:
    *stretch, values, visits, places, numbers, count, ratio, ordinary, gamma, rate, power = arguments
    waiting, errors = Lists(places, numbers, count), []
    for t, lane, s, _, r, d, over, then in rows(stretch):
        waiting.of[lane].append((s, 0, r, float(ratio[t, lane])))
        if not over:
            continue
        target, weight = d * float(values[then, 0]), 1.0
        for s, a, r, own in reversed(waiting.of[lane]):
            target, weight = r + gamma * target, weight * own
            if weight == 0.0 and not ordinary:
                break
            errors.append(learnt(values, visits, (s, a), target, weight, (ordinary, rate, power)))
        waiting.of[lane].clear()
    waiting.write()
    return sum(errors), len(errors)


# --- worlds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Outcomes of each state and action, `(S, A, K)` each: chance, reward, whether the episode ends, what follows."""

    chance: Any
    reward: Any
    ends: Any
    following: Any
    start: Any  # (S,) chances
    limit: int

    @property
    def shape(self) -> tuple[int, int]:
        """S and A."""
        return self.chance.shape[:2]


def world_of(P: Any, start: Any, limit: int) -> World:
    """A world from Gymnasium's `P`: state -> action -> [(chance, following, reward, terminated)]."""
    S, A = len(P), len(P[0])
    K = max(len(P[s][a]) for s in range(S) for a in range(A))
    chance, reward = np.zeros((S, A, K)), np.zeros((S, A, K))
    ends, following = np.zeros((S, A, K), bool), np.zeros((S, A, K), np.int64)
    for s in range(S):
        for a in range(A):
            for k, (p, then, r, terminated) in enumerate(P[s][a]):
                chance[s, a, k], reward[s, a, k], ends[s, a, k], following[s, a, k] = p, r, terminated, then
    return World(chance, reward, ends, following, np.asarray(start, float), limit)


def grid(limit: int = 100) -> World:
    """The 3 x 4 grid: goal +1 at the upper right, a bomb -1 below it, a wall in the middle, start at the lower left."""
    P: dict[int, dict[int, list[tuple[float, int, float, bool]]]] = {}
    for s in range(12):
        P[s] = {}
        for a, (dy, dx) in enumerate([(-1, 0), (1, 0), (0, -1), (0, 1)]):
            y, x = s // 4 + dy, s % 4 + dx
            stays = not (0 <= y < 3 and 0 <= x < 4) or (y, x) == (1, 1)
            then = s if stays else 4 * y + x
            P[s][a] = [(1.0, then, {3: 1.0, 7: -1.0}.get(then, 0.0), then == 3)]
    return world_of(P, np.eye(12)[8], limit)


#: States that an episode can come to on the grid: not the wall, and the goal has no steps.
STATES = [0, 1, 2, 4, 6, 7, 8, 9, 10, 11]


def exact_q(world: World, gamma: float, epsilon: float = 0.0) -> Any:
    """The values Q (S, A) of the best epsilon-soft policy, by value iteration; time limits are no ends."""
    q = np.zeros(world.shape)
    for _ in range(100_000):
        v = epsilon * q.mean(axis=1) + (1.0 - epsilon) * q.max(axis=1)
        new = backed_up(world, gamma, v)
        if np.abs(new - q).max() < 1e-12:
            return new
        q = new
    raise AssertionError("value iteration does not end")


def backed_up(world: World, gamma: float, v: Any) -> Any:
    """Q (S, A) of values V (S,) of what follows."""
    return (world.chance * (world.reward + gamma * np.where(world.ends, 0.0, v[world.following]))).sum(axis=2)


def exact_v(world: World, gamma: float, policy: Any) -> Any:
    """V (S,) of a policy (S, A), by a linear solve."""
    S = len(policy)
    going_on = np.zeros((S, S))
    weight = policy[:, :, None] * world.chance * ~world.ends
    for s in range(S):
        np.add.at(going_on[s], world.following[s].ravel(), weight[s].ravel())
    return np.linalg.solve(np.eye(S) - gamma * going_on, (policy[:, :, None] * world.chance * world.reward).sum((1, 2)))


def exact_return(world: World, actions: Any, steps: int) -> Any:
    """The undiscounted return (S,) of greedy actions (S,) from each state within so many steps."""
    v = np.zeros(len(actions))
    for _ in range(steps):
        v = backed_up(world, 1.0, v)[np.arange(len(actions)), actions]
    return v


class Lanes:
    """Lanes in a world, which act as a stretch wants it or by a policy (S, A), all steps of all lanes in NumPy."""

    def __init__(self, world: World, lanes: int, seed: int) -> None:
        self.world, self.rng = world, np.random.default_rng(seed)
        self.state = self._starts(lanes)
        self.length, self.total = np.zeros(lanes, np.int64), np.zeros(lanes)

    def __call__(self, request: Request) -> Experience:
        stretch = request.stretch
        assert stretch is not None
        S, A = self.world.shape
        acted = request.parameters[0].reshape(S, A).argmax(axis=1)

        def act(t: int) -> Any:
            random = self.rng.random(stretch.lanes) < stretch.epsilon[t]
            return np.where(random, self.rng.integers(0, A, stretch.lanes), acted[self.state])

        return self._run(stretch.steps, act)

    def by(self, policy: Any, steps: int) -> Experience:
        """Steps of a policy (S, A)."""
        return self._run(steps, lambda t: self._drawn(policy[self.state]))

    def _run(self, steps: int, act: Callable[[int], Any]) -> Experience:
        N, (S, _) = len(self.state), self.world.shape
        obs, then = np.zeros((steps, N, S), np.float32), np.zeros((steps, N, S), np.float32)
        action, reward, discount = np.zeros((steps, N, 1), np.float32), np.zeros((steps, N)), np.ones((steps, N))
        boundary, lanes = np.zeros((steps, N), bool), np.arange(N)
        ended: list[tuple[float, int]] = []
        for t in range(steps):
            a = act(t)
            k = self._drawn(self.world.chance[self.state, a])
            place = (self.state, a, k)
            obs[t, lanes, self.state], action[t, :, 0] = 1.0, a
            reward[t], over = self.world.reward[place], self.world.ends[place]
            following = self.world.following[place]
            then[t, lanes, following], discount[t] = 1.0, np.where(over, 0.0, 1.0)
            self.length, self.total = self.length + 1, self.total + reward[t]
            boundary[t] = over | (self.length >= self.world.limit)
            ended += [(self.total[lane], self.length[lane]) for lane in np.flatnonzero(boundary[t])]
            self.state = np.where(boundary[t], self._starts(N), following)
            self.length, self.total = np.where(boundary[t], 0, self.length), np.where(boundary[t], 0.0, self.total)
        transitions = Transitions(
            obs=obs,
            action=action,
            reward=reward,
            discount=discount,
            boundary=boundary,
            next_obs=then,
            taken=np.full(N, steps),
        )
        returns = np.array([[total for total, _ in ended]]).reshape(1, -1)
        lengths = np.array([[length for _, length in ended]], np.int64).reshape(1, -1)
        return Experience(returns=returns, lengths=lengths, transitions=transitions)

    def _starts(self, lanes: int) -> Any:
        return self._drawn(np.broadcast_to(self.world.start, (lanes, len(self.world.start))))

    def _drawn(self, chances: Any) -> Any:
        """One place of each row of chances (N, K)."""
        bounds = np.cumsum(chances, axis=1)
        return (self.rng.random((len(chances), 1)) * bounds[:, -1:] >= bounds).sum(axis=1)
