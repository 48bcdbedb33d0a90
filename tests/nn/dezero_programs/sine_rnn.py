"""The next value of a sine by a recurrent network, back-propagation cut every 30 steps; then left to run on its own."""

import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Model, no_grad, optimizers


class SimpleRNN(Model):
    def __init__(self, hidden_size, out_size):
        super().__init__()
        self.rnn = L.RNN(hidden_size)
        self.fc = L.Linear(out_size)

    def reset_state(self):
        self.rnn.reset_state()

    def forward(self, x):
        h = self.rnn(x)
        return self.fc(h)


wave = np.sin(np.linspace(0, 4 * np.pi, 150))[:, np.newaxis]
rng = np.random.RandomState(0)
model = SimpleRNN(8, 1)
model.rnn.x2h.W.data, model.rnn.x2h.b.data = rng.randn(1, 8), np.zeros(8)
model.rnn.h2h.W.data = rng.randn(8, 8) * 0.35
model.fc.W.data, model.fc.b.data = rng.randn(8, 1) * 0.35, np.zeros(1)
optimizer = optimizers.Adam(0.01).setup(model)

losses = []
for _ in range(4):
    model.reset_state()
    loss, count = 0, 0
    for i in range(len(wave) - 1):
        x, t = wave[i], wave[i + 1]
        y = model(x.reshape(1, 1))
        loss += F.mean_squared_error(y, t.reshape(1, 1))
        count += 1
        if count % 30 == 0 or count == len(wave) - 1:
            model.cleargrads()
            loss.backward()
            loss.unchain_backward()
            optimizer.update()
    losses.append(float(loss.data) / count)

model.reset_state()
free = []
with no_grad():
    y = model(np.array([[0.5]]))
    for _ in range(10):
        y = model(y)
        free.append(float(y.data[0, 0]))

results = {"losses": losses, "free": free}
