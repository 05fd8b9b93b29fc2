"""Activation functions of recurrent cells, read off the operations that compute them.

An activation is an expression of one value, ARGUMENT: a nested tuple (operation, operand, …) of OpenVINO's names of
operations and of numbers. Keras' hard sigmoid, for one, is clip(0.2 · x + 0.5, 0, 1):

    ("maximum", ("minimum", ("add", ("multiply", "x", 0.2), 0.5), 1.0), 0.0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Union

from deepspeech_recipe.errors import NoMatch
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor

Expression = Union[str, float, tuple]  # Python 3.8 has no other form

ARGUMENT = "x"
SIGMOID, TANH = ("sigmoid", ARGUMENT), ("tanh", ARGUMENT)

_OPERATIONS = {
    **{"Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu", "Softplus": "softplus", "Softsign": "softsign"},
    **{"Exp": "exp", "Abs": "abs", "Neg": "negative", "Erf": "erf", "Elu": "elu"},
    **dict.fromkeys(("Add", "AddV2"), "add"),
    **dict.fromkeys(("RealDiv", "Div"), "divide"),
    **{"Sub": "subtract", "Mul": "multiply", "Minimum": "minimum", "Maximum": "maximum"},
}
# Of tensorflow/core/kernels/relu_op_functor.h, in float32.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
_LARGEST = 32  # operations of one expression, each as often as it is read


class Reader:
    """Reads the expression of a tensor down to the argument, a tensor for which `is_argument` holds.

    argument: that tensor, once it was read.
    """

    def __init__(self, view: GraphView, is_argument: Callable[[Tensor], bool]):
        self._view, self._is_argument = view, is_argument
        self._left = _LARGEST
        self.argument: Tensor | None = None

    def read(self, tensor: Tensor) -> Expression:
        """Raises NoMatch if the tensor is computed from anything but one argument and single numbers."""
        source = self._view.source(tensor)
        self._left -= 1
        if self._left < 0:
            raise NoMatch(f"An activation of more than {_LARGEST} operations", node=source.node)
        if self._is_argument(source):
            if self.argument not in (None, source):
                raise NoMatch("An activation of two values", node=source.node)
            self.argument = source
            return ARGUMENT
        node = self._view.producer(source)
        if (number := self._view.scalar(source)) is not None:
            return float(number)
        if node is None or not _is_known(node):
            raise _unknown(self._view, source)
        return self._operation(node)

    def _operation(self, node: Node) -> Expression:
        operands = [self.read(tensor) for tensor in node.inputs]
        if node.op in _OPERATIONS:
            return (_OPERATIONS[node.op], *operands)
        return _COMPOSED[node.op](node, *operands)


def _is_known(node: Node) -> bool:
    return node.op in _OPERATIONS or node.op in _COMPOSED


def _unknown(view: GraphView, source: Tensor) -> NoMatch:
    return NoMatch(f"An activation of the cell computes with {view.described(source)}", node=source.node)


def behind_functions(view: GraphView, tensor: Tensor) -> Tensor:
    """The argument of functions of one value. Raises NoMatch if one of them is not known."""
    source = view.source(tensor)
    for _ in range(_LARGEST):
        node = view.producer(source)
        if node is None or len(node.inputs) != 1:
            break
        if not _is_known(node):
            raise _unknown(view, source)
        source = view.source(node.inputs[0])
    return source


def _leaky(node: Node, x: Expression) -> Expression:
    return ("add", ("relu", x), ("multiply", ("minimum", x, 0.0), float(node.attribute("alpha", 0.2))))


_COMPOSED: dict[str, Callable[..., Expression]] = {
    "Relu6": lambda node, x: ("minimum", ("relu", x), 6.0),
    "Selu": lambda node, x: (
        "multiply",
        ("add", ("relu", x), ("multiply", ("elu", ("minimum", x, 0.0)), _SELU_ALPHA)),
        _SELU_SCALE,
    ),
    "Square": lambda node, x: ("multiply", x, x),
    "LeakyRelu": _leaky,
    "ClipByValue": lambda node, x, low, high: ("maximum", ("minimum", x, high), low),
}


def described(expression: Expression) -> str:
    """'sigmoid', 'tanh' and the like; 'linear' for the argument itself; else the formula."""
    if expression == ARGUMENT:
        return "linear"
    if isinstance(expression, tuple):
        return str(expression[0]) if expression[1:] == (ARGUMENT,) else formula(expression)
    return f"{expression:g}" if isinstance(expression, float) else expression


def formula(expression: Expression) -> str:
    """'maximum(minimum(add(multiply(x, 0.2), 0.5), 1), 0)'"""
    if isinstance(expression, tuple):
        return f"{expression[0]}({', '.join(map(formula, expression[1:]))})"
    return f"{expression:g}" if isinstance(expression, float) else expression
