"""Models that take audio."""

import numpy as np

from tests.families import Family, Graph
from tests.graphs.keywords import spectral_mask

SECTION = "Audio"
SHOWN = "tests/test_keyword_spotting.py"


def masked() -> Graph:
    """Noise suppression of three frames of two recordings, a frame of silence among them."""
    rng = np.random.default_rng(4)
    calls = tuple({"x:0": rng.standard_normal((3, 2, 32)).astype(np.float32)} for _ in range(3))
    calls[1]["x:0"][1] = 0
    return Graph(spectral_mask(), calls, ("y:0",))


FAMILIES = (
    Family(
        "AudioSpectrogram and Mfcc in front of an LSTM, from the samples of a WAV file on", SECTION, sequences=1,
        mo="cut at the samples: `--input`", shown_by=SHOWN,
    ),
    Family(
        "Noise suppression: an LSTM masks the magnitudes of a spectrum (RFFT), phases are put back (IRFFT)", SECTION,
        masked, sequences=1, mo="not by `mo`: complex numbers",
    ),
)  # fmt: skip
