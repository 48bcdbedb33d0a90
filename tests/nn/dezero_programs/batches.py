"""Data sets of one's own, transforms of them, and loaders in order, shuffled, and side by side."""

import dezero
import numpy as np
from dezero.dataloaders import DataLoader, SeqDataLoader
from dezero.datasets import Dataset, get_spiral
from dezero.transforms import AsType, Compose, Flatten, Normalize, ToFloat, ToInt


class Squares(Dataset):
    def prepare(self):
        self.data = np.arange(7).reshape(7, 1, 1) if self.train else np.arange(3).reshape(3, 1, 1)
        self.label = self.data.reshape(-1) ** 2


results = {}

plain = Squares()
results["plain"] = [len(plain), plain[3][0], plain[3][1], len(Squares(train=False))]

changed = Squares(transform=Compose([Flatten(), ToFloat(), Normalize(1.0, 2.0)]), target_transform=lambda t: -t)
results["changed"] = [changed[5][0], changed[5][1], changed[5][0].dtype == np.float32]
results["normalised"] = Normalize([1.0, 2.0], [2.0, 4.0])(np.ones((2, 3, 3)))[:, 0, 0]
results["types"] = [AsType(np.int8)(np.ones(2)).dtype == np.int8, ToInt()(np.array([1.9]))[0], Compose()(3)]

loader = DataLoader(plain, 3, shuffle=False)
seen = [(x.ravel().tolist(), t.tolist()) for x, t in loader]
results["in order"] = [number for pair in seen for part in pair for number in part]
results["again"] = [loader.max_iter, sum(len(x) for x, t in loader), len(next(loader)[0])]
loader.reset()
results["by next"] = loader.next()[1]

shuffled = DataLoader(plain, batch_size=3)
numbers = [int(number) for x, t in shuffled for number in x.ravel()]
results["shuffled"] = [sorted(numbers), [len(t) for _, t in shuffled]]

side = SeqDataLoader(plain, batch_size=2)
results["side by side"] = [x.ravel() for x, _ in side]

x, t = get_spiral(train=False)
results["spiral"] = [np.bincount(t), x.dtype == np.float32, x.shape, (np.abs(x) < 1).all()]
results["names"] = [dezero.DataLoader is DataLoader, dezero.SeqDataLoader is SeqDataLoader, dezero.Dataset is Dataset]
