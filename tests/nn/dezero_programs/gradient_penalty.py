"""A loss that holds a gradient: the slope of a network at its inputs is pulled to length 1, and learnt through."""

import dezero.functions as F
import numpy as np
from dezero import Parameter, Variable

x = Variable(np.array(2.0))
y = x**2
y.backward(create_graph=True)
slope = x.grad
x.cleargrad()
z = slope**3 + y
z.backward()
results = {"by hand: 8 x^3 + x^2": [z.data, x.grad.data]}

rng = np.random.RandomState(0)
W1, b1 = Parameter(rng.randn(2, 6)), Parameter(rng.randn(6))
W2 = Parameter(rng.randn(6, 1))
data = rng.randn(20, 2)

norms = []
for _ in range(20):
    x = Variable(data)
    score = F.sum(F.matmul(F.tanh(F.matmul(x, W1) + b1), W2))
    score.backward(create_graph=True)
    slope = x.grad
    squares = F.sum(slope**2, axis=1)
    loss = F.sum((squares**0.5 - 1) ** 2) / len(data)
    for p in (W1, b1, W2):
        p.cleargrad()
    loss.backward()
    for p in (W1, b1, W2):
        p.data -= 0.05 * p.grad.data
    norms.append(float(loss.data))

results["loss"] = norms
results["W1"] = W1.data

values = Variable(np.linspace(-7, 7, 15))
y = F.sin(values)
y.backward(create_graph=True)
waves = [y.data]
for _ in range(3):
    waves.append(values.grad.data)
    slope = values.grad
    values.cleargrad()
    slope.backward(create_graph=True)
results["derivatives of the sine"] = waves
