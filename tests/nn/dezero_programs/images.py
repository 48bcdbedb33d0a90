"""Convolution, its transposed form, pooling, and the columns that they are computed from; a small model of them."""

import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Model, Variable, optimizers
from dezero.utils import get_conv_outsize, get_deconv_outsize, pair

rng = np.random.RandomState(0)
results = {"sizes": [get_conv_outsize(7, 3, 2, 1), get_deconv_outsize(4, 3, 2, 1), pair(3), pair((1, 2))]}


def differentiated(name, f, *arrays):
    variables = [Variable(array) for array in arrays]
    y = f(*variables)
    F.sum(y * np.linspace(-1, 1, y.size).reshape(y.shape)).backward()
    results[name] = [y.data, *(v.grad.data for v in variables)]


x = rng.randn(2, 3, 6, 5)
differentiated("conv", lambda x, W, b: F.conv2d(x, W, b, stride=2, pad=1), x, rng.randn(4, 3, 3, 3), rng.randn(4))
differentiated("conv, uneven", lambda x, W: F.conv2d(x, W, None, (1, 2), (2, 0)), x, rng.randn(2, 3, 3, 2))
differentiated("deconv", lambda x, W, b: F.deconv2d(x, W, b, stride=2, pad=1), x, rng.randn(3, 2, 4, 4), rng.randn(2))
differentiated("deconv, size", lambda x, W: F.deconv2d(x, W, stride=2, outsize=(14, 11)), x, rng.randn(3, 2, 3, 3))
differentiated("pooling", lambda x: F.pooling(x, 2, stride=2, pad=1), x)
differentiated("average", lambda x: F.average_pooling(x, 2, stride=2) * 1.0, x)
differentiated("columns", lambda x: F.im2col(x, (3, 2), 1, 1), x)
differentiated("columns apart", lambda x: F.im2col(x, 2, stride=2, to_matrix=False), x)
differentiated("images", lambda c: F.col2im(c, (1, 1, 4, 4), 3), rng.randn(4, 9))


class Small(Model):
    def __init__(self):
        super().__init__()
        self.conv = L.Conv2d(2, kernel_size=3, pad=1)
        self.fc = L.Linear(3)

    def forward(self, x):
        x = F.pooling(F.relu(self.conv(x)), 2, 2)
        return self.fc(F.flatten(x))


model = Small()
model.conv.W.data, model.conv.b.data = rng.randn(2, 1, 3, 3), np.zeros(2)
model.fc.W.data, model.fc.b.data = rng.randn(8, 3), np.zeros(3)
optimizer = optimizers.SGD(0.1).setup(model)
pictures, t = rng.randn(6, 1, 4, 4), np.array([0, 1, 2, 0, 1, 2])
losses = []
for _ in range(5):
    loss = F.softmax_cross_entropy(model(pictures), t)
    model.cleargrads()
    loss.backward()
    optimizer.update()
    losses.append(float(loss.data))
results["losses"] = losses
