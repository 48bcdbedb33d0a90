"""Layers: `from cartwheel.nn import layers as L`."""

from cartwheel.nn.layers.convolution import Conv2d, Deconv2d
from cartwheel.nn.layers.dense import Dropout, Embed, EmbedID, Linear
from cartwheel.nn.layers.layer import Average, Layer
from cartwheel.nn.layers.normalisation import BatchNorm, LayerNorm
from cartwheel.nn.layers.recurrent import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Average",
    "BatchNorm",
    "Conv2d",
    "Deconv2d",
    "Dropout",
    "Embed",
    "EmbedID",
    "Layer",
    "LayerNorm",
    "Linear",
]
