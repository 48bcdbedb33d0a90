"""Q-learning with a network on a grid of 3 x 4 squares: "Deep Learning from Scratch 4", chapter 7.

Run it with `python examples/grid_q_learning.py`. The state is one of 12 squares, seen by the network as a one-hot
vector of 12; the network 12-100-4 gives a value for each move; with epsilon-greedy moves it learns from each step once,
by SGD: Q(s, a) is to come near to r + gamma max_a' Q(s', a'), and at the end of an episode to r alone. The goal in the
upper right corner gives 1 and ends the episode, the bomb below it -1, and does not; one square is a wall.

The known answer: at gamma 0.9 the best values of the squares are

    0.81    0.9     1       goal
    0.729   wall    0.9     1
    0.6561  0.729   0.81    0.729

so that the goal is 5 moves from the start in the lower left corner, by either of two ways around the wall. The greedy
path is one of them on 10 of 10 seeds. The loss of each episode goes to `grid_q_learning_loss.png`, the values of all
moves, drawn on the grid, to `grid_q_learning_values.png`.

What is easily got wrong: the last step of an episode has a target too, r without the next value, and a program that
asks for a next action there computes with one that was never defined; an episode that the time limit ends goes on as
far as values are concerned; `unchain` keeps the target a number to come near to; `max(axis=1)` is over the moves, not
over the batch; and weights are 0.01 * randn where they are to be small, not 0.01 + randn, with a bias of as many
numbers as there are units, not of none.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from cartwheel.envs.gridworld import BOOK, GridMap
from cartwheel.nn import Model, Variable, no_grad, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.reports.grid import draw_action_values

GAMMA, LR, EPSILON = 0.9, 0.01, 0.1
HEIGHT, WIDTH, ACTIONS = 3, 4, 4
STATES = HEIGHT * WIDTH
GRID = GridMap(BOOK)  # in cartwheel.envs, which also tells Gymnasium of the environment
BEST = np.array([[0.81, 0.9, 1.0, 0.0], [0.729, 0.0, 0.9, 1.0], [0.6561, 0.729, 0.81, 0.729]])


def one_hot(state: int) -> Any:
    """The square 4 y + x as a row (1, 12) of zeros with a one in its place."""
    row = np.zeros((1, STATES), np.float32)
    row[0, state] = 1.0
    return row


class QNet(Model):
    """One-hot squares (B, 12) to the values (B, 4) of the moves up, down, left and right."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.l1 = L.Linear(100, in_size=STATES, rng=rng)
        self.l2 = L.Linear(ACTIONS, in_size=100, rng=rng)

    def forward(self, x: Any) -> Variable:
        """One layer of ReLU, and one that is linear, since values may be negative."""
        return self.l2(F.relu(self.l1(x)))


class QLearningAgent:
    """Acts epsilon-greedily by its network, and learns from each step once."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.qnet = QNet(self.rng)
        self.optimizer = optimizers.SGD(LR).setup(self.qnet)

    def values(self) -> Any:
        """Q of all squares and moves (12, 4)."""
        with no_grad():
            return self.qnet(np.eye(STATES, dtype=np.float32)).data

    def get_action(self, state: Any) -> int:
        """At random with the chance epsilon, else the move of the highest value."""
        if self.rng.random() < EPSILON:
            return int(self.rng.integers(ACTIONS))
        with no_grad():
            return int(self.qnet(state).data.argmax())

    def update(self, state: Any, action: int, reward: float, next_state: Any, done: bool) -> float:
        """A step of SGD down (r + gamma max_a' Q(s', a') - Q(s, a))^2, with r alone at the end; gives that square."""
        next_q: Any = np.zeros(1, np.float32)
        if not done:
            next_q = self.qnet(next_state).max(axis=1)  # (1,)
            next_q.unchain()  # the target is a number to come near to: nothing is learnt through it
        target = reward + GAMMA * next_q
        q = self.qnet(state)[:, action]  # (1,)
        loss = F.mean_squared_error(q, target)
        self.qnet.cleargrads()
        loss.backward()
        self.optimizer.update()
        return loss.item()


def train(seed: int, episodes: int) -> tuple[QLearningAgent, list[float]]:
    """The agent after so many episodes, and the mean loss of each."""
    env, agent, losses = gymnasium.make("cartwheel/GridWorld-v0"), QLearningAgent(seed), []
    for _ in range(episodes):
        (square, _), over, of_steps = env.reset(seed=seed), False, []
        state = one_hot(square)
        while not over:
            action = agent.get_action(state)
            square, reward, terminated, truncated, _ = env.step(action)
            next_state = one_hot(square)
            of_steps.append(agent.update(state, action, float(reward), next_state, terminated))
            state, over = next_state, terminated or truncated
        losses.append(float(np.mean(of_steps)))
    env.close()
    return agent, losses


def greedy_path(Q: Any, most_steps: int = 20) -> tuple[list[int], float]:
    """The squares that the highest values lead through from the start, and what is got on the way, discounted."""
    env = gymnasium.make("cartwheel/GridWorld-v0", max_episode_steps=most_steps)
    (square, _), over, total = env.reset(seed=0), False, 0.0
    path = [int(square)]
    while not over:
        square, reward, terminated, truncated, _ = env.step(int(Q[square].argmax()))
        total += GAMMA ** (len(path) - 1) * float(reward)
        path.append(int(square))
        over = terminated or truncated
    env.close()
    return path, total


def save_pictures(agent: QLearningAgent, losses: Sequence[float]) -> None:
    """The mean loss of each episode, and the values of all moves on the grid."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.arange(1, len(losses) + 1), losses, linewidth=0.8)
    axes.set(xlabel="episode", ylabel="mean squared TD error", yscale="log")
    figure.savefig("grid_q_learning_loss.png")
    print("the loss of each episode: grid_q_learning_loss.png")
    print("the values of all moves:", draw_action_values(GRID, agent.values(), "grid_q_learning_values.png"))


def main(words: Sequence[str] | None = None) -> None:
    """Train; print the values and the greedy path; draw both pictures."""
    parser = argparse.ArgumentParser(description="Q-learning with a network on the 3 x 4 grid world.")
    parser.add_argument("--seed", type=int, default=0, help="of weights and moves")
    parser.add_argument("--episodes", type=int, default=1000, help="to learn from")
    options = parser.parse_args(words)
    agent, losses = train(options.seed, options.episodes)
    Q = agent.values()
    print("best move's value, learnt         exact")
    for found, known in zip(Q.max(axis=1).reshape(HEIGHT, WIDTH), BEST, strict=True):
        print(("{:7.3f}" * 4).format(*found), "  ", ("{:7.3f}" * 4).format(*known))
    path, total = greedy_path(Q)
    print(f"greedy: {' '.join(map(str, path))}, discounted return {total:.4f} (the best is {BEST[2, 0]:.4f})")
    save_pictures(agent, losses)


if __name__ == "__main__":
    main()
