"""Functions of one's own: what they keep, several inputs and outputs, one input without a gradient."""

import weakref

import numpy as np
from dezero import Function, Variable, as_variable
from dezero.core import Parameter, as_array


class Square(Function):
    def forward(self, x):
        return x**2

    def backward(self, gy):
        x = self.inputs[0]
        return 2 * x * gy


class Exponential(Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy):
        return gy * self.outputs[0]()  # the output is held weakly


class SumAndProduct(Function):
    def forward(self, x0, x1):
        return x0 + x1, x0 * x1

    def backward(self, g0, g1):
        x0, x1 = self.inputs
        return g0 + g1 * x1, g0 + g1 * x0


class Scaled(Function):
    def __init__(self, factor):
        self.factor = factor

    def forward(self, x, labels):
        return self.factor * x * labels

    def backward(self, gy):
        _, labels = self.inputs
        return self.factor * gy * labels.data, None


def square(x):
    return Square()(x)


results = {}

x = Variable(np.array(0.5))
y = square(Exponential()(square(x)))
y.backward()
results["composed"] = [y.data, x.grad.data]

x = Variable(np.array(3.0))
square(x).backward(create_graph=True)
slope = x.grad
x.cleargrad()
slope.backward()
results["twice"] = [slope.data, x.grad.data]

a, b = Variable(np.array([1.0, 2.0])), Parameter(np.array([3.0, 5.0]))
total, product = SumAndProduct()(a, b)
z = total * product
z.grad = Variable(np.ones(2))
z.backward()
results["several"] = [z.data, a.grad.data, b.grad.data]

x = Variable(np.array([1.0, 2.0, 3.0]))
y = Scaled(2.0)(x, np.array([1, 0, -1]))
y.backward()
results["labels"] = x.grad.data

y = square(x)
results["graph"] = [
    isinstance(y.creator, Square),
    y.creator.inputs[0] is x,
    isinstance(y.creator.outputs[0], weakref.ref),
    y.creator.outputs[0]() is y,
    as_variable(x) is x,
    as_variable(np.array(1.0)).data,
    as_array(2.5).shape == (),
]

x0, x1 = Variable(np.array(2.0)), Variable(np.array(3.0))
middle = square(x0) + x1
y = middle * 2
y.backward(retain_grad=True)
results["retained"] = [middle.grad.data, x0.grad.data, y.grad.data]
