"""The operations that this project looks at: how many inputs and outputs each has, and the kinds of its attributes.

From TensorFlow's registrations (tensorflow/core/ops/*_ops.cc), older releases included: what a later one added is
optional.
"""

from __future__ import annotations

from typing import NamedTuple


class Count(NamedTuple):
    """How many inputs or outputs: `least` to `most`, or, if `attribute` is named, `extra` more than it says (an
    integer, or the length of a list of types)."""

    least: int
    most: int
    attribute: str = ""
    extra: int = 0

    def said_by(self, node) -> int | None:
        """What a NodeDef's attribute says, None without one."""
        if not self.attribute or self.attribute not in node.attr:
            return None
        value = node.attr[self.attribute]
        if value.WhichOneof("value") == "list":
            return len(value.list.type) + self.extra
        return value.i + self.extra if value.WhichOneof("value") == "i" else None

    def least_of(self, node) -> int:
        """The least number that a NodeDef may have."""
        said = self.said_by(node)
        return self.least if said is None else max(self.least, said)

    def most_of(self, node) -> int:
        """The largest number that a NodeDef may have."""
        said = self.said_by(node)
        return self.most if said is None else said


class Op(NamedTuple):
    """What an operation has. required: the attributes without a default; attributes: name → kind, as AttrValue names
    it."""

    inputs: Count
    outputs: Count
    required: tuple[str, ...]
    attributes: dict[str, str]


# Attributes have the same kind wherever they occur, but for the few below.
_KINDS = {
    "type": "T Tidx Tlen Tshape Tperm Tdim Tmultiples Tparams Tindices Taxis Tcond Index index_type out_type SrcT DstT "
    "dtype element_dtype shape_type",
    "shape": "shape element_shape",
    "tensor": "value",
    "func": "f body cond then_branch else_branch",
    "s": "frame_name shared_name container memory_region_name data_format message mode",
    "b": "transpose_a transpose_b keep_dims use_peephole magnitude_squared is_constant Truncate validate_shape "
    "dynamic_size narrow_range",
    "f": "alpha forget_bias cell_clip upper_frequency_limit lower_frequency_limit min max",
    "i": "N num num_split axis batch_dims seq_dim batch_dim begin_mask end_mask ellipsis_mask new_axis_mask "
    "shrink_axis_mask window_size stride filterbank_channel_count dct_coefficient_count parallel_iterations "
    "num_bits",
    "list(type)": "Tin Tout dtypes",
    "list(i)": "squeeze_dims",
    "list(func)": "branches",
    "list(shape)": "output_shapes",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}

# operations · inputs · outputs · attributes that must be there.
# A count is a number, a range, an attribute, or an attribute + 1.
_TABLE = (
    ("Const", "0", "1", "value"),
    ("ImmutableConst", "0", "1", "dtype shape memory_region_name"),
    ("Placeholder PlaceholderV2", "0", "1", ""),
    ("NoOp", "0", "0", ""),
    (
        "Identity StopGradient PreventGradient Snapshot CheckNumerics PlaceholderWithDefault ReadVariableOp",
        "1",
        "1",
        "",
    ),
    ("Softplus Softsign Elu Selu LeakyRelu Exp Erf Abs", "1", "1", ""),
    ("Sigmoid Tanh Relu Relu6 Softmax Rsqrt Square Sqrt Neg ZerosLike Shape Squeeze Cast LogicalNot", "1", "1", ""),
    ("Add AddV2 BiasAdd Sub Mul RealDiv Div SquaredDifference MatMul Minimum Maximum", "2", "1", ""),
    ("Less LessEqual Greater GreaterEqual Equal NotEqual LogicalAnd LogicalOr", "2", "1", ""),
    ("Mean Sum Max Min Prod All Any Reshape ExpandDims Transpose Tile Fill Gather GatherNd", "2", "1", ""),
    ("ReverseV2", "2", "1", ""),
    ("ReverseSequence", "2", "1", "seq_dim"),
    ("ClipByValue Select SelectV2 Slice GatherV2 Range", "3", "1", ""),
    ("Dequantize FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel", "3", "1", ""),
    ("FakeQuantWithMinMaxArgs", "1", "1", ""),
    ("StridedSlice", "4", "1", ""),
    ("Split", "2", "num_split", "num_split"),
    ("SplitV", "3", "num_split", "num_split"),
    ("Unpack", "1", "num", "num"),
    ("Pack AddN", "N", "1", ""),
    ("ConcatV2 Concat", "N+1", "1", ""),
    ("BlockLSTM BlockLSTMV2", "9", "7", ""),
    ("LSTMBlockCell", "8", "7", ""),
    ("AudioSpectrogram", "1", "1", "window_size stride"),
    ("Mfcc", "2", "1", ""),
    ("DecodeWav", "1", "2", ""),
    ("Enter RefEnter", "1", "1", "frame_name"),
    ("Exit RefExit NextIteration RefNextIteration LoopCond", "1", "1", ""),
    ("Switch RefSwitch", "2", "2", ""),
    ("Merge RefMerge", "N", "2", ""),
    ("While StatelessWhile", "T", "T", "body cond"),
    ("If StatelessIf", "Tin+1", "Tout", "then_branch else_branch"),
    ("Case StatelessCase", "Tin+1", "Tout", "branches"),
    ("PartitionedCall StatefulPartitionedCall", "Tin", "Tout", "f"),
    ("TensorArrayV3", "1", "2", ""),
    ("TensorArrayScatterV3 TensorArrayWriteV3", "4", "1", ""),
    ("TensorArrayGatherV3 TensorArrayReadV3", "3", "1", ""),
    ("TensorArraySizeV3", "2", "1", ""),
    ("TensorArrayCloseV3", "1", "0", ""),
    ("TensorListReserve TensorListFromTensor", "2", "1", ""),
    ("TensorListStack", "1-2", "1", ""),
    ("TensorListGetItem", "2-3", "1", ""),
    ("TensorListSetItem", "3", "1", ""),
    ("TensorListLength", "1", "1", ""),
    ("Variable VariableV2 VarHandleOp", "0", "1", ""),
    ("VarIsInitializedOp IsVariableInitialized CountUpTo", "1", "1", ""),
    ("Assign AssignAdd AssignSub", "2", "1", ""),
    ("AssignVariableOp AssignAddVariableOp AssignSubVariableOp", "2", "0", ""),
    ("ScatterUpdate ScatterNdUpdate ScatterAdd", "3", "1", ""),
    ("ResourceScatterUpdate ResourceScatterNdUpdate", "3", "0", ""),
    ("RestoreV2", "3", "dtypes", "dtypes"),
)
_OTHER_KINDS = {name: {"T": "list(type)"} for name in ("While", "StatelessWhile")}


def _count(text: str) -> Count:
    attribute, _, extra = text.partition("+")
    if not attribute[0].isdigit():
        # A number of tensors is never 0, as a list of types may be.
        more = int(extra or 0)
        return Count(more + (attribute == "N"), 2**31, attribute, more)
    least, _, most = text.partition("-")
    return Count(int(least), int(most or least))


OPS = {
    name: Op(_count(inputs), _count(outputs), tuple(required.split()), {**_KIND_OF, **_OTHER_KINDS.get(name, {})})
    for names, inputs, outputs, required in _TABLE
    for name in names.split()
}
