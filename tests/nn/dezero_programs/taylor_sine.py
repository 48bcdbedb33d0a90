"""The sine by its Taylor series, and by a Function of one's own; the graph of the series is as long as it needs."""

import math

import numpy as np
from dezero import Function, Variable


class Sine(Function):
    def forward(self, x):
        return np.sin(x)

    def backward(self, gy):
        (x,) = self.inputs
        return gy * np.cos(x.data)


def series(x, threshold):
    y = 0
    for i in range(100000):
        t = (-1) ** i / math.factorial(2 * i + 1) * x ** (2 * i + 1)
        y = y + t
        if abs(t.data) < threshold:
            break
    return y


results = {}
for threshold in (1e-4, 1e-150):
    x = Variable(np.array(np.pi / 4))
    y = series(x, threshold)
    y.backward()
    results[f"series {threshold}"] = [y.data, x.grad.data]

x = Variable(np.array(np.pi / 4))
y = Sine()(x)
y.backward()
results["function"] = [y.data, x.grad.data]
