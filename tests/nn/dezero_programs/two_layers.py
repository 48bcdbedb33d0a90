"""A network of two layers from four Variables, on a noisy sine."""

import dezero.functions as F
import numpy as np
from dezero import Variable

rng = np.random.RandomState(0)
x = rng.rand(100, 1)
y = np.sin(2 * np.pi * x) + rng.rand(100, 1)

I, H, O = 1, 10, 1
W1, b1 = Variable(0.01 * rng.randn(I, H)), Variable(np.zeros(H))
W2, b2 = Variable(0.01 * rng.randn(H, O)), Variable(np.zeros(O))


def predict(x):
    h = F.linear(x, W1, b1)
    h = F.sigmoid(h)
    return F.linear(h, W2, b2)


losses = []
for i in range(300):
    loss = F.mean_squared_error(y, predict(x))
    for variable in (W1, b1, W2, b2):
        variable.cleargrad()
    loss.backward()
    for variable in (W1, b1, W2, b2):
        variable.data -= 0.2 * variable.grad.data
    if i % 100 == 0:
        losses.append(float(loss.data))

results = {"losses": losses, "loss": loss.data, "W1": W1.data, "b2": b2.data}
