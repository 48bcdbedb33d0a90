"""The opcodes of recorded programs: importing this package fills the table."""

from cartwheel.kernels.opcodes import activation as activation
from cartwheel.kernels.opcodes import chance as chance
from cartwheel.kernels.opcodes import choices as choices
from cartwheel.kernels.opcodes import elementwise as elementwise
from cartwheel.kernels.opcodes import graph as graph
from cartwheel.kernels.opcodes import gru as gru
from cartwheel.kernels.opcodes import losses as losses
from cartwheel.kernels.opcodes import lstm as lstm
from cartwheel.kernels.opcodes import mathematics as mathematics
from cartwheel.kernels.opcodes import moves as moves
from cartwheel.kernels.opcodes import normalisation as normalisation
from cartwheel.kernels.opcodes import optimization as optimization
from cartwheel.kernels.opcodes import products as products
from cartwheel.kernels.opcodes import recurrence as recurrence
from cartwheel.kernels.opcodes import reductions as reductions
from cartwheel.kernels.opcodes import softmax as softmax
from cartwheel.kernels.opcodes.registry import OPCODES, ROW, Opcode, Span, interpreter, target

__all__ = ["OPCODES", "ROW", "Opcode", "Span", "interpreter", "target"]
