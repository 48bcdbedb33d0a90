"""REINFORCE with a network of two hidden layers, the program of a Keras tutorial, in the framework: CartPole-v1.

Run it with `python examples/reinforce.py`; `--draw` draws the ten test episodes, greedy beside sampled, into
`reinforce.webp`; `--recorded` records the update and replays it, which gives the same up to rounding. (Networks so
small want one thread of NumPy's: set OPENBLAS_NUM_THREADS=1.) A network 4-24-24-2 with ReLU gives the chances of both
actions by a softmax, actions are sampled, and each of 1,000 episodes of at most 500 steps is one step of Adam down

    -1/T sum_t w[t] log pi(a[t] | s[t]),   w the returns, discounted by 0.99, less their mean, by their deviation

(Williams 1992; Sutton & Barto, 2nd edition, section 13.3; with the usual shortcuts: no factor gamma^t, a mean over the
steps, and a baseline and a divisor that come from the same episode, all of which bend the gradient a little.)

Seeds 1000 and on, by which rate and form were chosen. "Greedy" is the mean over the seeds of 100 greedy test episodes
of each, by the network that it ended with, and how many of them are at 475 or more; "last 50" are the last training
episodes:

    rate    returns             the limit      seeds         greedy               last 50
    0.003   normalised          no end         1000 - 1009   464.9   9 of 10      486.6
    0.01    normalised          no end         1000 - 1009   450.9   9 of 10      450.9
    0.003   normalised          an end         1000 - 1004   500.0    5 of 5      478.5
    0.01    normalised          an end         1000 - 1003   500.0    4 of 4      442.4
    0.003   raw (--raw)         an end         1000 - 1002   127.1    0 of 3      126.2
    0.01    raw, the tutorial   an end         1000 - 1002   175.3    0 of 3      156.5

The rate is 0.003 here, the tutorial's 0.01: with that one a pole stands sooner, but a seed (1007) was sure of one
action after some episodes, and fell after 9 steps ever after. With 0.003 the one seed that ends below 475, the same
one, had stood and came down late, to where it goes on learning.

An episode that the limit ends has not failed. REINFORCE has no value to put in place of what would have come, so it is
taken to go on as it went, for ever: r / (1 - gamma). All steps of such an episode are worth the same, which changes
nothing; as an end, the limit makes the last actions of a perfect episode the worst of it.

What is easily got wrong: the actions overwritten by zeros before they are made one-hot (here the chance of the action
is taken by its index); raw returns, which are all positive, with no baseline (`--raw`); the limit taken for a fall;
and the call made for batches in each single step. Learning is one call an episode: 0.37 ms for 200 steps, 0.11 ms
recorded, where episodes are padded to 500 steps that weigh nothing. Acting can't be, as each step needs the one before:
it is a call a step, of about 25 microseconds beside the environment's 6, and makes up most of a run of 8 to 15 CPU
seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from cartwheel.nn import Model, Variable, no_grad, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.capture import capture
from cartwheel.reports.animation import side_by_side, write_animation

Draws = np.random.Generator | None

GAMMA, LR, EPISODES = 0.99, 0.003, 1000
INPUTS, HIDDEN, ACTIONS, MOST_STEPS = 4, 24, 2, 500
TEST, TEST_EPISODES = 2_000_000, 10  # the seed of the first test episode, and how many there are
EVERY = 5  # steps from one drawn frame to the next


class PolicyNet(Model):
    """Observations (B, 4) to logits (B, 2), whose softmax are the chances of both actions."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.l1 = L.Linear(HIDDEN, in_size=INPUTS, rng=rng)
        self.l2 = L.Linear(HIDDEN, in_size=HIDDEN, rng=rng)
        self.l3 = L.Linear(ACTIONS, in_size=HIDDEN, rng=rng)

    def forward(self, x: Any) -> Variable:
        """Two layers of ReLU, and one that is linear: softmax is a part of the loss."""
        return self.l3(F.relu(self.l2(F.relu(self.l1(x)))))


def act(model: PolicyNet, obs: Any, rng: Draws) -> int:
    """An action drawn by its chance; without a generator the greedy one, that of the largest chance."""
    with no_grad():
        logits = model(obs[np.newaxis]).data[0]
    if rng is not None:
        logits = logits + rng.gumbel(size=ACTIONS)  # whose largest is a draw from the softmax (Gumbel, 1954)
    return int(logits.argmax())


def returns(rewards: Any, cut: bool) -> Any:
    """G (T,), G[t] = r[t] + gamma G[t + 1].

    After a fall G is 0. After a cut it is unknown, and taken to go on as it went: r / (1 - gamma), by the mean reward.
    """
    after = np.mean(rewards) / (1 - GAMMA) if cut else 0.0
    G = np.zeros(len(rewards))
    for t in reversed(range(len(rewards))):
        G[t] = after = rewards[t] + GAMMA * after
    return G


def normalised(G: Any) -> Any:
    """Returns (T,) less their mean, by their deviation; zeros where all are the same."""
    return (G - G.mean()) / (G.std() + 1e-6)


def padded(x: Any) -> Any:
    """Zeros after the steps (T, ...), up to (500, ...), so that one recording is enough for all episodes."""
    return np.concatenate([x, np.zeros((MOST_STEPS - len(x), *x.shape[1:]), x.dtype)])


