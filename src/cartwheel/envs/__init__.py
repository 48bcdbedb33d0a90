"""Environments: Gymnasium in, arrays out. The only folder that knows Gymnasium.

Its own are registered here, under names that begin with `cartwheel/`; what they are is in docs/memory-tasks.md and
docs/grid-world.md.
"""

import gymnasium

gymnasium.register(
    "cartwheel/TMaze-v0",
    entry_point="cartwheel.envs.t_maze:TMaze",
    max_episode_steps=50,  # five times the corridor
    reward_threshold=4.0,
)
gymnasium.register(
    "cartwheel/TMaze-50-v0",
    entry_point="cartwheel.envs.t_maze:TMaze50",
    max_episode_steps=250,
    reward_threshold=4.0,
)
gymnasium.register(
    "cartwheel/RepeatPrevious-v0",
    entry_point="cartwheel.envs.repeat_previous:RepeatPrevious",
    max_episode_steps=200,  # never reached with three decks or fewer: an episode ends with the last card
    reward_threshold=0.95,
)
gymnasium.register(
    "cartwheel/CartPoleNoVelocity-v0",
    entry_point="cartwheel.envs.cartpole_no_velocity:CartPoleNoVelocity",
    max_episode_steps=500,
    reward_threshold=475.0,
)
gymnasium.register(
    "cartwheel/PendulumNoVelocity-v0",
    entry_point="cartwheel.envs.pendulum_no_velocity:PendulumNoVelocity",
    max_episode_steps=200,
)
gymnasium.register(
    "cartwheel/GridWorld-v0",
    entry_point="cartwheel.envs.gridworld:GridWorld",
    max_episode_steps=100,  # the shortest way has 5
    reward_threshold=1.0,
)
