"""Functions of Variables and arrays: `from cartwheel.nn import functions as F`. What they give are Variables."""

from __future__ import annotations

import sys

from cartwheel.nn import variable
from cartwheel.nn.function import FUNCTIONS
from cartwheel.nn.functions import (
    activations,
    arithmetic,
    chance,
    convolution,
    elementwise,
    indexing,
    losses,
    padding,
    products,
    recurrent,
    reductions,
    regularisation,
    shape,
)
from cartwheel.nn.functions import pooling as windows
from cartwheel.nn.public import public, public_list, public_pair

add = public(arithmetic.add)
sub = public(arithmetic.sub)
mul = public(arithmetic.mul)
div = public(arithmetic.div)
neg = public(arithmetic.neg)
broadcast_to = public(arithmetic.broadcast_to)
sum_to = public(arithmetic.sum_to)
cast = public(arithmetic.cast)
copy = public(arithmetic.copy)

pow = public(elementwise.pow)
exp = public(elementwise.exp)
log = public(elementwise.log)
log1p = public(elementwise.log1p)
expm1 = public(elementwise.expm1)
sqrt = public(elementwise.sqrt)
abs = public(elementwise.abs)
sign = public(elementwise.sign)
sin = public(elementwise.sin)
cos = public(elementwise.cos)
tan = public(elementwise.tan)
arcsin = public(elementwise.arcsin)
arccos = public(elementwise.arccos)
arctan = public(elementwise.arctan)
sinh = public(elementwise.sinh)
cosh = public(elementwise.cosh)
tanh = public(elementwise.tanh)
arcsinh = public(elementwise.arcsinh)
arccosh = public(elementwise.arccosh)
arctanh = public(elementwise.arctanh)
clip = public(elementwise.clip)
minimum = public(elementwise.minimum)
maximum = public(elementwise.maximum)
where = public(elementwise.where)

relu = public(activations.relu)
leaky_relu = public(activations.leaky_relu)
elu = public(activations.elu)
gelu = public(activations.gelu)
silu = public(activations.silu)
softplus = public(activations.softplus)
sigmoid = public(activations.sigmoid)
softmax = public(activations.softmax)
log_softmax = public(activations.log_softmax)

reshape = public(shape.reshape)
transpose = public(shape.transpose)
swapaxes = public(shape.swapaxes)
flatten = public(shape.flatten)
squeeze = public(shape.squeeze)
expand_dims = public(shape.expand_dims)
concat = public(shape.concat)
stack = public(shape.stack)
split = public_list(shape.split)
flip = public(shape.flip)

pad = public(padding.pad)
repeat = public(padding.repeat)

get_item = public(indexing.get_item)
take_along_axis = public(indexing.take_along_axis)

sum = public(reductions.sum)
mean = public(reductions.mean)
var = public(reductions.var)
std = public(reductions.std)
max = public(reductions.max)
min = public(reductions.min)
argmax = public(reductions.argmax)
prod = public(reductions.prod)
cumsum = public(reductions.cumsum)
logsumexp = public(reductions.logsumexp)
norm = public(reductions.norm)

matmul = public(products.matmul)
linear = public(products.linear)
einsum = public(products.einsum)
outer = public(products.outer)

mean_squared_error = public(losses.mean_squared_error)
huber = public(losses.huber)
softmax_cross_entropy = public(losses.softmax_cross_entropy)
sigmoid_cross_entropy = public(losses.sigmoid_cross_entropy)
binary_cross_entropy = public(losses.binary_cross_entropy)
kl = public(losses.kl)
accuracy = public(losses.accuracy)

dropout = public(regularisation.dropout)
batch_norm = public(regularisation.batch_norm)
layer_norm = public(regularisation.layer_norm)
embed_id = public(regularisation.embed_id)

normal = public(chance.normal)
uniform = public(chance.uniform)
categorical = public(chance.categorical)
bernoulli = public(chance.bernoulli)

im2col = public(windows.im2col)
col2im = public(windows.col2im)
pooling = public(windows.pooling)
average_pooling = public(windows.average_pooling)

conv2d = public(convolution.conv2d)
deconv2d = public(convolution.deconv2d)

rnn = public(recurrent.rnn)
gru = public(recurrent.gru)
lstm = public_pair(recurrent.lstm)

__all__ = sorted(FUNCTIONS)


def __dir__() -> list[str]:
    return __all__


variable.use_functions(sys.modules[__name__])  # operators and methods of Variables mean these