class Agent:
    """Acts by its network, and learns from an episode by one call; all that is random follows from the seed."""

    def __init__(self, seed: int, lr: float = LR, raw: bool = False, recorded: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.model, self.raw, self.recorded = PolicyNet(self.rng), raw, recorded
        self.optimizer = optimizers.Adam(lr).setup(self.model)
        self.learn = capture(self._learn) if recorded else self._learn

    def update(self, obs: Any, action: Any, rewards: Any, cut: bool) -> None:
        """One step of Adam by the steps of an episode, (T, 4), (T,) and (T,)."""
        G = returns(rewards, False) if self.raw else normalised(returns(rewards, cut))
        weights = (G / len(G)).astype(np.float32)
        batch = obs, action, weights
        self.learn(*(map(padded, batch) if self.recorded else batch))

    def _learn(self, obs: Any, action: Any, weights: Any) -> Variable:
        """Down the weighted cross-entropy, -sum_t w[t] log pi(a[t] | s[t])."""
        log_pi = F.log_softmax(self.model(obs))[np.arange(len(action)), action]  # (T,)
        loss = -F.sum(weights * log_pi)
        self.model.cleargrads()
        loss.backward()
        self.optimizer.update()
        return loss


def play(env: Any, agent: Agent) -> tuple[Any, Any, Any, bool]:
    """An episode with sampled actions: obs (T, 4), action (T,), rewards (T,), and whether only the limit ended it."""
    (obs, _), over, steps = env.reset(), False, []
    while not over:
        action = act(agent.model, obs, agent.rng)
        following, reward, terminated, truncated, _ = env.step(action)
        steps.append((obs, action, float(reward)))
        obs, over = following, terminated or truncated
    seen, actions, rewards = zip(*steps, strict=True)
    return np.array(seen), np.array(actions), np.array(rewards), not terminated


def train(seed: int, episodes: int = EPISODES, lr: float = LR, raw: bool = False, recorded: bool = False) -> Any:
    """The agent after so many episodes, one update each, and the return of each of them (episodes,)."""
    env = gymnasium.make("CartPole-v1", max_episode_steps=MOST_STEPS)
    env.reset(seed=seed)  # the episodes that follow go on from it
    agent, totals = Agent(seed, lr, raw, recorded), np.zeros(episodes)
    for n in range(episodes):
        obs, action, rewards, cut = play(env, agent)
        agent.update(obs, action, rewards, cut)
        totals[n] = rewards.sum()
        if (n + 1) % 50 == 0:
            print(f"episode {n + 1:4d}   mean of the last 50 {totals[n - 49 : n + 1].mean():6.1f}")
    env.close()
    return agent, totals


def judged_returns(model: PolicyNet, rng: Draws, episodes: int = TEST_EPISODES, frames: list[Any] | None = None) -> Any:
    """The returns (episodes,) of test episodes, which had no part in learning; with `frames`, some pictures of each."""
    mode = None if frames is None else "rgb_array"
    env = gymnasium.make("CartPole-v1", max_episode_steps=MOST_STEPS, render_mode=mode)
    totals = np.zeros(episodes)
    for n in range(episodes):
        (obs, _), over, step = env.reset(seed=TEST + n), False, 0
        while not over:
            if frames is not None and step % EVERY == 0:
                frames.append(env.render())
            obs, reward, terminated, truncated, _ = env.step(act(model, obs, rng))
            totals[n] += float(reward)
            over, step = terminated or truncated, step + 1
    env.close()
    return totals


def save_picture(totals: Any, path: str) -> None:
    """The return of each episode, and the mean of 50."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    places, width = np.arange(1, len(totals) + 1), min(50, len(totals))
    axes.scatter(places, totals, s=8, alpha=0.4, label="an episode, actions sampled")
    axes.plot(places[width - 1 :], np.convolve(totals, np.ones(width) / width, "valid"), label=f"mean of {width}")
    axes.axhline(MOST_STEPS, color="0.6", linestyle="--")
    axes.set(xlabel="episode", ylabel="return", ylim=(0, MOST_STEPS * 1.05))
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig(path)
    print("the returns:", path)


def play_both_ways(agent: Agent, draw: bool) -> None:
    """The test episodes with greedy and with sampled actions, the same beginnings; drawn side by side if so wanted."""
    frames: dict[str, list[Any]] = {}
    for name, rng in (("greedy", None), ("sampled", agent.rng)):
        frames[name] = []
        totals = judged_returns(agent.model, rng, frames=frames[name] if draw else None)
        print(f"{name:<8} mean {totals.mean():6.1f} of {len(totals)} test episodes:", *(f"{one:.0f}" for one in totals))
    if draw:
        both = side_by_side(frames["greedy"], frames["sampled"], ("greedy", "sampled"))
        write_animation(Path("reinforce.webp"), both, fps=50 / EVERY)
        print("the test episodes: reinforce.webp")


def main(words: Sequence[str] | None = None) -> None:
    """Train, draw the returns, and play the test episodes greedily and sampled."""
    parser = argparse.ArgumentParser(description="REINFORCE on CartPole-v1.")
    parser.add_argument("--seed", type=int, default=0, help="of weights, actions and episodes")
    parser.add_argument("--episodes", type=int, default=EPISODES, help="to learn from")
    parser.add_argument("--lr", type=float, default=LR, help="Adam's rate; the tutorial's is 0.01")
    parser.add_argument("--raw", action="store_true", help="the tutorial's returns: not normalised, a cut is an end")
    parser.add_argument("--recorded", action="store_true", help="record the update, and replay it")
    parser.add_argument("--draw", action="store_true", help="draw the test episodes, into reinforce.webp")
    options = parser.parse_args(words)
    agent, totals = train(options.seed, options.episodes, options.lr, options.raw, options.recorded)
    save_picture(totals, "reinforce.png")
    play_both_ways(agent, options.draw)


if __name__ == "__main__":
    main()
