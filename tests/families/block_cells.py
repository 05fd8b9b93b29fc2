"""Cells that are one operation a step."""

from tests.families import Family
from tests.families.loops import dynamic
from tests.families.steps import static

SECTION = "Cells that are one operation"

FAMILIES = (
    Family("`LSTMBlockCell` in `dynamic_rnn`", SECTION, lambda: dynamic(cell="block", given=True), sequences=1),
    Family(
        "`CudnnCompatibleLSTMCell` in `dynamic_rnn`, with lengths, two layers", SECTION,
        lambda: dynamic(cell="cudnn", lengths=True, layers=2), sequences=2,
    ),
    Family(
        "`LSTMBlockCell` in TensorFlow 2's loop, both directions", SECTION,
        lambda: dynamic(cell="block", lengths=True, both=True, control_flow="v2"), sequences=2,
    ),
    Family(
        "`LSTMBlockCell` in `static_rnn`, with lengths, two layers", SECTION,
        lambda: static(cell="block", lengths=True, layers=2), sequences=2,
    ),
    Family("`CudnnCompatibleLSTMCell` in `static_rnn`", SECTION, lambda: static(cell="cudnn", given=True), sequences=1),
    Family(
        "`LSTMBlockCell` with peepholes, with lengths", SECTION,
        lambda: dynamic(cell="block_peephole", lengths=True, given=True), loops=1,
    ),
    Family(
        "`LSTMBlockCell` with a clipped cell state, both directions", SECTION,
        lambda: dynamic(cell="block_clip", both=True), loops=2,
    ),
    Family(
        "`LSTMBlockCell` with a clipped cell state in `static_rnn`", SECTION,
        lambda: static(cell="block_clip"), loops=1,
    ),
    Family(
        "`LSTMBlockCell` with a clipped cell state and lengths, the state an input and an output", SECTION,
        lambda: dynamic(cell="block_clip", lengths=True, given=True), loops=1,
    ),
)  # fmt: skip
