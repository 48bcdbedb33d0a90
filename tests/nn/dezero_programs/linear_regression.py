"""A line through noisy points: the gradient by matmul and broadcasting, and updates written by hand."""

import dezero.functions as F
import numpy as np
from dezero import Variable

rng = np.random.RandomState(0)
x = rng.rand(100, 1)
y = 5 + 2 * x + rng.rand(100, 1)
x, y = Variable(x), Variable(y)

W = Variable(np.zeros((1, 1)))
b = Variable(np.zeros(1))


def predict(x):
    return F.matmul(x, W) + b


def mean_squared_error(x0, x1):
    difference = x0 - x1
    return F.sum(difference**2) / len(difference)


for _ in range(100):
    loss = mean_squared_error(y, predict(x))
    W.cleargrad()
    b.cleargrad()
    loss.backward()
    W.data -= 0.1 * W.grad.data
    b.data -= 0.1 * b.grad.data

results = {"W": W.data, "b": b.data, "loss": loss.data, "same": F.mean_squared_error(y, predict(x)).data}
