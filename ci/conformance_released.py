"""The part of ci/conformance on a released, trained model, in the environments of the two sides; DIR is as
`released_model` left it.

ours DIR            what IRs of it make of the recordings: probabilities in DIR/KIND.npz, texts in `DIR/KIND, WAY.json`
client DIR          what Coqui's client makes of them, in DIR/client.json; in the environment of `stt`
decoder DIR         what its decoder makes of the 8-bit IR's probabilities, in DIR/decoder.json; there too

TensorFlow Lite's probabilities are `released_tflite`'s part, and `conformance_released_report` compares them all.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from conformance import samples_of

WIDTHS = (1, 500)
BLOCK = 3000  # samples; the same as in the other parts
FRAME = 0.02  # seconds
KINDS = {
    "fp32": {},
    "int8": {"weights": "int8"},
    "int8, activations fp32": {"weights": "int8", "activations": "fp32"},
}
WAYS = {"whole": {}, "streamed": {"audio": "attached", "state": "internal"}}


class Widths:
    """A decoder that keeps the probabilities it is given, and whose alternatives are the best texts by each width.

    work: the processor time of the widest search.
    """

    def for_model(self, labels, beam_width=None) -> "Widths":
        from deepspeech_recipe.runtime import Beam

        self._decoders = [Beam(width).for_model(labels) for width in WIDTHS]
        return self

    def start(self) -> "Widths":
        self._utterances, self.frames, self.work = [each.start() for each in self._decoders], [], 0.0
        return self

    def feed(self, probabilities) -> None:
        self.frames.append(np.array(probabilities))
        for utterance in self._utterances:
            begin = time.process_time()
            utterance.feed(probabilities)
        self.work += time.process_time() - begin

    def finish(self, count) -> list:
        return [utterance.finish()[0] for utterance in self._utterances]


def ours(folder: Path) -> None:
    for kind in KINDS:
        for way in WAYS:
            begin = time.perf_counter()
            by_ir(folder, kind, way)
            print(f"{kind}, {way}: {time.perf_counter() - begin:.0f} s", flush=True)


def clips(folder: Path) -> dict[str, np.ndarray]:
    """Name → samples of every recording."""
    return {path.stem: samples_of(path) for path in sorted((folder / "clips").glob("*.wav"))}


def by_ir(folder: Path, kind: str, way: str) -> None:
    """Writes `KIND, WAY.json`, name → beam width → text, and KIND.npz; the IR is `KIND, WAY.xml`."""
    from deepspeech_recipe import convert
    from deepspeech_recipe.runtime import Recognizer

    options, name = {**KINDS[kind], **WAYS[way]}, f"{kind}, {way}"
    result = convert(folder / "model.tflite", folder, name=name, converter="openvino", verify=False, **options)
    decoder, found, frames = Widths(), {}, {}
    stream = Recognizer(result.files[0], decoder, config={"INFERENCE_NUM_THREADS": 1}).stream()
    for clip, samples in clips(folder).items():
        found[clip] = heard(stream, decoder, samples, BLOCK if way == "streamed" else 2**31)
        frames[clip] = np.concatenate(decoder.frames)
    if way == "whole":
        np.savez(folder / f"{kind}.npz", **frames)
    labels = result.metadata["alphabet"]["labels"]
    (folder / "alphabet.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(found))


def heard(stream, decoder: Widths, samples: np.ndarray, block: int) -> dict:
    """Beam width → text; and the processor time of the widest search."""
    stream.reset()
    for start in range(0, len(samples), block):
        stream.feed(samples[start : start + block])
    results = stream.finish_with_alternatives(len(WIDTHS))
    return {
        "work": decoder.work,
        **{
            width: said(result.text, [letter.start for letter in result.letters], result.confidence)
            for width, result in zip(WIDTHS, results, strict=True)
        },
    }


def said(text: str, starts: list, confidence: float) -> dict:
    """starts: of the letters, in seconds."""
    return {"text": text, "frames": [round(start / FRAME) for start in starts], "confidence": confidence}


def client(folder: Path) -> None:
    import stt

    model = stt.Model(str(folder / "model.tflite"))
    recordings = clips(folder)
    found = {way: {name: {} for name in recordings} for way in WAYS}
    for width in WIDTHS:
        model.setBeamWidth(width)
        begin = time.perf_counter()
        for name, samples in recordings.items():
            stream = model.createStream()
            for start in range(0, len(samples), BLOCK):
                stream.feedAudioContent(samples[start : start + BLOCK])
            for way, result in {
                "whole": model.sttWithMetadata(samples, 1),
                "streamed": stream.finishStreamWithMetadata(1),
            }.items():
                best = result.transcripts[0]
                text = "".join(token.text for token in best.tokens)
                found[way][name][width] = said(text, [token.start_time for token in best.tokens], best.confidence)
        print(f"beam width {width}: {time.perf_counter() - begin:.0f} s", flush=True)
    (folder / "client.json").write_text(json.dumps(found))


def decoder(folder: Path) -> None:
    import coqui_stt_ctcdecoder

    alphabet, found = coqui_stt_ctcdecoder.Alphabet(str(folder / "alphabet.txt")), {}
    for name, probabilities in np.load(folder / "int8.npz").items():
        given, begin = probabilities.astype(np.float64), time.process_time()
        best = coqui_stt_ctcdecoder.ctc_beam_search_decoder(given, alphabet, WIDTHS[-1])[0]
        work = time.process_time() - begin
        one = said(best.transcript, [FRAME * int(each) for each in best.timesteps], best.confidence)
        found[name] = {"work": work, WIDTHS[-1]: one}
    (folder / "decoder.json").write_text(json.dumps(found))


if __name__ == "__main__":
    step, directory = sys.argv[1:]
    {"ours": ours, "client": client, "decoder": decoder}[step](Path(directory))
