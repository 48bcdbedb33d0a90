"""Batch normalisation, learning with the batch's statistics and tested with the averages."""

import dezero.layers as L
import numpy as np
from dezero import Variable, test_mode

rng = np.random.RandomState(0)
results = {}
for name, shape in (("rows", (8, 3)), ("images", (4, 3, 2, 2))):
    layer = L.BatchNorm()
    for _ in range(3):
        x = Variable(rng.randn(*shape) * 2 + 1)
        y = layer(x)
    y.grad = Variable(rng.randn(*shape))
    y.backward()
    results[name] = [y.data, layer.gamma.grad.data, layer.beta.grad.data]
    results[f"{name}, averages"] = [layer.avg_mean.data, layer.avg_var.data]
    if x.ndim == 2:
        results[f"{name}, gradient"] = x.grad.data
    with test_mode():
        results[f"{name}, tested"] = layer(rng.randn(*shape)).data
