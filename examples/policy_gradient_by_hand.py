"""Policy gradient by hand, in NumPy alone: a 4-8-2 network learns to balance a pole; the softmax's derivative, checked.

Run it with `python examples/policy_gradient_by_hand.py`. It prints how far the derivatives are from finite differences
and from those of `cartwheel.nn`, then trains twice, by the right gradient and by one that the returns do not enter, and
draws both curves in `policy_gradient_by_hand.png`. The network is ReLU and softmax, actions are sampled, and after each
episode there is one update (REINFORCE: Williams 1992; Sutton & Barto, 2nd edition, section 13.3):

    theta += lr * sum_t w[t] grad log pi(a[t] | s[t]),   w the returns, less their mean, by their deviation

What is easily got wrong, and what comes of it (docs/policy-gradient-by-hand.md has the algebra):

- Softmax over the time axis: the chances of a step no longer sum to 1, and each depends on all other steps.
- The Jacobian of the flattened batch, 20 x 20 for ten steps: between different steps it is 0 in truth, and -p p' there.
- The Jacobian applied to (onehot - p), which has it already: with two actions the gradient shrinks by 2 p0 p1, at most
  a half, and vanishes where the policy is sure of itself; with more it points elsewhere.
- `relu(x, deriv=True)` that writes into x: the activations become zeros and ones, and W2's gradient is made of those.
- Returns that are computed, printed, and in no gradient: its expectation is 0, so there is nothing to climb.
- No learning rate (a rate of 1): the first episodes make the policy sure, and it stays as it was then. No baseline: all
  returns are positive, every action of every episode is made likelier, and only the differences between them teach.
- The time limit removed: the better the policy, the longer its episodes, until one never ends. Kept, but taken for a
  fall, it makes the last actions of a perfect episode look bad.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from cartwheel.nn import Variable, jacobian
from cartwheel.nn import functions as F

Array = NDArray[np.float64]
Weights = dict[str, Array]

GAMMA, LR = 0.99, 0.005
INPUTS, HIDDEN, ACTIONS, MOST_STEPS = 4, 8, 2, 500
CHECKED_STEPS, MEASURED_EPISODES = 10, 2000


# --- the network ------------------------------------------------------------------------------------------------------


def first_weights(rng: np.random.Generator) -> Weights:
    """W1 (4, 8), b1 (8,), W2 (8, 2), b2 (2,): 58 numbers, of which the biases are 0."""
    return {
        "W1": rng.standard_normal((INPUTS, HIDDEN)),  # observations are small
        "b1": np.zeros(HIDDEN),
        "W2": rng.standard_normal((HIDDEN, ACTIONS)) / np.sqrt(HIDDEN),
        "b2": np.zeros(ACTIONS),
    }


def softmax(logits: Array) -> Array:
    """Chances (T, A), each row of which sums to 1: along the actions, not along time."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def forward(w: Weights, obs: Array) -> tuple[Array, Array]:
    """Hidden activations (T, 8) and the chances (T, 2) of both actions."""
    hidden = np.maximum(obs @ w["W1"] + w["b1"], 0.0)
    return hidden, softmax(hidden @ w["W2"] + w["b2"])


# --- derivatives ------------------------------------------------------------------------------------------------------


def softmax_jacobian(p: Array) -> Array:
    """dp[t, a] / dlogits[t, b] = p[t, a] (1[a = b] - p[t, b]), (T, A, A): a matrix for each step."""
    return p[:, :, np.newaxis] * (np.eye(p.shape[1]) - p[:, np.newaxis, :])


def by_the_jacobian(p: Array, action: Any, weight: Array) -> Array:
    """The gradient of sum_t weight[t] log p[t, action[t]] by the logits (T, A), the long way: by p, and on by J."""
    dp = weight[:, np.newaxis] * np.eye(p.shape[1])[action] / p
    return np.einsum("ta,tab->tb", dp, softmax_jacobian(p))


def fused(p: Array, action: Any, weight: Array) -> Array:
    """The same in one, (onehot - p) * weight: J is in it already, and nothing is divided by p, which may be 0."""
    return (np.eye(p.shape[1])[action] - p) * weight[:, np.newaxis]


def gradients(w: Weights, obs: Array, action: Any, weight: Array) -> Weights:
    """The gradient of sum_t weight[t] log p[t, action[t]] by each array of weights."""
    hidden, p = forward(w, obs)
    dlogits = fused(p, action, weight)
    dhidden = (dlogits @ w["W2"].T) * (hidden > 0.0)  # a mask of its own: hidden is needed as it is
    return {"W1": obs.T @ dhidden, "b1": dhidden.sum(axis=0), "W2": hidden.T @ dlogits, "b2": dlogits.sum(axis=0)}


