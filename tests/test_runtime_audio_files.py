"""Audio files: every format and sample width, other rates and channels, and every damaged file."""

import builtins
import struct
import wave

import numpy as np
import pytest

from deepspeech_recipe.errors import RecipeError
from deepspeech_recipe.runtime.recordings.audio_files import audio_blocks, read_audio, seconds_of
from deepspeech_recipe.verification.recordings import read_recording
from tests.support.limits import assert_close
from tests.support.runtime_models import speech

soundfile = pytest.importorskip("soundfile")


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_U8", 1 / 128),
        ("a.wav", "PCM_16", 0),
        ("a.wav", "PCM_24", 0),
        ("a.wav", "PCM_32", 0),
        ("a.wav", "FLOAT", 0),
        ("a.wav", "DOUBLE", 0),
        ("a.flac", "PCM_16", 0),
        ("a.flac", "PCM_24", 0),
        ("a.ogg", "VORBIS", 0.1),
    ],
)
def test_every_format_is_read_as_float_samples(tmp_path, name, subtype, tolerance):
    soundfile.write(tmp_path / name, speech(), 16000, subtype)
    found = read_audio(tmp_path / name, 16000)
    assert found.dtype == np.float32
    assert_close(found, speech(), tolerance)


def test_channels_are_mixed_and_rates_converted(tmp_path):
    time = np.arange(48000 * 3) / 48000
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, np.zeros_like(tone)], 1), 48000, "PCM_24")
    notes = []
    found = read_audio(tmp_path / "a.wav", 16000, notes.append)
    assert notes == [f"{tmp_path / 'a.wav'}: 2 channels → mono, 48000 Hz → 16000 Hz"]
    wanted = tone[::3] / 2
    assert len(found) == len(wanted)
    assert_close(found[500:-500], wanted[500:-500], 1e-6)  # less the ends, where it begins


def test_what_lies_above_half_the_rate_does_not_come_through(tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 11000 / 44100 * np.arange(44100)), 44100, "FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav", 16000)[500:-500]).max() < 1e-5


def test_a_lower_rate_is_warned_of(tmp_path):
    soundfile.write(tmp_path / "a.wav", speech(), 8000)
    notes = []
    assert len(read_audio(tmp_path / "a.wav", 16000, notes.append)) == 2 * len(speech())
    assert "8000 Hz → 16000 Hz (what is above half its rate is missing: expect worse text)" in notes[0]


def test_long_files_come_in_blocks(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.resize(speech(), 400_000), 16000)
    blocks = list(audio_blocks(tmp_path / "a.wav", 16000))
    assert max(map(len, blocks)) <= 2**16
    np.testing.assert_array_equal(np.concatenate(blocks), np.resize(speech(), 400_000))


def without(monkeypatch, *names):
    real = builtins.__import__

    def fake(name, *rest):
        if name in names:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fake)


def test_without_soundfile_and_soxr(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "16.wav", np.stack([speech(), -speech() / 2], 1), 16000, "PCM_16")
    soundfile.write(tmp_path / "24.wav", speech(), 16000, "PCM_24")
    soundfile.write(tmp_path / "8k.wav", speech(), 8000, "PCM_16")
    without(monkeypatch, "soundfile", "soxr")
    assert_close(read_audio(tmp_path / "16.wav", 16000), speech() / 4, 2e-5)
    with pytest.raises(
        RecipeError, match=r"24\.wav: is not a 16-bit WAV file but 24-bit PCM.*pip install soundfile soxr"
    ):
        read_audio(tmp_path / "24.wav", 16000)
    with pytest.raises(
        RecipeError, match=r"sample rate of 8000 Hz, the model wants 16000 Hz. soxr.*pip install soundfile soxr"
    ):
        read_audio(tmp_path / "8k.wav", 16000)


