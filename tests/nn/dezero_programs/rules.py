"""Each optimizer on the same slope, with hooks before it; and an optimizer and a hook of one's own."""

import numpy as np
from dezero import Layer, Parameter, optimizers
from dezero.optimizers import ClipGrad, Optimizer, WeightDecay


class Sign(Optimizer):
    def __init__(self, lr=0.1):
        super().__init__()
        self.lr = lr

    def update_one(self, param):
        param.data -= self.lr * np.sign(param.grad.data)


def halve(params):
    for p in params:
        p.grad.data *= 0.5


def learnt(optimizer, *hooks):
    target = Layer()
    target.a = Parameter(np.array([1.0, -2.0, 3.0]))
    target.b = Parameter(np.array([[0.5, 4.0]]))
    optimizer.setup(target)
    for hook in hooks:
        optimizer.add_hook(hook)
    for _ in range(20):
        loss = (target.a**4).sum() + (target.b**2 * 3).sum() + target.a[0] * target.b.sum()
        target.cleargrads()
        loss.backward()
        optimizer.update()
    return [target.a.data, target.b.data]


results = {
    "sgd": learnt(optimizers.SGD(0.01)),
    "sgd default": learnt(optimizers.SGD()),
    "momentum": learnt(optimizers.MomentumSGD(lr=0.003, momentum=0.8)),
    "adagrad": learnt(optimizers.AdaGrad(lr=0.1)),
    "adadelta": learnt(optimizers.AdaDelta(rho=0.9, eps=1e-4)),
    "adam": learnt(optimizers.Adam(alpha=0.05)),
    "adam other": learnt(optimizers.Adam(0.05, beta1=0.5, beta2=0.9, eps=1e-3)),
    "decay": learnt(optimizers.SGD(0.01), WeightDecay(0.1)),
    "clipped": learnt(optimizers.MomentumSGD(0.01), ClipGrad(1.5)),
    "both": learnt(optimizers.Adam(0.01), WeightDecay(0.1), ClipGrad(0.5)),
    "own": learnt(Sign(0.05)),
    "own hook": learnt(optimizers.SGD(0.01), halve),
}
