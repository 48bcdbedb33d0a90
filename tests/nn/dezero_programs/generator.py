"""Two networks that learn against each other, and one that compresses: several models and optimizers in one program."""

import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import Model, optimizers
from dezero.models import Sequential


def begin(model, seed):
    rng = np.random.RandomState(seed)
    for layer in model.layers:
        if isinstance(layer, L.Linear):
            layer.W.data, layer.b.data = rng.randn(*layer.W.shape) * 0.5, np.zeros(layer.b.shape)


G = Sequential(L.Linear(6, in_size=2), F.relu, L.Linear(2, in_size=6))
D = Sequential(L.Linear(6, in_size=2), lambda x: F.leaky_relu(x, 0.1), L.Linear(1, in_size=6))
begin(G, 1)
begin(D, 2)
opt_g = optimizers.Adam(alpha=0.02, beta1=0.5).setup(G)
opt_g.add_hook(optimizers.WeightDecay(0.0001))
opt_d = optimizers.Adam(alpha=0.02, beta1=0.5).setup(D)

rng = np.random.RandomState(0)
real, fake = np.ones(10).astype(int), np.zeros(10).astype(int)
losses = []
for _ in range(10):
    x = rng.randn(10, 2) * 0.2 + 1.0
    made = G(rng.randn(10, 2))
    d_loss = F.sigmoid_cross_entropy(D(x), real) + F.sigmoid_cross_entropy(D(made), fake)
    G.cleargrads()
    D.cleargrads()
    d_loss.backward()
    opt_d.update()

    g_loss = F.sigmoid_cross_entropy(D(G(rng.randn(10, 2))), real)
    G.cleargrads()
    D.cleargrads()
    g_loss.backward()
    opt_g.update()
    losses.append([float(d_loss.data), float(g_loss.data)])


class Autoencoder(Model):
    def __init__(self):
        super().__init__()
        self.mean, self.log_var, self.back = L.Linear(2, in_size=5), L.Linear(2, in_size=5), L.Linear(5, in_size=2)

    def forward(self, x, epsilon, C=1.0):
        z_mean, z_log_var = self.mean(x), self.log_var(x)
        z = z_mean + F.exp(z_log_var) * epsilon
        y = F.clip(F.sigmoid(self.back(z)), 0.01, 0.99)
        kl = C * (z_mean**2 + F.exp(z_log_var) - z_log_var - 1) * 0.5
        return F.binary_cross_entropy(F.flatten(y), F.flatten(x)) + F.sum(kl) / len(x)


vae = Autoencoder()
for layer in (vae.mean, vae.log_var, vae.back):
    layer.W.data, layer.b.data = rng.randn(*layer.W.shape) * 0.3, np.zeros(layer.b.shape)
optimizer = optimizers.Adam(0.01).setup(vae)
total = 0
for _ in range(10):
    loss = vae(rng.rand(4, 5), rng.randn(4, 2))
    vae.cleargrads()
    loss.backward()
    optimizer.update()
    total += loss.data

results = {"adversaries": losses, "autoencoder": [total, loss.data], "made": G(np.ones((1, 2))).data}
