"""The two functions of gates, tanh and sigmoid: what recurrence over time spends its time on between its products.

In float32 tanh(x) is 2 t / (1 + t**2) for t = tanh(x / 2), and t the quotient of two polynomials: half as many
operations as an exponential takes, and an error of t counts the less the nearer t is to 1. It errs by at most 4 units
in the last place (3.99 over all float32 from 1/8 on, less below), is never beyond 1, and is 1 from 9.16 on. In float64
it is that of `elementary`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cartwheel.kernels import elementary
from cartwheel.kernels.compile import compiled
from cartwheel.kernels.floats import like, typed


def _tanh_single(x: Any) -> Any:
    most, one, two, four = np.float32(9.16), np.float32(1.0), np.float32(2.0), np.float32(4.0)
    a = abs(np.float32(x))
    a = most if a > most else a
    z = a * a
    # t = n / d, n = a (1 + a1 z + a2 z**2 + a3 z**3), d = 2 + b1 z + b2 z**2: fitted so that the relative error of
    # tanh, not that of t, is the same everywhere, 1.5e-8 before rounding
    a1, a2, a3 = np.float32(0.028350628912448883), np.float32(7.669780461583287e-05), np.float32(-6.896994619864927e-08)
    b1, b2 = np.float32(0.22336779534816742), np.float32(0.0021008490584790707)
    n = a + (a * z) * (a1 + z * (a2 + z * a3))
    more = z * (b1 + z * b2)  # d = 2 + more
    product = n * (two + more)
    y = (product + product) / (four + (more * (four + more) + n * n))  # 2 n d / (d**2 + n**2)
    return np.copysign(one if y > one else y, np.float32(x))


def _tanh_double(x: Any) -> Any:
    return elementary.tanh(x)


#: tanh(x)
gate_tanh = typed(_tanh_single, _tanh_double)


@compiled()
def to_tanh(a: Any) -> None:
    """a = tanh(a)."""
    for i in range(len(a)):
        a[i] = gate_tanh(a[i])


@compiled()
def to_sigmoid(a: Any) -> None:
    """a = sigmoid(a), as (1 + tanh(a / 2)) / 2: to some units in the last place of 1, and 0 at -infinity."""
    for i in range(len(a)):
        half = like(a[i], 0.5)
        a[i] = half * gate_tanh(half * a[i]) + half
