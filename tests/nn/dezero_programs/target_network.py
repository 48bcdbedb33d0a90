"""Q-learning from a memory, with a copy of the network for the targets that is renewed now and then."""

import copy

import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Model, optimizers


class QNet(Model):
    def __init__(self, action_size):
        super().__init__()
        self.l1 = L.Linear(16)
        self.l2 = L.Linear(action_size)

    def forward(self, x):
        x = F.relu(self.l1(x))
        return self.l2(x)


rng = np.random.RandomState(0)
qnet = QNet(2)
qnet.l1.W.data, qnet.l1.b.data = rng.randn(4, 16) * 0.5, np.zeros(16)
qnet.l2.W.data, qnet.l2.b.data = rng.randn(16, 2) * 0.3, np.zeros(2)
target_net = copy.deepcopy(qnet)
optimizer = optimizers.Adam(0.01)
optimizer.setup(qnet)

states, rewards = rng.randn(64, 4), rng.randn(64)
followings, actions, done = rng.randn(64, 4), rng.randint(2, size=64), (rng.rand(64) < 0.2).astype(np.int32)

losses = []
for step in range(20):
    batch = np.arange(32) + 32 * (step % 2)
    q = qnet(states[batch])[np.arange(32), actions[batch]]
    following_q = target_net(followings[batch]).max(axis=1)
    following_q.unchain()
    target = rewards[batch] + (1 - done[batch]) * 0.98 * following_q
    loss = F.mean_squared_error(q, target)
    qnet.cleargrads()
    loss.backward()
    optimizer.update()
    losses.append(float(loss.data))
    if step % 5 == 4:
        target_net = copy.deepcopy(qnet)

qnet.l1.b.data[...] = 0.0
results = {
    "losses": losses,
    "values": qnet(states[:3]).data,
    "the copy is apart": np.abs(target_net.l1.b.data).max() > 0,
    "without gradients": [p.grad is None for p in QNet(2).params()],
}
