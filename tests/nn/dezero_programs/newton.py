"""Minima by Newton's method: second derivatives from a backward that is differentiated itself."""

import numpy as np
from dezero import Variable


def valley(x0, x1):  # Rosenbrock's
    return 100 * (x1 - x0**2) ** 2 + (x0 - 1) ** 2


results = {}

x = Variable(np.array(2.0))
path = []
for _ in range(8):
    path.append(float(x.data))
    y = x**4 - 2 * x**2
    x.cleargrad()
    y.backward(create_graph=True)
    slope = x.grad
    x.cleargrad()
    slope.backward()
    x.data = x.data - slope.data / x.grad.data
results["one variable"] = path

x0, x1 = Variable(np.array(0.0)), Variable(np.array(2.0))
for _ in range(200):  # gradient descent, which crawls
    y = valley(x0, x1)
    x0.cleargrad()
    x1.cleargrad()
    y.backward()
    x0.data -= 0.001 * x0.grad.data
    x1.data -= 0.001 * x1.grad.data
results["descent"] = [x0.data, x1.data]


def derivatives(point):
    variables = [Variable(np.array(number)) for number in point]
    valley(*variables).backward(create_graph=True)
    slopes = [v.grad for v in variables]
    rows = []
    for slope in slopes:
        for v in variables:
            v.cleargrad()
        slope.backward(retain_grad=False)
        rows.append([float(v.grad.data) for v in variables])
    return np.array([float(slope.data) for slope in slopes]), np.array(rows)


point = np.array([0.0, 2.0])
for _ in range(6):
    gradient, hessian = derivatives(point)
    point = point - np.linalg.solve(hessian, gradient)
results["two variables"] = point
results["hessian"] = hessian
