"""The optimizers: each is its settings, the vectors it remembers, and its rule.

A rule is a pure function of the vector theta, its gradient g, the state and the settings, written with operators and
functions that take arrays and Variables alike. Powers, roots and products are element by element; t is the number of
the update, from 1. All of them are used as in

    optimizer = Adam(alpha=0.01).setup(model)
    for x, t in loader:
        loss = F.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cartwheel.nn.functions.elementwise import sqrt
from cartwheel.nn.optimizers.base import Optimizer
from cartwheel.nn.optimizers.settings import Fraction, Rate, Setting, at

State = Mapping[str, Any]


class SGD(Optimizer):
    """Gradient descent: theta <- theta - lr g.

    `SGD(lr=0.1).setup(model).update()`; `SGD(CosineRate(0.1, 0.0, 1000))` for a rate that falls.
    """

    lr = Rate()

    def __init__(self, lr: Any = 0.01) -> None:
        super().__init__(lr=lr)

    @staticmethod
    def rule(theta: Any, grad: Any, state: State, settings: State) -> tuple[Any, dict[str, Any]]:
        """Theta - lr g."""
        return theta - settings["lr"] * grad, {"step": state["step"] + 1}


class Momentum(Optimizer):
    """Gradient descent with momentum: v <- momentum v - lr g; theta <- theta + v (Polyak 1964).

    The rate is inside v, as in Sutskever et al. 2013, and as in DeZero; PyTorch has it outside, which is the same as
    long as the rate does not change. `Momentum(lr=0.01, momentum=0.9).setup(model).update()`.
    """

    lr = Rate()
    momentum = Fraction()
    memory = ("v",)

    def __init__(self, lr: Any = 0.01, momentum: float = 0.9) -> None:
        super().__init__(lr=lr, momentum=momentum)

    @staticmethod
    def rule(theta: Any, grad: Any, state: State, settings: State) -> tuple[Any, dict[str, Any]]:
        """V <- momentum v - lr g; theta + v."""
        v = settings["momentum"] * state["v"] - settings["lr"] * grad
        return theta + v, {"step": state["step"] + 1, "v": v}


MomentumSGD = Momentum  # DeZero's name


class Nesterov(Optimizer):
    """Nesterov's momentum: v <- momentum v + g; theta <- theta - lr (g + momentum v).

    The form of PyTorch's SGD with nesterov=True: the gradient is taken where theta is, and theta is one step of
    momentum ahead of Nesterov's (Sutskever et al. 2013, rewritten). `Nesterov(lr=0.01).setup(model).update()`.
    """

    lr = Rate()
    momentum = Fraction()
    memory = ("v",)

    def __init__(self, lr: Any = 0.01, momentum: float = 0.9) -> None:
        super().__init__(lr=lr, momentum=momentum)

    @staticmethod
    def rule(theta: Any, grad: Any, state: State, settings: State) -> tuple[Any, dict[str, Any]]:
        """V <- momentum v + g; theta - lr (g + momentum v)."""
        momentum = settings["momentum"]
        v = momentum * state["v"] + grad
        return theta - settings["lr"] * (grad + momentum * v), {"step": state["step"] + 1, "v": v}


class AdaGrad(Optimizer):
    """AdaGrad: h <- h + g^2; theta <- theta - lr g / (sqrt(h) + eps) (Duchi et al. 2011, figure 1, diagonal form).

    `AdaGrad(lr=0.01).setup(model).update()`.
    """

    lr = Rate()
    eps = Setting()
    memory = ("h",)

    def __init__(self, lr: Any = 0.001, eps: float = 1e-8) -> None:
        super().__init__(lr=lr, eps=eps)

    @staticmethod
    def rule(theta: Any, grad: Any, state: State, settings: State) -> tuple[Any, dict[str, Any]]:
        """H <- h + g^2; theta - lr g / (sqrt(h) + eps)."""
        h = state["h"] + grad * grad
        return theta - settings["lr"] * grad / (sqrt(h) + settings["eps"]), {"step": state["step"] + 1, "h": h}


class AdaDelta(Optimizer):
    """AdaDelta, which has no rate (Zeiler 2012, algorithm 1): with E the averages of the squares,

    E[g^2] <- rho E[g^2] + (1 - rho) g^2
    dx = sqrt((E[dx^2] + eps) / (E[g^2] + eps)) g
    E[dx^2] <- rho E[dx^2] + (1 - rho) dx^2
    theta <- theta - dx

    `AdaDelta().setup(model).update()`. The state has the averages as `msg` and `msdx`.
    """

    rho = Fraction()
    eps = Setting()
    memory = ("msg", "msdx")

    def __init__(self, rho: float = 0.95, eps: float = 1e-6) -> None:
        super().__init__(rho=rho, eps=eps)

    @staticmethod
    def rule(theta: Any, grad: Any, state: State, settings: State) -> tuple[Any, dict[str, Any]]:
        """The four lines of the paper's algorithm."""
        rho, eps = settings["rho"], settings["eps"]
        msg = rho * state["msg"] + (1.0 - rho) * grad * grad
        dx = sqrt((state["msdx"] + eps) / (msg + eps)) * grad
        msdx = rho * state["msdx"] + (1.0 - rho) * dx * dx
        return theta - dx, {"step": state["step"] + 1, "msg": msg, "msdx": msdx}


