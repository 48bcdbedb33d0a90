"""The next letter of a text: a data set of one's own, embedded letters, an LSTM and truncated back-propagation."""

import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Dataset, Model, SeqDataLoader, no_grad, optimizers

TEXT = "the quick brown fox jumps over the lazy dog; " * 3


class Letters(Dataset):
    def prepare(self):
        self.letters = sorted(set(TEXT))
        numbers = np.array([self.letters.index(letter) for letter in TEXT])
        self.data, self.label = numbers[:-1], numbers[1:]


class Writer(Model):
    def __init__(self, letters, hidden_size):
        super().__init__()
        self.embed = L.EmbedID(letters, 6)
        self.rnn = L.LSTM(hidden_size, in_size=6)
        self.fc = L.Linear(letters, in_size=hidden_size)

    def reset_state(self):
        self.rnn.reset_state()

    def forward(self, x):
        return self.fc(self.rnn(self.embed(x)))


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


text = Letters()
rng = np.random.RandomState(0)
count, hidden = len(text.letters), 8
model = Writer(count, hidden)
model.embed.W.data = rng.randn(count, 6)
begin(model.rnn, {gate: (rng.randn(6, hidden) * 0.4, rng.randn(hidden, hidden) * 0.4) for gate in "ufio"})
model.fc.W.data, model.fc.b.data = rng.randn(hidden, count) * 0.4, np.zeros(count)
optimizer = optimizers.Adam(0.1).setup(model)

losses = []
for _ in range(8):
    model.reset_state()
    loss, total, steps = 0, 0, 0
    for x, t in SeqDataLoader(text, batch_size=4):
        loss = loss + F.softmax_cross_entropy(model(x), t)
        steps += 1
        if steps % 15 == 0:
            model.cleargrads()
            loss.backward()
            loss.unchain_backward()
            optimizer.update()
            total += float(loss.data)
            loss = 0
    losses.append(total / (steps // 15 * 15))

model.reset_state()
written = []
letter = np.array([text.letters.index("t")])
with no_grad():
    for _ in range(8):
        letter = model(letter).data.argmax(axis=1)
        written.append(int(letter[0]))

results = {"losses": losses, "written": written, "letters": count, "pair": list(text[3])}
