"""Parts of arrays: slices, lists of indices in which one comes twice, and the shape functions."""

import dezero.functions as F
import numpy as np
from dezero import Variable

results = {}


def part(name, index):
    x = Variable(np.arange(12.0).reshape(3, 4))
    y = F.get_item(x, index)
    weighted = y * np.arange(1.0, y.size + 1).reshape(y.shape)
    F.sum(weighted).backward()
    results[name] = y.data
    results[f"{name}, gradient"] = x.grad.data


part("row", 1)
part("columns", (slice(None), slice(1, 3)))
part("backwards", (slice(None, None, -1), 2))
part("twice", np.array([0, 0, 1]))
part("pairs", (np.arange(3), np.array([2, 0, 2])))

x = Variable(np.arange(12.0).reshape(3, 4))
results["by brackets"] = [x[2].data, x[0, 1:].data.sum(), x[:, 1].data.max()]

x = Variable(np.arange(6.0).reshape(2, 3))
y = (x.reshape(3, 2).T + x.reshape((6,))[0]) * x.transpose(1, 0).reshape([2, 3])
F.sum(y, axis=0).reshape(3).sum(keepdims=True).backward()
results["shapes"] = [y.data, x.grad.data]

x = Variable(np.arange(24.0).reshape(2, 3, 4))
y = F.transpose(x, (1, 2, 0))
z = F.sum(F.sum(F.expand_dims(y, 1), axis=2), axis=0) + F.flatten(x).sum(axis=1)
z.sum().backward()
results["axes"] = [z.data, x.grad.data[0, 0, 0], F.expand_dims(y, 1).shape, F.flatten(x).shape, len(x)]

x0, x1 = Variable(np.array([1.0, 2.0, 3.0])), Variable(np.array([[10.0]]))
y = x0 + x1
y.backward()
results["broadcast"] = [y.data, x0.grad.data, x1.grad.data]
results["sum_to"] = F.sum_to(Variable(np.array([[1.0, 2.0], [3.0, 4.0]])), (1, 2)).data
results["broadcast_to"] = F.broadcast_to(Variable(np.array([1.0, 2.0])), (3, 2)).data
