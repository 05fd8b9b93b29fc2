"""The rules by which code is edited: (finder, node, parent) → what is replaced, and by which text."""

from __future__ import annotations

import ast
import re
from typing import Protocol

_CHECKS = re.compile(r"_?(check|ensure|require|refuse|validate|assert)")
_COPIES = {"copy", "deepcopy", "array", "list", "dict", "set", "ascontiguousarray"}
_ALONG_AXES = {
    "concatenate",
    "stack",
    "split",
    "expand_dims",
    "squeeze",
    "unsqueeze",
    "concat",
    "gather",
    "moveaxis",
    "sum",
}
_WITH_DEFAULT = {"get", "attribute", "getattr", "pop", "next"}
_NOT_EXCHANGED = {"isinstance", "issubclass", "getattr", "hasattr", "setattr", "zip", "super", "cast"}
_SMALLER = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_OTHER_WAY = (ast.Sub, ast.Div, ast.FloorDiv, ast.MatMult, ast.Mod)


class Finder(Protocol):
    """Of one file."""

    def text(self, node: ast.AST) -> str:
        """The source of a node."""


def _off_by_one(finder: Finder, node: ast.AST, parent: ast.AST):
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _SMALLER:
        sign = _SMALLER[type(node.ops[0])]
        yield node, f"({finder.text(node.left)}) {sign} ({finder.text(node.comparators[0])})"
    if not (isinstance(node, ast.Constant) and type(node.value) is int):
        return
    counts = isinstance(parent, (ast.Compare, ast.Subscript, ast.Slice))
    counts |= isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Add, ast.Sub, ast.FloorDiv))
    counts |= isinstance(parent, ast.Call) and _name(parent.func) in ("range", "max", "min", "enumerate")
    if counts:
        yield node, str(node.value + 1)


def _exchanged_operands(finder: Finder, node: ast.AST, parent: ast.AST):
    if isinstance(node, ast.BinOp) and isinstance(node.op, _OTHER_WAY) and not _is_text(node.left, node.right):
        sign = {ast.Sub: "-", ast.Div: "/", ast.FloorDiv: "//", ast.MatMult: "@", ast.Mod: "%"}[type(node.op)]
        yield node, f"({finder.text(node.right)}) {sign} ({finder.text(node.left)})"
    if isinstance(node, ast.Call) and len(node.args) > 1 and _name(node.func) not in _NOT_EXCHANGED:
        first, second = node.args[:2]
        if not any(
            isinstance(each, (ast.Starred, ast.Lambda, ast.Constant, ast.JoinedStr)) for each in (first, second)
        ):
            yield _Span(first, second), f"{finder.text(second)}, {finder.text(first)}"
    if isinstance(node, ast.Tuple) and len(node.elts) > 1 and isinstance(parent, (ast.Assign, ast.Return, ast.For)):
        first, second = node.elts[:2]
        if not any(isinstance(each, (ast.Starred, ast.Constant)) or _is_unused(each) for each in (first, second)):
            yield _Span(first, second), f"{finder.text(second)}, {finder.text(first)}"


def _dropped_check(finder: Finder, node: ast.AST, parent: ast.AST):
    if _only_raises(node):
        yield node.test, "False"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _CHECKS.match(_name(node.value.func)):
        yield node, "None"
    if isinstance(node, ast.BoolOp):
        yield node, _joined(finder, node.values[:-1], node.op)


def _inverted_condition(finder: Finder, node: ast.AST, parent: ast.AST):
    if isinstance(node, (ast.If, ast.IfExp, ast.While)) and not _only_raises(node):
        yield node.test, f"(not ({finder.text(node.test)}))"
    if isinstance(node, ast.comprehension):
        for test in node.ifs:
            yield test, f"(not ({finder.text(test)}))"
    if isinstance(node, ast.BoolOp):
        yield node, _joined(finder, node.values, ast.Or() if isinstance(node.op, ast.And) else ast.And())


