"""A graph that reads WAV files begins at their samples: an IR has no operation that decodes them."""

from __future__ import annotations

import numpy as np

from deepspeech_recipe.errors import Refusal
from deepspeech_recipe.graphdef.build import FLOAT, INT32, DType, turn_into
from deepspeech_recipe.graphdef.cut import keep_needed
from deepspeech_recipe.graphdef.proto import GraphDef, Message
from deepspeech_recipe.graphdef.view import GraphView, Tensor


def start_at_samples(graph: Message, sample_rate: int | None) -> Message:
    """The GraphDef with a Placeholder `[samples, channels]`, −1…1, in the place of each DecodeWav, and the sample rate
    (Hz) as a constant.

    The sizes are the node's desired_samples and desired_channels, open if it has none.
    Raises Refusal without a sample rate: only the WAV file knows it.
    """
    view = GraphView.of(graph)
    decoders = view.of_op("DecodeWav")
    if not decoders:
        return graph
    if sample_rate is None:
        raise Refusal(
            "The graph decodes a WAV file, which an IR cannot, and takes the sample rate from it; the IR begins at the "
            "samples",
            node=decoders[0].name,
            remedy="Give the rate of the recordings that the model was trained with: --sample-rate 16000 for one",
        )
    ends = [node.name for node in view.nodes.values() if not view.is_read(node)]
    result = GraphDef()
    result.CopyFrom(graph)
    rates = {Tensor(node.name, 1): f"{node.name}/sample_rate" for node in decoders}
    for node in result.node:
        for port, reference in enumerate(node.input):
            node.input[port] = rates.get(Tensor.parse(reference), reference)
        if node.op == "DecodeWav":
            sizes = [view.nodes[node.name].attribute(f"desired_{what}", -1) for what in ("samples", "channels")]
            turn_into(node, "Placeholder", (), dtype=DType(FLOAT), shape=tuple(sizes))
    for name in rates.values():
        rate = result.node.add(name=name)
        turn_into(rate, "Const", dtype=DType(INT32), value=np.array(sample_rate, np.int32))
    keep_needed(result, ends)
    return result
