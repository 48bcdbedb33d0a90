"""The same network as a loose Layer, a Model of one's own, an MLP and a Sequential, learnt by several rules."""

import dezero
import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Layer, Model, optimizers
from dezero.models import MLP, Sequential

rng = np.random.RandomState(0)
x = rng.rand(100, 1)
y = np.sin(2 * np.pi * x) + rng.rand(100, 1)
weights = [rng.randn(1, 10), np.zeros(10), 0.3 * rng.randn(10, 1), np.zeros(1)]


def begin(first, second):
    """The same first weights for every form: drawn ones differ from library to library."""
    first.W.data, first.b.data = weights[0].copy(), weights[1].copy()
    second.W.data, second.b.data = weights[2].copy(), weights[3].copy()


class TwoLayerNet(Model):
    def __init__(self, hidden_size, out_size):
        super().__init__()
        self.l1 = L.Linear(hidden_size)
        self.l2 = L.Linear(out_size)

    def forward(self, x):
        return self.l2(F.sigmoid(self.l1(x)))


results = {}

loose = Layer()
loose.l1 = L.Linear(10)
loose.l2 = L.Linear(1)
begin(loose.l1, loose.l2)
for _ in range(50):
    loss = F.mean_squared_error(y, loose.l2(F.sigmoid(loose.l1(x))))
    loose.cleargrads()
    loss.backward()
    for p in loose.params():
        p.data -= 0.2 * p.grad.data
results["layer"] = loss.data

model = TwoLayerNet(10, 1)
begin(model.l1, model.l2)
optimizer = optimizers.SGD(0.2).setup(model)
for _ in range(50):
    loss = F.mean_squared_error(y, model(x))
    model.cleargrads()
    loss.backward()
    optimizer.update()
results["model"] = loss.data
results["parameters"] = [sum(p.size for p in model.params()), len(list(model.params()))]

model = MLP((10, 1))
begin(model.layers[0], model.layers[1])
optimizer = optimizers.MomentumSGD(0.1)
optimizer.setup(model)
for _ in range(50):
    loss = F.mean_squared_error(model(x), y)
    model.cleargrads()
    loss.backward()
    optimizer.update()
results["mlp"] = [loss.data, model.l1.b.data[0]]

model = Sequential(L.Linear(10), F.sigmoid, L.Linear(1))
begin(model.layers[0], model.layers[2])
optimizer = dezero.optimizers.Adam(0.01).setup(model)
for _ in range(50):
    loss = F.mean_squared_error(model(x), y)
    model.cleargrads()
    loss.backward()
    optimizer.update()
results["sequential"] = [loss.data, model.l2.b.data[0]]