def test_damaged_files(tmp_path):
    def cut(name, subtype, share):
        soundfile.write(tmp_path / name, speech(), 16000, subtype)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / f"cut-{name}").write_bytes(whole[: int(len(whole) * share)])

    cut("a.wav", "PCM_16", 0.7)
    cut("a.flac", "PCM_16", 0.7)
    cut("a.ogg", "VORBIS", 0.7)
    (tmp_path / "header.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:36])
    (tmp_path / "zero.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no audio at all\n" * 100)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    holed = speech().copy()
    holed[70000 % len(holed)] = np.nan
    soundfile.write(tmp_path / "nan.wav", holed, 16000, "FLOAT")
    for name, reason in {
        "cut-a.wav": r"is cut off: \d+ of 48000 bytes of audio are there",
        "cut-a.flac": "cut off|cannot be read as audio",
        "cut-a.ogg": "is cut off: its last page is missing",
        "header.wav": "a WAV file without audio data",
        "zero.wav": "cannot be read as audio",
        "text.wav": "cannot be read as audio",
        "empty.wav": "holds no audio",
        "nan.wav": r"Sample \d+ is nan",
        "missing.wav": "No such file",
        "": "is a directory",
    }.items():
        with pytest.raises(RecipeError, match=reason) as caught:
            read_audio(tmp_path / name, 16000)
        assert str(tmp_path / name) in str(caught.value)


def test_a_header_of_unknown_size_is_read(tmp_path):
    """As programs write it into a pipe."""
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((speech() * 32768).astype("<i2").tobytes())
    data = bytearray((tmp_path / "a.wav").read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", 0x7FFFFFFF)
    (tmp_path / "a.wav").write_bytes(data)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", 16000), speech())


def header(path, at: int, form: str, value: int):
    """A WAV file with a number of its header changed."""
    soundfile.write(path, speech(), 16000, "PCM_16")
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, at, value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("rate", [0, 1, 999, 768_001, 2**31, 2**32 - 1])
@pytest.mark.parametrize("alone", [False, True])
def test_impossible_rates_are_refused(tmp_path, monkeypatch, rate, alone):
    """A second of audio at 1 Hz would become hours."""
    path = header(tmp_path / "a.wav", 24, "<I", rate)
    if alone:
        without(monkeypatch, "soundfile")
    with pytest.raises(
        RecipeError, match=r"a\.wav: has a sample rate of \d+ Hz by its header; 1000 to 768000 Hz"
    ) as caught:
        read_audio(path, 16000)
    assert f" {rate} Hz" in str(caught.value)
    assert seconds_of(path) == 0


@pytest.mark.parametrize("rate", [1000, 768_000])
def test_the_bounds_of_rates_are_read(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.resize(speech(), rate), rate)
    assert len(read_audio(tmp_path / "a.wav", 16000)) == pytest.approx(16000, abs=2)


@pytest.mark.parametrize(
    ("at", "form", "value", "reason"),
    [
        (16, "<I", 2**31, "cut off or damaged: a WAV file without audio data"),
        (16, "<I", 17, "cut off or damaged: a WAV file without audio data"),
        (16, "<I", 2, "damaged: its format has 2 bytes"),
        (12, "4s", b"junk", "damaged: a WAV file without a format before its audio data"),
        (36, "4s", b"junk", "cut off or damaged: a WAV file without audio data"),
        (40, "<I", 48002, "cut off: 48000 of 48002 bytes of audio are there"),
        (40, "<I", 0, "holds no audio"),
        (40, "<I", 1, "holds no audio"),
        (22, "<H", 0, "damaged: it has no channels by its header"),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_headers_that_contradict_the_file(tmp_path, monkeypatch, at, form, value, reason, alone):
    path = header(tmp_path / "a.wav", at, form, value)
    if alone:
        without(monkeypatch, "soundfile")
    with pytest.raises(RecipeError, match=rf"a\.wav: (is )?{reason}"):
        read_audio(path, 16000)
    assert seconds_of(path) == 0
    if value not in (0, 1):
        with pytest.raises(RecipeError, match=rf"a\.wav: (is )?{reason}"):
            read_recording(path, 16000)


@pytest.mark.parametrize(
    ("value", "kind"), [(3, "16-bit float"), (7, "16-bit µ-law"), (17, "16-bit ADPCM"), (999, "999")]
)
def test_other_formats_need_soundfile(tmp_path, monkeypatch, value, kind):
    path = header(tmp_path / "a.wav", 20, "<H", value)
    without(monkeypatch, "soundfile")
    with pytest.raises(RecipeError, match=f"is not a 16-bit WAV file but .*{kind}, which needs soundfile: pip install"):
        read_audio(path, 16000)


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("alone", [False, True])
def test_forms_of_wav_files(tmp_path, monkeypatch, form, channels, alone):
    signal = np.stack([speech() / (channel + 1) for channel in range(channels)], 1)
    soundfile.write(tmp_path / "a.wav", signal, 16000, "PCM_16", format=form)
    whole = (tmp_path / "a.wav").read_bytes()
    at = whole.index(b"data")
    more = b"JUNK\4\0\0\0abcd" if form == "RF64" else b"JUNK\3\0\0\0abc\0"  # libsndfile's RF64 has no odd chunks
    (tmp_path / "odd.wav").write_bytes(whole[:at] + more + whole[at:] + b"LIST\3\0\0\0abc")
    (tmp_path / "cut.wav").write_bytes(whole[:-1])
    wanted = read_audio(tmp_path / "a.wav", 16000)
    assert len(wanted) == len(speech())
    if alone:
        without(monkeypatch, "soundfile")
    for name in ("a.wav", "odd.wav"):
        assert_close(read_audio(tmp_path / name, 16000), wanted, 1e-7)
        assert seconds_of(tmp_path / name) == len(speech()) / 16000
    with pytest.raises(RecipeError, match=r"is cut off: \d+ of \d+ bytes"):
        read_audio(tmp_path / "cut.wav", 16000)


@pytest.mark.parametrize("alone", [False, True])
def test_many_channels_need_no_more_memory(tmp_path, monkeypatch, alone):
    soundfile.write(tmp_path / "a.wav", np.resize(speech(), (1000, 1000)), 16000, "PCM_16")
    if alone:
        without(monkeypatch, "soundfile")
    blocks = list(audio_blocks(tmp_path / "a.wav", 16000))
    assert max(map(len, blocks)) <= 2**16 // 1000
    assert sum(map(len, blocks)) == 1000


def test_hours_of_silence_in_some_bytes_are_refused(tmp_path, monkeypatch):
    """FLAC packs a second of silence into ten bytes."""
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", 1000, 1, "PCM_16") as file:
        for _ in range(70):
            file.write(np.zeros(60_000, "int16"))
    for read in (lambda: next(audio_blocks(path, 16000)), lambda: read_recording(path, 1000)):
        with pytest.raises(
            RecipeError, match=r"a\.flac: holds 70 minutes of audio in \d+ bytes.*DEEPSPEECH_RECIPE_LIMITS=4"
        ):
            read()
    monkeypatch.setenv("DEEPSPEECH_RECIPE_LIMITS", "4")
    assert len(read_recording(path, 1000).samples) == 70 * 60_000


def test_what_is_not_finite_is_refused_by_verify_too(tmp_path):
    samples = speech().copy()
    samples[7] = np.nan
    soundfile.write(tmp_path / "a.wav", np.stack([samples, samples], 1), 16000, "FLOAT")
    with pytest.raises(RecipeError, match=r"a\.wav: Sample 7 is nan: samples must be finite numbers"):
        read_recording(tmp_path / "a.wav", 16000)


def test_what_holds_the_values_of_integers_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(70_000), 32768 * speech()]), 16000, "FLOAT")
    with pytest.raises(RecipeError, match=r"a\.wav: Sample 7\d{4} is -?\d+.*16-bit"):
        read_audio(tmp_path / "a.wav", 16000)
