"""Gradients held against differences, for functions that are right and one that is not."""

import dezero.functions as F
import numpy as np
from dezero import Function
from dezero.utils import array_allclose, array_equal, gradient_check, numerical_grad


class Wrong(Function):
    def forward(self, x):
        return x**2

    def backward(self, gy):
        return 3 * self.inputs[0] * gy


rng = np.random.RandomState(0)
x, W, b = rng.randn(4, 3), rng.randn(3, 2), rng.randn(2)
t = np.array([0, 1, 2, 1])

results = {
    "right": [
        gradient_check(F.softmax_cross_entropy, x, t),
        gradient_check(F.linear, x, W, b),
        gradient_check(lambda w: F.linear(x, w, b), W),
        gradient_check(F.mean_squared_error, x, rng.randn(4, 3)),
        gradient_check(F.log_softmax, x, axis=1),
        gradient_check(F.max, x, axis=0),
        gradient_check(F.get_item, x, (np.array([0, 2, 2]), slice(1, 3))),
    ],
    "wrong": gradient_check(Wrong(), x),
    "differences": numerical_grad(F.tanh, x),
    "equal": [array_equal(x, x.copy()), array_equal(x, x + 1e-9), array_allclose(x, x + 1e-9), array_allclose(x, -x)],
}