def _default(finder: Finder, node: ast.AST, parent: ast.AST):
    defaults = []
    if isinstance(node, ast.arguments):
        defaults = [each for each in [*node.defaults, *node.kw_defaults] if each is not None]
    elif isinstance(node, ast.Call) and _name(node.func) in _WITH_DEFAULT and len(node.args) > 1:
        defaults = node.args[-1:]
    elif isinstance(node, ast.AnnAssign) and isinstance(parent, ast.ClassDef) and node.value is not None:
        defaults = [node.value]
    for each in defaults:
        other = _other(each)
        if other:
            yield each, other


def _axis(finder: Finder, node: ast.AST, parent: ast.AST):
    if isinstance(node, ast.keyword) and node.arg in ("axis", "axes", "keepdims", "perm"):
        other = _other_axis(node.value)
        if other:
            yield node.value, other
    if isinstance(node, ast.Call):
        name = _name(node.func)
        for each in node.args[1:] if name in _ALONG_AXES else node.args if name == "transpose" else []:
            other = _other_axis(each)
            if other:
                yield each, other


def _tolerance(finder: Finder, node: ast.AST, parent: ast.AST):
    if isinstance(node, ast.Constant) and type(node.value) is float and 0 < abs(node.value) < 1:
        yield node, repr(node.value * 100)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
        value = node.value
        if isinstance(value, ast.Constant) and type(value.value) in (int, float) and abs(value.value) >= 1:
            yield value, repr(value.value * 100)


def _missing_copy(finder: Finder, node: ast.AST, parent: ast.AST):
    if not isinstance(node, ast.Call) or node.keywords or _name(node.func) not in _COPIES:
        return
    if isinstance(node.func, ast.Attribute) and not node.args:
        yield node, finder.text(node.func.value)
    elif len(node.args) == 1 and not isinstance(node.args[0], (ast.Starred, ast.GeneratorExp)):
        yield node, finder.text(node.args[0])


def _swallowed_error(finder: Finder, node: ast.AST, parent: ast.AST):
    if isinstance(node, ast.Raise) and not _only_raises(parent):
        yield node, "pass"


RULES = (
    *(_off_by_one, _exchanged_operands, _dropped_check, _inverted_condition, _default),
    *(_axis, _tolerance, _missing_copy, _swallowed_error),
)


class _Span:
    """From one node to another."""

    def __init__(self, first, last):
        self.lineno, self.col_offset = first.lineno, first.col_offset
        self.end_lineno, self.end_col_offset = last.end_lineno, last.end_col_offset


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _joined(finder: Finder, values: list[ast.expr], op: ast.boolop) -> str:
    sign = " and " if isinstance(op, ast.And) else " or "
    return "(" + sign.join(f"({finder.text(value)})" for value in values) + ")"


def _is_unused(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "_"


def _is_text(*nodes: ast.expr) -> bool:
    return any(isinstance(each, ast.JoinedStr) or isinstance(getattr(each, "value", None), str) for each in nodes)


def _only_raises(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Raise)


def _number(node: ast.expr) -> int | None:
    """Of `1`, `-1`, `np.int64(1)` and `np.int64([1])`."""
    if isinstance(node, ast.Call) and _name(node.func) in ("int64", "int32") and node.args:
        return _number(node.args[0])
    if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) == 1:
        return _number(node.elts[0])
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return value if type(value) is int else None


def _other_axis(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        return repr(not node.value)
    number = _number(node)
    if number is not None:
        other = {0: "1", 1: "0", -1: "0"}.get(number, str(number - 1))
        wrapped = ast.unparse(node)
        return re.sub(r"-?\b\d+(?=[\])]*$)", other, wrapped)
    if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) > 1:
        texts = [ast.unparse(each) for each in node.elts]
        inside = ", ".join([texts[1], texts[0], *texts[2:]])
        return f"[{inside}]" if isinstance(node, ast.List) else f"({inside})"
    if isinstance(node, ast.Call) and _name(node.func) in ("int64", "int32") and node.args:
        return f"{ast.unparse(node.func)}({_other_axis(node.args[0])})" if _other_axis(node.args[0]) else ""
    return ""


def _other(node: ast.expr) -> str:
    """Another value of a default; '' for what has none."""
    if not isinstance(node, ast.Constant):
        return ""
    value = node.value
    if isinstance(value, bool):
        return repr(not value)
    if isinstance(value, (int, float)):
        return repr(value + 1)
    return repr(f"other {value}") if isinstance(value, str) else ""
