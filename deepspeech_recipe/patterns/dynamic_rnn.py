"""LSTM layers that run in a loop: what `dynamic_rnn` writes (tensorflow/python/ops/rnn.py), in either kind of loop.

time = 0; while time < min(T, max(1, max(lengths))):
    x_t = sequence[time]                          TensorArrayRead of a Scatter, or TensorListGetItem
    for each layer: c', h' = cell(x_t, c, h); x_t = h'
    output[time] = where(time >= lengths, 0, h')   TensorArrayWrite, gathered behind the loop, or TensorListSetItem
    c, h = where(time >= lengths, (c, h), (c', h'))
"""

from __future__ import annotations

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.view import GraphView, Node, Tensor
from deepspeech_recipe.patterns.last_state import find_last_states, is_range, range_limit, root
from deepspeech_recipe.patterns.lstm_cell import ADDITIONS, NOT_PLAIN, Cell, looks_like_cell, recognise_cell
from deepspeech_recipe.patterns.rnn import Layer, Rnn, is_length_of, is_zero
from deepspeech_recipe.patterns.while_loop import Loop, Variable, find_loops

_READS = {"TensorArrayReadV3": (1, 2), "TensorListGetItem": (1, 0)}  # op → inputs: index, what is read
_WRITES = {"TensorArrayWriteV3": (1, 2), "TensorListSetItem": (1, 2)}  # op → inputs: index, value


def find_rnns(view: GraphView) -> tuple[list[Rnn], list[Refusal]]:
    """The loops of LSTM cells, and the reasons why other loops are none."""
    found, refused = [], []
    for loop in find_loops(view):
        try:
            found.append(recognise_dynamic_rnn(view, loop))
        except Refusal as refusal:
            refused.append(refusal)
    return found, refused


def recognise_dynamic_rnn(view: GraphView, loop: Loop) -> Rnn:
    """Describes a loop whose body is LSTM cells. Raises Refusal, with the nearest miss, for any other loop."""
    return _Reader(view, loop).rnn()


