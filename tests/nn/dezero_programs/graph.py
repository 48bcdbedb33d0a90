"""The graph of a computation as Graphviz text: variables and functions, each once, and what leads where."""

import tempfile

import dezero.functions as F
import numpy as np
from dezero import Variable
from dezero.models import MLP
from dezero.utils import get_dot_graph, plot_dot_graph


def counted(text):
    lines = set(text.splitlines())
    arrows = [line for line in lines if "->" in line]
    boxes = [line for line in lines if "shape=box" in line]
    ovals = [line for line in lines if "label=" in line and "shape=box" not in line]
    return [len(arrows), len(boxes), len(ovals), text.startswith("digraph g {"), text.rstrip().endswith("}")]


results = {}

x0, x1 = Variable(np.array(1.0), name="x0"), Variable(np.array(1.0), name="x1")
y = x0 + x1 * x0
y.name = "y"
results["small"] = counted(get_dot_graph(y, verbose=False))
results["names"] = [name in get_dot_graph(y) for name in ("x0", "x1", "float64")]

x = Variable(np.array(1.0))
y = F.tanh(x)
y.backward(create_graph=True)
for _ in range(2):
    slope = x.grad
    x.cleargrad()
    slope.backward(create_graph=True)
results["third derivative of tanh"] = x.grad.data

model = MLP((4, 1))
y = model(np.ones((2, 3)))
results["model"] = counted(get_dot_graph(y))[3:]
with tempfile.TemporaryDirectory() as folder:  # drawn where Graphviz is installed
    plot_dot_graph(y, verbose=True, to_file=f"{folder}/graph.png")
    model.plot(np.ones((2, 3)), to_file=f"{folder}/model.png")
