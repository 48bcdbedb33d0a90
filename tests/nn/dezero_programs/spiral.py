"""Three arms of a spiral told apart: a data set, a DataLoader for each part, an MLP, and the accuracy on both."""

import dezero
import dezero.functions as F
import numpy as np
from dezero import DataLoader, Dataset, optimizers
from dezero.models import MLP


class Spiral(Dataset):
    def prepare(self):
        rng = np.random.RandomState(1984 if self.train else 2020)
        radius, arm = np.tile(np.arange(100) / 100, 3), np.repeat(np.arange(3), 100)
        angle = 4.0 * arm + 4.0 * radius + rng.randn(300) * 0.2
        order = rng.permutation(300)
        self.data = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1).astype(np.float32)[order]
        self.label = arm[order]


train_set, test_set = Spiral(train=True), Spiral(train=False)
train_loader = DataLoader(train_set, batch_size=30, shuffle=False)
test_loader = DataLoader(test_set, 30, shuffle=False)

rng = np.random.RandomState(0)
model = MLP((10, 3), activation=F.relu)
for layer, (d, o) in zip(model.layers, [(2, 10), (10, 3)], strict=True):
    layer.W.data = (rng.randn(d, o) * np.sqrt(1 / d)).astype(np.float32)
optimizer = optimizers.SGD(1.0).setup(model)

train, test = [], []
for _ in range(5):
    total_loss, total_accuracy = 0, 0
    for x, t in train_loader:
        y = model(x)
        loss = F.softmax_cross_entropy(y, t)
        accuracy = F.accuracy(y, t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        total_loss += float(loss.data) * len(t)
        total_accuracy += float(accuracy.data) * len(t)
    train.append([total_loss / len(train_set), total_accuracy / len(train_set)])

    total_loss, total_accuracy = 0, 0
    with dezero.no_grad():
        for x, t in test_loader:
            y = model(x)
            total_loss += float(F.softmax_cross_entropy(y, t).data) * len(t)
            total_accuracy += float(F.accuracy(y, t).data) * len(t)
    test.append([total_loss / len(test_set), total_accuracy / len(test_set)])

results = {"train": train, "test": test, "data": train_set[0][0], "label": train_set[0][1], "size": len(train_set)}