class _Reader:
    """view: the graph outside of the loop, whose tensors have readers; loop.view: all of it."""

    def __init__(self, view: GraphView, loop: Loop):
        self.outside, self.loop, self.view = view, loop, loop.view
        self.lengths: set[Tensor] = set()
        self.stops: set[Tensor] = set()  # new values that only rows within their length get

    def rnn(self) -> Rnn:
        if self.loop.inner:
            raise self._refuse("it stands inside of another loop or of a condition")
        found = self._cells()
        x, chain = self._chain(found)
        written = {tensor: variable for variable in self.loop.variables if (tensor := self._written(variable))}
        self._check_others(chain, written)
        self._check_lengths(chain, written)
        steps = self._steps(x)
        layers = []
        for cell, c, h in chain:
            arrays = [variable for tensor, variable in written.items() if tensor == cell.new_h]
            stacked = tuple(tensor for variable in arrays for tensor in self._stacked(variable, x, steps))
            ends = [variable for variable in self.loop.variables if self._last_only(variable) == cell.new_h]
            last_h = self._final(h) + tuple(tensor for variable in ends for tensor in self._last_read(variable, h))
            layers.append(Layer(cell, c.initial, h.initial, self._final(c), last_h, stacked))
        lengths = next(iter(self.lengths), None)
        dead = [v.final.node for v in self.loop.variables if v.final and not self.outside.consumers(v.final)]
        return Rnn(self.loop.node, x, tuple(layers), lengths, steps, tuple(dead))

    def _refuse(self, reason: str, node: str = "") -> Refusal:
        return Refusal(f"The loop '{self.loop.node}' is no plain LSTM: {reason}", node=node, remedy=NOT_PLAIN)

    def _cells(self) -> list[tuple[Cell, Variable, Variable]]:
        """Each cell with its cell state's and its hidden state's variable."""
        after = {v: self._kept(v.next, v) for v in self.loop.variables}
        hidden = [v for v, new in after.items() if looks_like_cell(self.view, new)]
        if not hidden:
            raise self._no_cell(after)
        found = []
        for h in hidden:
            cell = recognise_cell(self.view, after[h], lambda tensor: self.loop.variable(tensor) is not None)
            c = self.loop.variable(cell.c)
            if self.loop.variable(cell.h) is not h or c is None or c is h or after[c] != cell.new_c:
                raise self._refuse("its cell does not read the states that it writes", cell.new_h.node)
            found.append((cell, c, h))
        return found

    def _no_cell(self, after: dict[Variable, Tensor]) -> Refusal:
        ends = [self.view.producer(new) for v, new in after.items() if not self._counts(v) and not self._written(v)]
        ends = [node for node in ends if node is not None]
        found = " and ".join(sorted({node.op for node in ends})) or "nothing"
        return self._refuse(
            f"a hidden state σ(o) · tanh(c) was looked for, its states end in {found}", ends[0].name if ends else ""
        )

    def _kept(self, tensor: Tensor, old: Variable | None) -> Tensor:
        """The new value of where(time >= lengths, old, new), or the tensor itself. old None: zeros."""
        source = self.view.source(tensor)
        node = self.view.producer(source)
        if node is None or node.op != "Select":  # SelectV2 would take a vector for columns
            return source
        lengths = self._past(node)
        if lengths is None:
            return source
        before = self.view.source(node.inputs[1])
        if old is not None and self.loop.variable(before) is not old:
            return source
        if old is None and not is_zero(self.view, before):
            return source
        self.lengths.add(lengths)
        self.stops.add(source)
        return self.view.source(node.inputs[2])

    def _past(self, select: Node) -> Tensor | None:
        """L of time >= L"""
        condition = self.view.source_node(select.inputs[0])
        if condition is None or condition.op not in ("GreaterEqual", "LessEqual"):
            return None
        time, lengths = condition.inputs[:: 1 if condition.op == "GreaterEqual" else -1]
        variable = self.loop.variable(time)
        if variable is None or not self._counts(variable) or self.loop.variable(lengths) is not None:
            return None
        return root(self.view, lengths)

    def _counts(self, variable: Variable) -> bool:
        """Whether the variable is 0, 1, 2, …"""
        node = self.view.source_node(variable.next)
        if self.view.scalar(variable.initial) != 0 or node is None or node.op not in ADDITIONS:
            return False
        return any(
            self.loop.variable(old) is variable and self.view.scalar(one) == 1
            for old, one in (node.inputs, node.inputs[::-1])
        )

    def _is_time(self, tensor: Tensor) -> bool:
        variable = self.loop.variable(tensor)
        return variable is not None and self._counts(variable)

    def _chain(self, found: list) -> tuple[Tensor, list]:
        """(the sequence outside of the loop, the cells in the order in which they read each other)."""
        outputs = {cell.new_h: entry for entry in found for cell in entry[:1]}
        first = [entry for entry in found if entry[0].x not in outputs]
        if len(first) != 1:
            for entry in first:
                self._sequence(entry[0].x)
            raise self._refuse(f"{len(first)} of its cells read the sequence", first[1][0].new_h.node if first else "")
        chain = [first[0]]
        while len(chain) < len(found):
            following = [entry for entry in found if entry[0].x == chain[-1][0].new_h]
            if len(following) != 1:
                raise self._refuse("its cells are no chain", chain[-1][0].new_h.node)
            chain += following
        return self._sequence(chain[0][0].x), chain

    def _sequence(self, x: Tensor) -> Tensor:
        """The tensor `[T, B, I]` whose step the tensor x is."""
        node = self.view.producer(x)
        if node is None or node.op not in _READS:
            raise self._refuse(f"its cell reads a {node.op if node else 'value'}, not a step of a sequence", x.node)
        index, read = (node.inputs[port] for port in _READS[node.op])
        source = self.view.source_node(read)
        if self._is_time(index) and source is not None:
            if source.op == "TensorListFromTensor":
                return source.inputs[0]
            if source.op == "TensorArrayScatterV3" and is_range(self.view, source.inputs[1]):
                return source.inputs[2]
        raise self._refuse("its cell does not read one step of a sequence after the other", node.name)

    def _written(self, variable: Variable) -> Tensor | None:
        """What a step writes at its time, where the variable is an array of outputs."""
        node = self.view.source_node(variable.next)
        if node is None or node.op not in _WRITES:
            return None
        index, value = (node.inputs[port] for port in _WRITES[node.op])
        return self._kept(value, None) if self._is_time(index) else None

    def _stacked(self, variable: Variable, x: Tensor, steps: int | None) -> list[Tensor]:
        """The tensors `[T, B, H]` that the array is made into behind the loop."""
        found = []
        if variable.final is None:
            return found
        array = self.outside.source_node(variable.initial)
        size = {"TensorArrayV3": 0, "TensorListReserve": 1}.get(array.op if array else "")
        if size is None or not self._is_length(array.inputs[size], x, steps):
            raise self._refuse("its output array has another size than its sequence", array.name if array else "")
        for reader, read in self.outside.readers(variable.final):
            gathers = reader.op == "TensorArrayGatherV3" and reader.inputs[2] == read
            if reader.op == "TensorListStack" or (gathers and self._is_all(reader, x, steps)):
                found.append(Tensor(reader.name))
            elif reader.op not in ("TensorArraySizeV3", "TensorArrayCloseV3", "TensorListLength"):
                raise self._refuse(f"its output array is read by a {reader.op}", reader.name)
        return found

    def _last_only(self, variable: Variable) -> Tensor | None:
        """What every step writes at the same place of an array of one, as Keras does without return_sequences."""
        node = self.view.source_node(variable.next)
        if node is None or node.op != "TensorListSetItem" or self.view.scalar(node.inputs[1]) != 0:
            return None
        return self.view.source(node.inputs[2])

    def _last_read(self, variable: Variable, h: Variable) -> list[Tensor]:
        """The last hidden states `[B, H]` that are taken out of such an array."""
        found = []
        array = self.outside.source_node(variable.initial)
        if array is None or array.op != "TensorListReserve" or self.outside.scalar(array.inputs[1]) != 1:
            raise self._refuse("its output array has room for more than the one step it holds", variable.next.node)
        for stack, _ in self.outside.readers(variable.final) if variable.final is not None else ():
            last, others = find_last_states(self.outside, Tensor(stack.name), h.initial, None)
            if stack.op != "TensorListStack" or others:
                reader = stack if stack.op != "TensorListStack" else others[0]
                raise self._refuse(f"its last output is read by a {reader.op}", reader.name)
            found += [state.tensor for state in last]
        return found

    def _is_all(self, gather: Node, x: Tensor, steps: int | None) -> bool:
        """Whether the indices are range(T)."""
        indices = gather.inputs[1]
        if not is_range(self.outside, indices):
            return False
        limit = range_limit(self.outside, indices)
        if isinstance(limit, int):
            return limit == steps
        node = self.outside.producer(root(self.outside, limit))
        return (node is not None and node.op == "TensorArraySizeV3") or self._is_length(limit, x, steps)

    def _is_length(self, tensor: Tensor, x: Tensor, steps: int | None) -> bool:
        """Whether the tensor is T."""
        number = self.outside.scalar(root(self.outside, tensor))
        if number is not None:
            return number == steps
        node = self.outside.producer(root(self.outside, tensor))
        return node is not None and is_length_of(self.outside, node, x)

    def _final(self, variable: Variable) -> tuple[Tensor, ...]:
        return (variable.final,) if variable.final is not None and self.outside.consumers(variable.final) else ()

    def _check_others(self, chain: list, written: dict) -> None:
        known = {id(variable) for _, *states in chain for variable in states}
        outputs = {cell.new_h for cell, *_ in chain}
        known |= {id(variable) for variable in self.loop.variables if self._last_only(variable) in outputs}
        known |= {id(variable) for tensor, variable in written.items() if tensor in outputs}
        for variable in self.loop.variables:
            if id(variable) in known or (self._counts(variable) and not self._final(variable)):
                continue
            if self._counts(variable):
                raise self._refuse("its number of steps is read behind it", variable.final.node)
            raise self._refuse(
                "it has a variable that is neither a state of its cells nor their output", variable.next.node
            )

    def _check_lengths(self, chain: list, written: dict) -> None:
        """Lengths hold for all states and outputs, or for none."""
        if not self.lengths:
            return
        values = [self.view.source(variable.next) for _, *states in chain for variable in states]
        for variable in written.values():
            node = self.view.source_node(variable.next)
            values.append(self.view.source(node.inputs[_WRITES[node.op][1]]))
        unstopped = [value for value in values if value not in self.stops]
        if unstopped or len(self.lengths) > 1:
            raise self._refuse(
                "its lengths do not hold for every state and output, which they are to keep and to set to zero",
                (unstopped or list(self.stops))[0].node,
            )

    def _steps(self, x: Tensor) -> int | None:
        """A constant number of steps, None for all of the sequence. Raises Refusal for any other condition."""
        constants, pending, seen = set(), [self.loop.condition], set()
        while pending:
            tensor = self.view.source(pending.pop())
            node = self.view.producer(tensor)
            if tensor in seen:
                continue
            seen.add(tensor)
            if node is not None and node.op == "LogicalAnd":
                pending += node.inputs
            elif node is not None and node.op == "Less" and self._is_time(node.inputs[0]):
                constants |= self._limit(node.inputs[1], x)
            else:
                raise self._refuse(
                    "a condition time < number of steps was looked for", node.name if node is not None else ""
                )
        if len(constants) > 1:
            times = " and for ".join(map(str, sorted(constants)))
            raise self._refuse(f"it runs for {times} steps", self.loop.condition.node)
        return constants.pop() if constants else None

    def _limit(self, tensor: Tensor, x: Tensor) -> set[int]:
        """The constants that bound the steps besides the sequence's length and the longest of the lengths."""
        found, pending, seen = set(), [tensor], set()
        while pending:
            source = root(self.view, pending.pop())
            if source in seen:
                continue
            seen.add(source)
            node, number = self.view.producer(source), self.view.integer(source)
            if number is not None:
                found.add(number)
            elif node is not None and node.op == "Minimum":
                pending += node.inputs
            elif node is not None and node.op == "Maximum":
                pending += [part for part in node.inputs if self.view.scalar(part) != 1]
            elif node is not None and node.op == "Max" and {root(self.view, node.inputs[0])} == self.lengths:
                continue
            elif node is not None and node.op == "Max" and self._is_empty_range(node.inputs[1]):
                pending.append(node.inputs[0])
            elif node is None or not is_length_of(self.view, node, x):
                raise self._refuse("it runs for another number of steps than its sequence has", source.node)
        return found

    def _is_empty_range(self, axes: Tensor) -> bool:
        """Whether a Max is over the axes of a scalar, of which there are none; Keras writes such."""
        node = self.view.source_node(axes)
        return node is not None and node.op == "Range" and self.view.scalar(node.inputs[1]) == 0
