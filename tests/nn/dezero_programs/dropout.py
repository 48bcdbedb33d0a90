"""Dropout scales what it lets through, so that the mean stays; in test mode it does nothing."""

import dezero
import dezero.functions as F
import numpy as np
from dezero import Variable, test_mode, using_config

x = Variable(np.ones((200, 100)))
y = F.dropout(x, 0.4)
kinds = np.unique(np.round(y.data, 10))
y.backward()

with test_mode():
    still = F.dropout(x)
with using_config("train", False):
    again = F.dropout(x, dropout_ratio=0.9)
with dezero.no_grad():
    unrecorded = x * 2

results = {
    "kinds": kinds,  # nothing, or 1 / 0.6
    "mean": abs(float(y.data.mean()) - 1.0) < 0.02,
    "kept": abs(float((y.data > 0).mean()) - 0.6) < 0.02,
    "gradient is the mask": np.array_equal(x.grad.data, y.data),
    "tested": [still.data.sum(), again.data.sum()],
    "recorded": [unrecorded.creator is None, (x * 2).creator is None],
    "afterwards": [dezero.Config.train, dezero.Config.enable_backprop],
}
