"""What an IR's weights take in memory beside the form that OpenVINO runs."""

import sys
from pathlib import Path

import numpy as np
import pytest

from deepspeech_recipe.runtime import Recognizer
from tests.support.bundled import bundled_ir, samples_of, transcripts

AUDIO = next(iter(transcripts()))


def resident(file: Path) -> int:
    """Bytes of a mapped file that lie in this process's memory."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text(errors="replace").splitlines():
        if line.split()[0].count("-") == 1 and not line.split()[0].endswith(":"):
            inside = line.endswith(str(file.resolve()))
        elif inside and line.startswith("Rss:"):
            found += 1024 * int(line.split()[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("form", ["none", "attached", "streaming"])
def test_the_mapped_weights_leave_memory(form):
    ir = bundled_ir(form)
    weights = ir.with_suffix(".bin")
    recognizer, samples = Recognizer(ir), samples_of(AUDIO)
    before = recognizer.features(samples)
    assert resident(weights) < weights.stat().st_size / 4  # a fifth: what small constants lie beside, in pages
    np.testing.assert_array_equal(recognizer.features(samples), before)
