"""The next value of a sine by an LSTM, in batches that a SeqDataLoader reads side by side."""

import dezero
import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Model, SeqDataLoader
from dezero.datasets import SinCurve


class BetterRNN(Model):
    def __init__(self, hidden_size, out_size):
        super().__init__()
        self.rnn = L.LSTM(hidden_size)
        self.fc = L.Linear(out_size)

    def reset_state(self):
        self.rnn.reset_state()

    def forward(self, x):
        return self.fc(self.rnn(x))


def begin(lstm, gates):
    """The same first weights for both: DeZero's gates have layers of their own, here they stand side by side."""
    if hasattr(lstm, "x2f"):
        for gate, (x2, h2) in gates.items():
            getattr(lstm, f"x2{gate}").W.data, getattr(lstm, f"x2{gate}").b.data = x2, np.zeros(x2.shape[1])
            getattr(lstm, f"h2{gate}").W.data = h2
    else:
        lstm.Wx.data = np.concatenate([x2 for x2, _ in gates.values()], axis=1)
        lstm.Wh.data = np.concatenate([h2 for _, h2 in gates.values()], axis=1)
        lstm.b.data = np.zeros(lstm.Wx.shape[1])


curve = SinCurve(train=False)  # without noise: nothing drawn
loader = SeqDataLoader(curve, batch_size=30)

rng = np.random.RandomState(0)
model = BetterRNN(5, 1)
begin(model.rnn, {gate: (rng.randn(1, 5), rng.randn(5, 5) * 0.4) for gate in "ufio"})
model.fc.W.data, model.fc.b.data = rng.randn(5, 1) * 0.4, np.zeros(1)
optimizer = dezero.optimizers.Adam().setup(model)

losses = []
for _ in range(2):
    model.reset_state()
    loss, count = 0, 0
    for x, t in loader:
        y = model(x)
        loss += F.mean_squared_error(y, t)
        count += 1
        if count % 10 == 0 or count == loader.max_iter:
            model.cleargrads()
            loss.backward()
            loss.unchain_backward()
            optimizer.update()
    losses.append(float(loss.data) / count)

results = {"losses": losses, "steps": loader.max_iter, "first": [curve[0][0], curve[0][1]]}