# --- checks -----------------------------------------------------------------------------------------------------------


def differences(f: Callable[[Array], Array], x: Array, h: float = 1e-3) -> Array:
    """The derivative of f(x) by each number of x, (*f.shape, *x.shape), by five-point differences: off by h^4 / 30."""
    found = []
    for place in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[place] = h
        found.append((f(x - 2 * step) - 8 * f(x - step) + 8 * f(x + step) - f(x + 2 * step)) / (12 * h))
    return np.stack(found, axis=-1).reshape(*found[0].shape, *x.shape)


def log_likelihood(logits: Array, action: Any, weight: Array) -> Array:
    """weight[t] log p[t, action[t]] of each step (T,)."""
    return weight * np.log(softmax(logits)[np.arange(len(action)), action])


def framework_gradients(w: Weights, obs: Array, action: Any, weight: Array) -> tuple[Array, Weights]:
    """The gradients by the logits (T, A) and by the weights, of `cartwheel.nn`."""
    v = {name: Variable(array) for name, array in w.items()}
    logits = F.linear(F.relu(F.linear(obs, v["W1"], v["b1"])), v["W2"], v["b2"])
    total = F.sum(weight * F.log_softmax(logits)[np.arange(len(action)), action])
    total.backward(retain_grad=True)
    return logits.grad.data, {name: x.grad.data for name, x in v.items()}


def apart(x: Array, y: Array) -> float:
    """The largest difference between two arrays."""
    return float(np.abs(x - y).max())


