"""What a graph must be before anything looks at it. Every later step relies on it, and asks no more.

Names and references, the inputs and attributes of the operations in `ops`, what constants hold, no circle but that of
a loop. The messages may be this project's or TensorFlow's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from deepspeech_recipe import limits
from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.graphdef.check_functions import check_calls, check_signatures
from deepspeech_recipe.graphdef.node import Function, Tensor, functions_of
from deepspeech_recipe.graphdef.ops import OPS
from deepspeech_recipe.graphdef.tensor import excess_bytes

_BACK, _MERGES = ("NextIteration", "RefNextIteration"), ("Merge", "RefMerge")


def check_graph(graph, path) -> None:
    """Raises RecipeError, naming the file `path`, if a GraphDef's messages do not form a graph that could run, as those
    that were parsed from random bytes."""
    if not graph.node:
        raise RecipeError(f"{path}: holds no graph node; it is not a frozen graph.")
    try:
        functions = functions_of(graph.library)
        if len(functions) < len(graph.library.function):
            raise RecipeError("two functions have one name; the file is damaged.")
        check_nodes(graph.node, functions)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None


def check_nodes(nodes: Collection, functions: Mapping[str, Function] = {}) -> None:
    """Raises RecipeError if NodeDefs and the functions that they may call do not form a graph that could run."""
    total = len(nodes) + sum(len(function.nodes) for function in functions.values())
    limits.check(f"the graph has {total} nodes", total, limits.NODES)
    excess = _Part(nodes).check()
    check_signatures(nodes, functions)
    for name, function in functions.items():
        try:
            excess += _Part(function.nodes, function).check()
            check_signatures(function.nodes, functions)
        except RecipeError as error:
            raise RecipeError(f"function '{name}': {error}") from None
    limits.check(f"constants that are written as one repeated value take {excess} bytes", excess, limits.EXPANDED)
    check_calls(functions)


class _Part:
    """A graph, or the body of a function, whose nodes read its arguments too, and name outputs as 'node:output:0'."""

    def __init__(self, nodes: Iterable, function: Function | None = None):
        self.function = function
        self.nodes: dict = {}
        for node in nodes:
            if not node.name or not node.op:
                raise RecipeError("holds a node without a name or an operation; it is not a frozen graph.")
            if ":" in node.name or node.name.startswith("^"):
                raise RecipeError(f"node '{node.name}' has a name that no other node could read; the file is damaged.")
            if node.name in self.nodes:
                raise RecipeError(f"two nodes have the name '{node.name}'; the file is damaged.")
            self.nodes[node.name] = node

    def check(self) -> int:
        """The bytes that its constants take beyond what is stored of them (`tensor.excess_bytes`)."""
        excess = 0
        sources: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            references = node.input
            sources[name] = [source for text in references if (source := self._read(node, text))]
            if node.op in OPS:
                _check_operation(node, sum(not text.startswith("^") for text in references))
            if node.op == "Const":
                excess += _excess(node)
        for result in self.function.results if self.function else ():
            self._tensor(result, "it returns")
        self._check_circles(sources)
        return excess

    def _read(self, node, text: str) -> str | None:
        """The node that another one reads, None for a function's argument."""
        where = f"node '{node.name}' reads"
        if text.startswith("^"):
            name = text[1:]
            if name not in self.nodes and not self._is_argument(name):
                raise RecipeError(f"{where} '{text}', which does not exist; the file is damaged.")
        else:
            name = self._tensor(text, where)
        return name if name in self.nodes else None

    def _is_argument(self, name: str) -> bool:
        return self.function is not None and name in self.function.arguments

    def _tensor(self, text: str, where: str) -> str:
        """The name of the node that makes a tensor, which has such an output."""
        if self.function is None:
            name, port = Tensor.parse(text)
        elif self._is_argument(text):
            return ""
        else:
            name, _, output = text.partition(":")
            port = Tensor.parse(f":{output.rpartition(':')[2]}").port
        if name not in self.nodes:
            raise RecipeError(f"{where} '{text}', which does not exist; the file is damaged.")
        node = self.nodes[name]
        if node.op in OPS:
            outputs = OPS[node.op].outputs
            most = outputs.most_of(node)
            if self.function is not None and not outputs.attribute:
                most = min(most, 1)  # each output has a name of its own there
            if port >= most:
                raise RecipeError(
                    f"{where} '{text}', but '{name}' ({node.op}) has {most} outputs; the file is damaged."
                )
        return name

    def _check_circles(self, sources: dict[str, list[str]]) -> None:
        """A circle goes through the NextIteration and Merge of a loop, or it can never begin."""
        waits: dict[str, int] = {}
        readers: dict[str, list[str]] = {}
        for name, read in sources.items():
            if self.nodes[name].op in _MERGES:
                read = [source for source in read if self.nodes[source].op not in _BACK]
            waits[name] = len(read)
            for source in read:
                readers.setdefault(source, []).append(name)
        ready = [name for name, count in waits.items() if not count]
        for name in ready:
            del waits[name]
            for reader in readers.get(name, ()):
                waits[reader] -= 1
                if not waits[reader]:
                    ready.append(reader)
        if waits:
            name, seen = next(iter(waits)), set()
            while name not in seen:  # backwards, one comes into the circle
                seen.add(name)
                name = next(source for source in sources[name] if source in waits)
            raise RecipeError(f"node '{name}' waits for its own output, outside of any loop; the file is damaged.")


def _check_operation(node, inputs: int) -> None:
    op = OPS[node.op]
    for name in op.required:
        if name not in node.attr or node.attr[name].WhichOneof("value") is None:
            raise RecipeError(f"node '{node.name}' ({node.op}) has no attribute '{name}'; the file is damaged.")
    for name, value in node.attr.items():
        wanted, kind = op.attributes.get(name), value.WhichOneof("value")
        # A function's attributes may stand for its caller's.
        if wanted is None or kind in (None, "placeholder"):
            continue
        wanted, _, of = wanted.rstrip(")").partition("(")
        if kind != wanted or (of and any(field.name != of for field, _ in value.list.ListFields())):
            raise RecipeError(
                f"node '{node.name}' ({node.op}) has an attribute '{name}' of another kind than {wanted}; "
                "the file is damaged."
            )
    least, most = op.inputs.least_of(node), op.inputs.most_of(node)
    if not least <= inputs <= most:
        wanted = f"{least}" if least == most else f"at least {least}" if most > inputs else f"at most {most}"
        raise RecipeError(
            f"node '{node.name}' ({node.op}) has {inputs} inputs instead of {wanted}; the file is damaged."
        )


def _excess(node) -> int:
    tensor = node.attr["value"].tensor
    try:
        if "dtype" in node.attr and node.attr["dtype"].type not in (0, tensor.dtype):
            raise RecipeError("A constant is of another type than its node says; the file is damaged.")
        return excess_bytes(tensor)
    except RecipeError as error:
        raise RecipeError(f"node '{node.name}': {error}") from None
