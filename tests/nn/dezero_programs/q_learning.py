"""A step of Q-learning with a network: the target's graph is cut off, the loss is that of the chosen action."""

import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Model, optimizers


class QNet(Model):
    def __init__(self):
        super().__init__()
        self.l1 = L.Linear(20)
        self.l2 = L.Linear(4)

    def forward(self, x):
        x = F.relu(self.l1(x))
        return self.l2(x)


def one_hot(state):
    vector = np.zeros(12)
    vector[4 * state[0] + state[1]] = 1.0
    return vector[np.newaxis, :]


rng = np.random.RandomState(0)
qnet = QNet()
qnet.l1.W.data, qnet.l1.b.data = rng.randn(12, 20) * 0.3, np.zeros(20)
qnet.l2.W.data, qnet.l2.b.data = rng.randn(20, 4) * 0.2, np.zeros(4)
optimizer = optimizers.SGD(0.05).setup(qnet)

losses = []
for _ in range(15):
    for state, action, reward, following, done in [
        ((2, 0), 0, 0.0, (1, 0), False),
        ((1, 0), 0, 0.0, (0, 0), False),
        ((0, 2), 3, 1.0, (0, 3), True),
        ((1, 2), 3, -1.0, (1, 3), False),
    ]:
        if done:
            following_q = np.zeros(1)
        else:
            following_q = qnet(one_hot(following)).max(axis=1)
            following_q.unchain()
        target = 0.9 * following_q + reward
        q = qnet(one_hot(state))[:, action]
        loss = F.mean_squared_error(target, q)
        qnet.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(float(loss.data))

results = {"losses": losses, "values": qnet(one_hot((0, 2))).data, "best": qnet(one_hot((2, 0))).data.argmax()}
