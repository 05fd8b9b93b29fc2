from .. import library  # isort: skip # noqa: F401 (MO imports this module first, and library says what is missing)

from openvino.tools.mo.front.common.partial_infer.utils import compatible_dims, dynamic_dimension, shape_array
from openvino.tools.mo.graph.graph import Graph, Node
from openvino.tools.mo.ops.lstm_sequence import LSTMSequence
from openvino.tools.mo.ops.op import Op
from openvino.tools.mo.utils.error import Error


class RecipeOperation(Op):
    """
    An operation between recognition and lowering, which no other pass sees to its end: no type of the IR, no inference.

    Inputs, outputs and attributes of each: `rewrite.edits`.
    """

    op: "str | None" = None
    enabled = False
    inputs, outputs = 1, 1

    def __init__(self, graph: Graph, attrs: dict):
        ports = {"in_ports_count": self.inputs, "out_ports_count": self.outputs}
        super().__init__(graph, {"op": self.op, "type": None, **ports}, attrs)


class RecipeLSTM(RecipeOperation):
    """
    A fused LSTM: [T, B, I] and its initial states → hidden states [T, B, H], last hidden and last cell state [B, H].
    """

    op = "RecipeLSTM"
    inputs, outputs = 4, 3


class RecipeUnflattenTime(RecipeOperation):
    """
    A Reshape from [T·B, F] back to [T, B, F], whatever T and B are.
    """

    op = "RecipeUnflattenTime"
    inputs = 2


class RecipeSwapTimeBatch(RecipeOperation):
    """
    Swaps the first two of three axes.
    """

    op = "RecipeSwapTimeBatch"


class RecipeTimeStep(RecipeOperation):
    """
    One step of a sequence.
    """

    op = "RecipeTimeStep"


class RecipeReshape(RecipeOperation):
    """
    A tensor of other sizes, which are known.
    """

    op = "RecipeReshape"


class RecipePack(RecipeOperation):
    """
    Tensors of one shape along a new first axis.
    """

    op = "RecipePack"


OPERATIONS = (RecipeLSTM, RecipeUnflattenTime, RecipeSwapTimeBatch, RecipeTimeStep, RecipeReshape, RecipePack)


class RecipeLSTMSequence(LSTMSequence):
    """
    OpenVINO's LSTMSequence-5, written to the IR as it is.

    MO's own class of that name is an intermediate operation: it has no type of the IR, ONNX's order of inputs, and
    passes that look for its `op` turn it into a TensorIterator. Its attributes are the same, and used here.

    Inputs: X [B, T, I], initial hidden state [B, 1, H], initial cell state [B, 1, H], sequence lengths [B],
            W [1, 4H, I], R [1, 4H, H], B [1, 4H]
    Outputs: 0: hidden states [B, 1, T, H], 1: last hidden state [B, 1, H], 2: last cell state [B, 1, H]
    """

    op = "RecipeLSTMSequence"
    enabled = False

    def __init__(self, graph: Graph, attrs: dict):
        own = {
            "op": self.op,
            "type": "LSTMSequence",
            "version": "opset5",
            "activations": ["sigmoid", "tanh", "tanh"],
            "clip": 0.0,
            "infer": self.infer,
            "in_ports_count": 7,
            "out_ports_count": 3,
        }
        super().__init__(graph, {**own, **attrs})

    @staticmethod
    def infer(node: Node):
        batch, time, features = node.in_port(0).data.get_shape()
        states = node.in_port(1).data.get_shape()
        name = node.soft_get("name", node.id)
        for what, size, own in (
            ("sequence of", features, node.in_port(4).data.get_shape()[2]),
            ("hidden state of", states[2], node.hidden_size),
            ("cell state of", node.in_port(2).data.get_shape()[2], node.hidden_size),
        ):
            if not compatible_dims(size, own):
                raise Error(
                    f"The LSTM gets a {what} {size} features, and its weights are for {own}. "
                    f"Node at fault: '{name}'. Give the inputs the graph's own sizes."
                )
        if not compatible_dims(batch, states[0]):
            raise Error(
                f"The LSTM gets a batch of {batch} sequences and a state of batch {states[0]}. "
                f"Node at fault: '{name}'. Give the sequence and the state inputs the same batch."
            )
        if node.soft_get("steps", None) is not None and (time is dynamic_dimension or time != node.steps):
            raise Error(
                f"The graph runs the LSTM for {node.steps} steps, but its sequence has {time} steps. "
                f"Node at fault: '{name}'. Give the input {node.steps} time steps."
            )
        shapes = ([batch, 1, time, node.hidden_size], *[[batch, 1, node.hidden_size]] * 2)
        for port, shape in enumerate(shapes):
            if node.is_out_port_connected(port):
                node.out_port(port).data.set_shape(shape_array(shape))
