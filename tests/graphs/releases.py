"""What distinguishes the graphs of one DeepSpeech release from those of another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    cell_scope: str  # name scope of the fused LSTM cell
    forget_bias: float
    state: str  # "variable" (VariableV2 with Assigns) or "placeholder"
    last_state: str  # "gather", "gather_v2" or "gather_nd"
    head: str  # what `logits` is: "raw", "identity" (of a node called Softmax) or "softmax"
    dense: str  # "add" (weights h1, b1) or "bias_add" (weights layer_1/weights)
    static_reshape: bool  # Reshape to [n_steps, batch, H] with both numbers written down
    batch_from_input: bool  # Shape/StridedSlice/Pack in the Reshapes
    audio: str | None  # None, "default" (upper limit 4000 Hz by omission) or "nyquist"
    metadata: str | None  # None, "noop" (attributes of model_metadata) or "const" (metadata_*)
    beam_width: bool
    graph_version: int
    on_cpu: bool  # every node carries the CPU as its device
    cast_name: str  # name of the cast of the longest length
    zeros: str = "const"  # "fill": TensorFlow 1.6 wrote zeros of any size by Fill


_OLD_SCOPE = "lstm_fused_cell"
_NEW_SCOPE = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"


def _old(last_state: str, head: str, zeros: str = "const") -> Release:
    return Release(
        _OLD_SCOPE, 1.0, "variable", last_state, head, "add", True, False, None, None, False, 1,
        True, "ToInt64", zeros,
    )  # fmt: skip


def _new(audio: str, beam_width: bool, graph_version: int) -> Release:
    return Release(
        _NEW_SCOPE, 0.0, "placeholder", "gather_nd", "softmax", "bias_add", False, False, audio, "const",
        beam_width, graph_version, False, "Cast",
    )  # fmt: skip


RELEASES: dict[str, Release] = {
    "0.2": _old("gather", "raw", "fill"),
    "0.3": _old("gather_v2", "raw"),
    "0.4": _old("gather_nd", "identity"),
    "0.5": Release(
        _OLD_SCOPE, 1.0, "variable", "gather_nd", "identity", "bias_add", False, True, "default", "noop",
        False, 4, False, "ToInt64",
    ),
    "0.6": _new("default", False, 5),
    "0.7": _new("nyquist", True, 6),
    "0.8": _new("nyquist", True, 6),
    "0.9": _new("nyquist", True, 6),
    "coqui": _new("nyquist", True, 6),
}  # fmt: skip

VERSIONS = tuple(RELEASES)