class RMSprop(Optimizer):
    """RMSprop: h <- rho h + (1 - rho) g^2; theta <- theta - lr g / (sqrt(h) + eps) (Hinton's lecture 6e, 2012).

    eps is outside the root, as in PyTorch, whose name for rho is alpha. `RMSprop(lr=0.01).setup(model).update()`.
    """

    lr = Rate()
    rho = Fraction()
    eps = Setting()
    memory = ("h",)

    def __init__(self, lr: Any = 0.01, rho: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__(lr=lr, rho=rho, eps=eps)

    @staticmethod
    def rule(theta: Any, grad: Any, state: State, settings: State) -> tuple[Any, dict[str, Any]]:
        """H <- rho h + (1 - rho) g^2; theta - lr g / (sqrt(h) + eps)."""
        rho = settings["rho"]
        h = rho * state["h"] + (1.0 - rho) * grad * grad
        return theta - settings["lr"] * grad / (sqrt(h) + settings["eps"]), {"step": state["step"] + 1, "h": h}


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), in the form at the end of its section 2, which DeZero and Chainer use as well:

    m <- m + (1 - beta1) (g - m)
    v <- v + (1 - beta2) (g^2 - v)
    theta <- theta - alpha sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps)

    PyTorch and `AdamW` use algorithm 1, with eps added to the corrected root: here it counts 1 / sqrt(1 - beta2^t)
    times as much. `Adam(alpha=0.01).setup(model).update()`.
    """

    alpha = Rate()
    beta1 = Fraction()
    beta2 = Fraction()
    eps = Setting()
    memory = ("m", "v")

    def __init__(self, alpha: Any = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps)

    @property
    def t(self) -> int:
        """The number of the last update: `step`."""
        return self.step

    @property
    def lr(self) -> float:
        """The rate of the last update, with the corrections; that of the first before it."""
        step = max(self.step - 1, 0)
        return float(_corrected(step + 1, at(self.settings, step, type(self).__name__)))

    @staticmethod
    def rule(theta: Any, grad: Any, state: State, settings: State) -> tuple[Any, dict[str, Any]]:
        """The averages m and v, and the step along their quotient."""
        t = state["step"] + 1
        m = state["m"] + (1.0 - settings["beta1"]) * (grad - state["m"])
        v = state["v"] + (1.0 - settings["beta2"]) * (grad * grad - state["v"])
        new = theta - _corrected(t, settings) * m / (sqrt(v) + settings["eps"])
        return new, {"step": t, "m": m, "v": v}


def _corrected(t: Any, settings: State) -> Any:
    """Alpha sqrt(1 - beta2^t) / (1 - beta1^t)."""
    return settings["alpha"] * (1.0 - settings["beta2"] ** t) ** 0.5 / (1.0 - settings["beta1"] ** t)


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), in PyTorch's form:

    theta <- theta - alpha weight_decay theta
    m <- m + (1 - beta1) (g - m)
    v <- v + (1 - beta2) (g^2 - v)
    theta <- theta - alpha / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    With weight_decay 0 it is Kingma and Ba's algorithm 1. `AdamW(alpha=0.01, weight_decay=0.1).setup(model).update()`.
    """

    alpha = Rate()
    beta1 = Fraction()
    beta2 = Fraction()
    eps = Setting()
    weight_decay = Rate()
    memory = ("m", "v")

    def __init__(
        self,
        alpha: Any = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: Any = 0.01,
    ) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)

    @staticmethod
    def rule(theta: Any, grad: Any, state: State, settings: State) -> tuple[Any, dict[str, Any]]:
        """The decay, the averages m and v, and the step along their quotient."""
        t, alpha = state["step"] + 1, settings["alpha"]
        m = state["m"] + (1.0 - settings["beta1"]) * (grad - state["m"])
        v = state["v"] + (1.0 - settings["beta2"]) * (grad * grad - state["v"])
        kept = (1.0 - alpha * settings["weight_decay"]) * theta
        root = sqrt(v) / (1.0 - settings["beta2"] ** t) ** 0.5 + settings["eps"]
        return kept - alpha / (1.0 - settings["beta1"] ** t) * m / root, {"step": t, "m": m, "v": v}
