"""A policy and a value learnt together: the chance of the action taken, times how much better it was than expected."""

import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Model, optimizers


class PolicyNet(Model):
    def __init__(self, action_size):
        super().__init__()
        self.l1 = L.Linear(8)
        self.l2 = L.Linear(action_size)

    def forward(self, x):
        x = F.relu(self.l1(x))
        return F.softmax(self.l2(x))


class ValueNet(Model):
    def __init__(self):
        super().__init__()
        self.l1 = L.Linear(8)
        self.l2 = L.Linear(1)

    def __call__(self, x):
        return self.l2(F.relu(self.l1(x)))


rng = np.random.RandomState(0)
pi, v = PolicyNet(3), ValueNet()
for model, outputs in ((pi, 3), (v, 1)):
    model.l1.W.data, model.l1.b.data = rng.randn(4, 8) * 0.5, np.zeros(8)
    model.l2.W.data, model.l2.b.data = rng.randn(8, outputs) * 0.3, np.zeros(outputs)
optimizer_pi, optimizer_v = optimizers.Adam(0.01).setup(pi), optimizers.Adam(0.02).setup(v)

actions, losses = [], []
state = np.ones(4)
for step in range(40):
    probs = pi(state[np.newaxis, :])[0]
    action = rng.choice(len(probs), p=probs.data)
    prob = probs[action]
    actions.append(int(action))
    reward, done = float(action == step % 2), step % 10 == 9
    following = np.roll(state, 1) * 0.9 + 0.1 * np.eye(4)[action]

    target = reward + 0.9 * v(following[np.newaxis, :]) * (1 - done)
    target.unchain()
    value = v(state[np.newaxis, :])
    loss_v = F.mean_squared_error(value, target)
    v.cleargrads()
    loss_v.backward()
    optimizer_v.update()

    delta = target - value
    delta.unchain()
    loss_pi = -F.log(prob) * delta
    pi.cleargrads()
    loss_pi.backward()
    optimizer_pi.update()

    losses.append([float(loss_v.data), float(loss_pi.data[0, 0])])
    state = following

memory = [(1.0, pi(np.ones((1, 4)))[0][action]) for action in (0, 1, 2)]
G, loss = 0, 0
for reward, prob in reversed(memory):
    G = reward + 0.98 * G
    loss += -F.log(prob) * G
pi.cleargrads()
loss.backward()

results = {"actions": actions, "losses": losses, "whole episode": loss.data, "gradient": pi.l2.b.grad.data}
