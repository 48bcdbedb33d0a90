"""An LSTM learns a text, character by character, and writes its own.

Run it with `python examples/character_model.py`, or with `--text FILE` to learn a text of yours (UTF-8). Without one it
learns a cumulative rhyme that this program makes: a verse names the day, and a line later it goes on with that day's
gift and those of all days before, so that the next character may depend on one long ago. Samples are written as it
learns; in the end over eight in ten of the verses it writes are right. The loss is the mean cross-entropy of the next
character, in nats: a text of V different characters begins at log V, and the exponential of the loss is how many
characters the model hesitates between. A table of losses ends the program.

The text is read as a number of streams side by side, each going on in the next batch where it stopped in this one
(`SeqDataLoader`). The memory goes on as well, but the gradient ends where the batch begins (`unchain_backward`,
truncated back-propagation through time). With `--recorded` the step is recorded once and replayed; so the memory goes
into it and comes out of it, since what a layer remembers by itself would stay as it was at the recording.

What is easily got wrong: with shuffled pieces the memory would go on from another place of the text; without
`unchain_backward` every step would go back to the beginning of the text.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cartwheel.nn import Model, SeqDataLoader, Variable, no_grad, optimizers
from cartwheel.nn import functions as F
from cartwheel.nn import layers as L
from cartwheel.nn.capture import capture
from cartwheel.nn.datasets import CharText

GIFTS = (
    "a kettle that sings", "two lamps in the hall", "three boats on the lake", "four cats by the fire",
    "five apples to share", "six letters from home", "seven miles of rain", "eight owls in the oak",
)  # fmt: skip
STREAMS, WINDOW, HIDDEN, READ = 16, 64, 96, 200


def verse(day: int) -> str:
    """A verse names the gift of its day, and those of the days before, the last first."""
    return f"On evening {day} there came\n" + ",\n".join(GIFTS[day - 1 :: -1]) + ".\n\n"


def rhyme(verses: int = 60) -> str:
    """Verses in a random order, always the same."""
    days = np.random.default_rng(0).integers(1, len(GIFTS) + 1, size=verses)
    return "".join(map(verse, days))


class Writer(Model):
    """Characters as vectors, an LSTM, and a linear layer that gives a number for each character that may follow."""

    def __init__(self, characters: int, rng: np.random.Generator) -> None:
        self.embed = L.EmbedID(characters, 32, rng=rng)
        self.lstm = L.LSTM(HIDDEN, in_size=32, rng=rng)
        self.readout = L.Linear(characters, in_size=HIDDEN, rng=rng)

    def forward(self, numbers: Any) -> Variable:
        """Characters (T, B) to the logits of those that follow (T, B, V); the memory goes on from call to call."""
        return self.readout(self.lstm(self.embed(numbers)))


def sample(model: Writer, text: CharText, rng: np.random.Generator, length: int) -> str:
    """Read the beginning of the text, then go on with characters drawn with the probabilities that the model gives."""
    written = []
    numbers = text.data[:READ]
    with no_grad():
        model.reset_state()
        for _ in range(length):
            chances = F.softmax(model(numbers[:, np.newaxis])[-1], axis=1).data[0].astype(np.float64)
            numbers = rng.choice(len(chances), size=1, p=chances / chances.sum())
            written.append(text.decode(numbers))
    return "".join(written)


def windows(text: CharText) -> Any:
    """Batches (T, B) of characters and those that follow: B streams, T steps of each at a time."""
    loader = SeqDataLoader(text, batch_size=min(STREAMS, len(text)))
    steps = []
    for step in loader:
        steps.append(step)
        if len(steps) == WINDOW:
            yield tuple(np.stack(part) for part in zip(*steps, strict=True))
            steps = []
    if steps:
        yield tuple(np.stack(part) for part in zip(*steps, strict=True))


def train(
    text: CharText, seed: int, epochs: int, alpha: float = 1e-2, recorded: bool = False
) -> tuple[Writer, list[float]]:
    """A model that has gone through the text so often, and the mean loss of each time; prints samples on the way."""
    rng = np.random.default_rng(seed)
    model = Writer(len(text.char_to_id), rng)
    optimizer = optimizers.Adam(alpha).setup(model)
    optimizer.add_hook(optimizers.ClipGrad(5.0))

    def learn(x: Any, t: Any, h: Any, c: Any) -> tuple[Variable, Variable, Variable]:
        """The loss, and the memory after it; the memory before it is given, so that the step can be recorded."""
        model.lstm.h, model.lstm.c = h, c
        y = model(x)
        loss = F.softmax_cross_entropy(F.reshape(y, (-1, y.shape[-1])), t.reshape(-1))
        model.cleargrads()
        loss.backward()
        loss.unchain_backward()
        optimizer.update()
        return loss, model.lstm.h, model.lstm.c

    learn_from, losses = capture(learn) if recorded else learn, []
    for epoch in range(1, epochs + 1):
        h: Any = np.zeros((min(STREAMS, len(text)), HIDDEN), np.float32)
        c: Any = h
        total, count = 0.0, 0
        for x, t in windows(text):
            loss, h, c = learn_from(x, t, h, c)
            total, count = total + loss.item() * t.size, count + t.size
        losses.append(total / count)
        if epoch in milestones(epochs):
            print(f"--- after epoch {epoch}, loss {losses[-1]:.3f}")
            print(sample(model, text, rng, 250))
    return model, losses


def milestones(epochs: int) -> list[int]:
    """The epochs that are told of: the first, and five more."""
    return sorted({1, *(math.ceil(epochs * part / 5) for part in range(1, 6))})


def open_text(file: str | None) -> CharText:
    """The text of a file, or else the rhyme."""
    if file is not None:
        return CharText(file, held_out=0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rhyme.txt"
        path.write_text(rhyme(), encoding="utf-8")
        return CharText(path, held_out=0.0)


def main(words: Sequence[str] | None = None) -> None:
    """Learn a text; print samples, and a table of losses."""
    parser = argparse.ArgumentParser(description="An LSTM learns a text, character by character.")
    parser.add_argument("--text", metavar="FILE", help="a text of yours, UTF-8, in place of the rhyme")
    parser.add_argument("--seed", type=int, default=0, help="of weights and samples")
    parser.add_argument("--epochs", type=int, default=80, help="how often the text is read")
    parser.add_argument("--recorded", action="store_true", help="record the training step, and replay it")
    options = parser.parse_args(words)
    text = open_text(options.text)
    print(f"{len(text) + 1:,} characters, {len(text.char_to_id)} different ones")
    _, losses = train(text, options.seed, options.epochs, recorded=options.recorded)
    print("\nepoch     loss   characters it hesitates between")
    print(f"{0:5d}{math.log(len(text.char_to_id)):9.4f}{len(text.char_to_id):8.2f}")
    for epoch in milestones(options.epochs):
        print(f"{epoch:5d}{losses[epoch - 1]:9.4f}{math.exp(losses[epoch - 1]):8.2f}")


if __name__ == "__main__":
    main()
