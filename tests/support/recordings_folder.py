"""A folder of recordings as people have them: good, bad, empty, silent, stereo, MP3, in folders."""

from pathlib import Path

import numpy as np

from tests.support.bundled import samples_of, transcripts

FIRST, SECOND, THIRD = list(transcripts())[:3]
# Recording → its text, of those that can be read; silence has none.
TEXTS = {
    "first.wav": transcripts()[FIRST],
    "silent.wav": "",
    "stereo.flac": transcripts()[SECOND],
    "talk.mp3": transcripts()[FIRST],
    "below/deeper/third.opus": transcripts()[THIRD],
    "below/first.wav": transcripts()[FIRST],
}
# … → why it cannot be read
BAD = {
    "bad.wav": "cannot be read as audio",
    "below/cut.wav": "is cut off",
    "empty.mp3": "cannot be read as audio",
    "no-samples.wav": "holds no audio",
}
OTHERS = {"notes.txt": b"text", "video.mp4": b"", ".hidden.wav": b"", ".git/a.wav": b""}


def write_folder(folder: Path) -> Path:
    """All of them; needs soundfile and soxr."""
    import soundfile
    import soxr

    (folder / "below" / "deeper").mkdir(parents=True)
    (folder / ".git").mkdir()
    first, third = samples_of(FIRST), samples_of(THIRD)
    stereo = soxr.resample(samples_of(SECOND), 16000, 44100)
    (folder / "first.wav").write_bytes(FIRST.read_bytes())
    (folder / "below" / "first.wav").symlink_to(FIRST)
    soundfile.write(folder / "silent.wav", np.zeros(16000), 16000, "PCM_16")
    soundfile.write(folder / "stereo.flac", np.stack([stereo, stereo], 1), 44100, "PCM_24")
    soundfile.write(folder / "talk.mp3", first, 16000)
    soundfile.write(folder / "below" / "deeper" / "third.opus", third, 16000, format="OGG", subtype="OPUS")
    soundfile.write(folder / "no-samples.wav", np.zeros(0), 16000, "PCM_16")
    (folder / "bad.wav").write_bytes(b"no audio")
    (folder / "empty.mp3").write_bytes(b"")
    (folder / "below" / "cut.wav").write_bytes(FIRST.read_bytes()[:-5000])
    for name, content in OTHERS.items():
        (folder / name).write_bytes(content)
    return folder
