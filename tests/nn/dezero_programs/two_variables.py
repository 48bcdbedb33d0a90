"""Functions of two variables, differentiated: sphere, Matyas, Goldstein-Price; a variable used many times."""

import numpy as np
from dezero import Variable


def sphere(x, y):
    return x**2 + y**2


def matyas(x, y):
    return 0.26 * (x**2 + y**2) - 0.48 * x * y


def goldstein(x, y):
    left = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)
    right = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    return left * right


results = {}
for f in (sphere, matyas, goldstein):
    x, y = Variable(np.array(1.0)), Variable(np.array(1.0))
    z = f(x, y)
    z.backward()
    results[f.__name__] = [z.data, x.grad.data, y.grad.data]

x = Variable(np.array(3.0), name="x")
y = x + x + x  # 3, and again after cleargrad
y.backward()
first = x.grad.data
x.cleargrad()
(x * x / 2.0 - 1.0 / x).backward()
results["again"] = [first, x.grad.data]
results["printed"] = [len(x.shape), x.ndim, x.size, str(x) == "variable(3.0)"]
