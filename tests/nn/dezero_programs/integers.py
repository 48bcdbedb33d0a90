"""Whole numbers as data: the small arrays that shape functions are tried out on."""

import dezero.functions as F
import numpy as np
from dezero import Variable

results = {}


def differentiated(name, f, *arrays):
    variables = [Variable(np.array(array)) for array in arrays]
    y = f(*variables)
    y.backward(retain_grad=True)
    results[name] = [y.data, y.grad.data, *(v.grad.data for v in variables)]


numbers = [[1, 2, 3], [4, 5, 6]]
differentiated("reshape", lambda x: F.reshape(x, (6,)), numbers)
differentiated("transpose", F.transpose, numbers)
differentiated("sum", F.sum, numbers)
differentiated("columns", lambda x: F.sum(x, axis=0), numbers)
differentiated("sum_to", lambda x: F.sum_to(x, (1, 3)), numbers)
differentiated("broadcast", lambda x0, x1: x0 + x1, [1, 2, 3], [10])
differentiated("product", lambda x0, x1: x0 * x1 - x0, [1, 2, 3], [4, 5, 6])
differentiated("part", lambda x: x[1], numbers)
differentiated("square", lambda x: x**2, [3, -4])
differentiated("half", lambda x: x / 2, [3, -4])
differentiated("matrices", F.matmul, [[1, 2], [3, 4]], [[5, 6], [7, 8]])
