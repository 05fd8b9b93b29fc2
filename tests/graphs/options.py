"""Sizes and options of a synthetic DeepSpeech graph, and the graph as the builder returns it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Options:
    """All sizes differ by default, for equal sizes hide transposed axes."""

    version: str = "0.9"
    n_input: int = 11  # MFCCs per frame
    n_context: int = 3  # frames on each side: a window has 2 * n_context + 1
    dense_1: int = 40
    dense_2: int = 36
    dense_3: int = 44
    dense_4: int | None = None  # a fork's further layer in front of the LSTM
    n_hidden: int = 32  # LSTM cells
    dense_5: int = 28
    classes: int | None = None  # len(alphabet) + 1 unless given
    n_steps: int = 16  # -1: dynamic
    batch: int | None = 3  # None: dynamic (only without state)
    seed: int = 0
    # shapes upstream's exporter can write
    last_state: str | None = None  # gather, gather_v2, gather_nd; None: as the release
    use_seq_length: bool = True  # False: no input_lengths, last state by StridedSlice[-1]
    layer_norm: bool = False
    no_state: bool = False
    unrolled: bool = False  # as --export_tflite writes it: step by step, without lengths, no batch in the logits
    dense: str | None = None  # add, bias_add; None: as the release
    zeros: str | None = None  # const, fill (as from 1000 elements on); None: as the release
    relu_clip: float = 20.0
    # what the metadata says
    sample_rate: int = 16000
    window_ms: int = 32
    step_ms: int = 20
    beam_width: int = 500
    alphabet: tuple[bytes, ...] | None = None
    language: str | None = None
    # near misses
    forget_bias: float | None = None  # None: as the release
    peephole: bool = False
    cell_clip: float = -1.0
    lstm_op: str = "BlockLSTM"  # or BlockLSTMV2, same numbers
    cell_consumer: str | None = None  # output: a sink reads the cell states; mixed: dense 5 does
    last_index: str = "length"  # length_minus_one, constant
    missing_assign: str = ""  # any of "c", "h", "ch"
    swap_states: bool = False  # new_state_c takes the hidden state and the other way round
    initial_state: str = "state"  # see initial.py: shared, zero_h, crossed, computed
    concat_initial: str = "state"  # zeros: Concat starts with something else than the cell does
    gather_over: str = "concat"  # sequence: without the initial state in front; gates: another tensor
    mask: bool = True  # False: the hidden sequence is not masked past the length
    initialize_to: float = 0.0  # what initialize_state writes


@dataclass(frozen=True)
class Names:
    """Tensor names as a TensorFlow session takes them; None where the graph has none."""

    input: str
    lengths: str | None
    state_c: str | None
    state_h: str | None
    logits: str
    raw_logits: str
    new_c: str
    new_h: str
    lstm: str  # node name
    initialize: str | None  # node name
    samples: str | None
    mfccs: str | None


@dataclass(frozen=True)
class DeepSpeechGraph:
    """A frozen graph: `graph_def` is the serialised GraphDef."""

    graph_def: bytes
    options: Options
    names: Names
    classes: int
    alphabet: tuple[bytes, ...]
    weights: dict[str, np.ndarray] = field(repr=False)

    def save(self, path) -> Path:
        path = Path(path)
        path.write_bytes(self.graph_def)
        return path

    def parse(self):
        """The GraphDef as TensorFlow's own message."""
        from tests.support.reference import tensorflow

        return tensorflow().compat.v1.GraphDef.FromString(self.graph_def)
