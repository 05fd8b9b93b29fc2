"""LSTMs in .tflite files, which TensorFlow does not run: the numbers are the interpreter's."""

from tests.families import Family

SECTION = "`.tflite` files"
SHOWN = "tests/test_tflite_networks.py"

FAMILIES = (
    Family("A streaming core, its states in an input and an output", SECTION, sequences=2, shown_by=SHOWN),
    Family(
        "Keras 2's LSTM layers (`UNIDIRECTIONAL_SEQUENCE_LSTM`, clipped to ±10), float or 8-bit weights",
        SECTION, loops=2, shown_by=SHOWN,
    ),
    Family("An LSTM step by step, its states in variables (`VAR_HANDLE`)", SECTION, sequences=1, shown_by=SHOWN),
    Family("`UNIDIRECTIONAL_SEQUENCE_LSTM` without a clipped cell state", SECTION, sequences=2, shown_by=SHOWN),
    Family(
        "`.tflite` of Keras 3's LSTM layers", SECTION, reason="`WHILE`", why="its loop is the operation `WHILE`",
        instead="`ovc` converts it", shown_by=SHOWN,
    ),
    Family(
        "`.tflite` with 8-bit activations", SECTION, reason="computes in 8 bits", why="it computes in 8 bits",
        instead="export it with 8-bit weights alone", shown_by=SHOWN,
    ),
)  # fmt: skip