def check(rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """How far each derivative of a batch is from finite differences, and from the framework's; NaN: not compared.

    By the weights there are no differences, since ReLU has a kink that one of them may step over.
    """
    T = CHECKED_STEPS
    w, obs, action, weight = (
        first_weights(rng),
        rng.standard_normal((T, INPUTS)),
        rng.integers(ACTIONS, size=T),
        rng.standard_normal(T),
    )
    hidden, p = forward(w, obs)
    logits = hidden @ w["W2"] + w["b2"]
    whole = differences(softmax, logits)  # (T, A, T, A)
    blocks = whole[np.arange(T), :, np.arange(T)]  # (T, A, A)
    by_logits = differences(lambda x: log_likelihood(x, action, weight), logits).sum(axis=0)
    theirs, by_weights = framework_gradients(w, obs, action, weight)
    J, ours = softmax_jacobian(p), gradients(w, obs, action, weight)
    at_once, long_way = fused(p, action, weight), by_the_jacobian(p, action, weight)
    return {
        f"the softmax's Jacobian {J.shape}": (apart(J, blocks), apart(J, jacobian(F.softmax, logits, True).data)),
        "between different steps, which is 0": (apart(whole.sum(axis=2), blocks), np.nan),
        "by the logits, (onehot - p) * return": (apart(at_once, by_logits), apart(at_once, theirs)),
        "by the logits, by way of the Jacobian": (apart(long_way, by_logits), apart(long_way, theirs)),
        "by all 58 weights": (np.nan, max(apart(ours[name], by_weights[name]) for name in ours)),
    }


# --- learning ---------------------------------------------------------------------------------------------------------


def by_returns(rewards: Array, cut: bool) -> Array:
    """G[t] = r[t] + gamma G[t + 1] of an episode (T,), less their mean, by their deviation.

    After a fall G is 0. After the limit it is unknown, and taken to go on as it went, r / (1 - gamma): an episode
    without a fall then has nothing to be changed.
    """
    G, after = np.zeros(len(rewards)), float(rewards.mean()) / (1 - GAMMA) if cut else 0.0
    for t in reversed(range(len(rewards))):
        G[t] = after = rewards[t] + GAMMA * after
    return (G - G.mean()) / (G.std() + 1e-6)


def by_nothing(rewards: Array, cut: bool) -> Array:
    """What the asker's gradient comes to: each action counts the same (T,), whatever it led to."""
    return np.ones_like(rewards)


Weighting = Callable[[Array, bool], Array]
FORMS: dict[str, Weighting] = {"by returns": by_returns, "the asker's": by_nothing}


def play(env: Any, w: Weights, rng: np.random.Generator) -> tuple[Array, Any, Array, bool]:
    """An episode with sampled actions: obs (T, 4), action (T,), rewards (T,), and whether only the limit ended it."""
    (obs, _), over, steps = env.reset(), False, []
    while not over:
        _, p = forward(w, obs[np.newaxis])
        action = int(rng.random() >= p[0, 0])
        following, reward, terminated, truncated, _ = env.step(action)
        steps.append((obs, action, float(reward)))
        obs, over = following, terminated or truncated
    seen, actions, rewards = zip(*steps, strict=True)
    return np.array(seen, np.float64), np.array(actions), np.array(rewards), not terminated


def begin(seed: int) -> tuple[Any, Weights, np.random.Generator]:
    """The environment, whose episodes follow from the seed, the first weights, and what actions are drawn by."""
    env, rng = gymnasium.make("CartPole-v1", max_episode_steps=MOST_STEPS), np.random.default_rng(seed)
    env.reset(seed=seed)
    return env, first_weights(rng), rng


def train(weighting: Weighting, seed: int, episodes: int, lr: float = LR) -> tuple[Weights, list[float]]:
    """The weights after so many episodes, one update each, and the reward of each; a line for every 50."""
    env, w, rng = begin(seed)
    rewards: list[float] = []
    for n in range(1, episodes + 1):
        obs, action, got, cut = play(env, w, rng)
        for name, grad in gradients(w, obs, action, weighting(got, cut)).items():
            w[name] += lr * grad  # upwards
        rewards.append(float(got.sum()))
        if n % 50 == 0 or n == episodes:
            mean, best = np.mean(rewards), max(rewards)
            print(f"episode {n:4d}   reward {rewards[-1]:5.0f}   mean so far {mean:6.1f}   best so far {best:5.0f}")
    env.close()
    return w, rewards


def standard_errors(seed: int, episodes: int) -> dict[str, Array]:
    """How many standard errors the mean gradient is from 0, by each weight (58,), in either form.

    Of the same episodes, played with the first weights, which stay as they are. Weights whose gradient was always 0
    are left out.
    """
    env, w, rng = begin(seed)
    found: dict[str, list[Array]] = {form: [] for form in FORMS}
    for _ in range(episodes):
        obs, action, got, cut = play(env, w, rng)
        for form, weighting in FORMS.items():
            grads = gradients(w, obs, action, weighting(got, cut))
            found[form].append(np.concatenate([grad.ravel() for grad in grads.values()]))
    env.close()
    return {form: from_zero(np.array(samples)) for form, samples in found.items()}


def from_zero(samples: Array) -> Array:
    """The mean of samples (M, n) in standard errors (n,), where they differ at all."""
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return samples.mean(axis=0)[error > 0] / error[error > 0]


# --- the program ------------------------------------------------------------------------------------------------------


def save_picture(curves: dict[str, list[float]], path: str) -> None:
    """The reward of each episode, and the mean of 50, in both forms."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("there is no picture, since matplotlib is not installed")
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for (form, rewards), colour in zip(curves.items(), ("C0", "C3"), strict=True):
        places, width = np.arange(1, len(rewards) + 1), min(50, len(rewards))
        axes.scatter(places, rewards, s=4, alpha=0.25, color=colour)
        axes.plot(places[width - 1 :], np.convolve(rewards, np.ones(width) / width, "valid"), color=colour, label=form)
    axes.axhline(MOST_STEPS, color="0.6", linestyle="--")
    axes.set(xlabel="episode", ylabel="reward, and the mean of 50", ylim=(0, MOST_STEPS * 1.05))
    axes.legend(loc="upper left")
    figure.savefig(path)
    print("the rewards:", path)


def print_checks(seed: int) -> None:
    """A row for each derivative."""
    print(f"derivatives of {CHECKED_STEPS} steps, at most apart from   differences   cartwheel.nn")
    for name, distances in check(np.random.default_rng(seed)).items():
        print(f"{name:<43}" + "".join(f"{'-' if np.isnan(d) else f'{d:.1e}':>14}" for d in distances))


def print_standard_errors(seed: int, episodes: int) -> None:
    """A row for each form."""
    print(f"\nthe mean gradient of {episodes} episodes, in standard errors from 0: 1.0 on average if it is 0 in truth")
    for form, distances in standard_errors(seed, episodes).items():
        print(f"{form:<12} {np.sqrt(np.mean(distances**2)):5.1f}, at most {np.abs(distances).max():.1f}")


def main(words: Sequence[str] | None = None) -> None:
    """Check the derivatives, measure both gradients, train by both, and draw the rewards."""
    parser = argparse.ArgumentParser(description="Policy gradient by hand, on CartPole-v1.")
    parser.add_argument("--seed", type=int, default=0, help="of weights, actions and episodes")
    parser.add_argument("--episodes", type=int, default=1000, help="to learn from, in each form")
    options = parser.parse_args(words)
    print_checks(options.seed)
    print_standard_errors(options.seed, min(MEASURED_EPISODES, 2 * options.episodes))
    curves = {}
    for form, weighting in FORMS.items():
        print(f"\n{form}:")
        _, curves[form] = train(weighting, options.seed, options.episodes)
    save_picture(curves, "policy_gradient_by_hand.png")


if __name__ == "__main__":
    main()
