"""Weights to a file and back, into a model that has not seen an input yet."""

import tempfile

import dezero.layers as L
import numpy as np
from dezero import Model
from dezero.models import MLP


class Nested(Model):
    def __init__(self):
        super().__init__()
        self.body = MLP((4, 3))
        self.head = L.Linear(2, nobias=True)

    def forward(self, x):
        return self.head(self.body(x))


x = np.linspace(-1, 1, 10).reshape(2, 5).astype(np.float32)
model = Nested()
model(x)
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/weights.npz"
    model.save_weights(path)
    other = Nested()
    other.load_weights(path)
    with np.load(path) as file:
        names = sorted(file.files)

results = {
    "same output": np.array_equal(model(x).data, other(x).data),
    "apart": not np.shares_memory(model.head.W.data, other.head.W.data),
    "names": ["body/l0/W" in names, "body/l1/b" in names, "head/W" in names, len(names)],
    "bias": other.head.b is None,
}
