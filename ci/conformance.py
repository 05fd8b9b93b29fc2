"""The three steps of ci/conformance, each run by another Python (3.9 at the oldest).

probabilities DIR       IRs with audio attached, their probabilities, and the list of pairs in DIR/pairs.json
client DIR NAME         texts by a real client, and by its decoder from the IR's probabilities
report DIR TABLE.md     compares them, writes the table; exit code 1 where a text differs or nothing was said
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "deepspeech_recipe" / "data" / "model"
EXPORTER = ROOT / "tests" / "fixtures" / "exporter"
FILES = {
    "deepspeech": [MODEL / "output_graph.pb", EXPORTER / "plain/output_graph.pb", EXPORTER / "plain/output_graph.pbmm"],
    # Not "other": random weights of a byte model spell no UTF-8, and the client cannot return such a text.
    "stt": [EXPORTER / "plain/float.tflite", EXPORTER / "plain/int8.tflite"],
}
# The client runs 8-bit files with kernels that round activations as well, an IR with the dequantised weights.
ROUNDED, LARGEST_CER = "int8", 0.1
BEAM_WIDTH = 100
BLOCK = 3000  # samples: no multiple of anything


def samples_of(path) -> np.ndarray:
    """int16 samples of a 16 kHz mono WAV."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def probabilities(folder: Path) -> None:
    from deepspeech_recipe import convert
    from deepspeech_recipe.ov_api import ov

    pairs = []
    for client, files in FILES.items():
        for file in files:
            result = convert(file, folder, name=f"m{len(pairs)}", audio="attached", converter="openvino", verify=False)
            compiled = ov.Core().compile_model(result.files[0], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            for recording in sorted((MODEL / "recordings").glob("*.wav")):
                samples = samples_of(recording).astype(np.float32) / 32768
                number = len(pairs)
                np.save(folder / f"{number}.npy", compiled([samples[None]])[0][:, 0])
                pairs.append(
                    {
                        "client": client,
                        "model": str(file),
                        "recording": str(recording),
                        "labels": result.metadata["alphabet"]["labels"],
                    }
                )
            print(file.relative_to(ROOT))
    (folder / "pairs.json").write_text(json.dumps(pairs))


def client(folder: Path, name: str) -> None:
    module = __import__(name)
    decoder = __import__({"deepspeech": "ds_ctcdecoder", "stt": "coqui_stt_ctcdecoder"}[name])
    pairs = json.loads((folder / "pairs.json").read_text())
    for number, pair in enumerate(pairs):
        if pair["client"] != name:
            continue
        model = module.Model(pair["model"])
        model.setBeamWidth(BEAM_WIDTH)
        samples = samples_of(pair["recording"])
        stream = model.createStream()
        for start in range(0, len(samples), BLOCK):
            stream.feedAudioContent(samples[start : start + BLOCK])
        pair |= {"whole": model.stt(samples), "streamed": stream.finishStream()}
        found = np.load(folder / f"{number}.npy").astype(np.float64)
        best = decoder.ctc_beam_search_decoder(found, alphabet_of(decoder, pair, folder), BEAM_WIDTH)[0]
        pair["ir"] = best.transcript if hasattr(best, "transcript") else best[1]
        print(Path(pair["model"]).name, Path(pair["recording"]).name, repr(pair["whole"][:60]), sep="  ")
    (folder / "pairs.json").write_text(json.dumps(pairs))


def alphabet_of(decoder, pair: dict, folder: Path):
    path = folder / "alphabet.txt"
    path.write_text("".join(f"{label}\n" for label in pair["labels"]), encoding="utf-8")
    return decoder.Alphabet(str(path))


def cer(pairs: list, way: str) -> float:
    """Share of letters in which the IR's texts differ from the client's."""
    import jiwer

    return jiwer.cer([pair[way] for pair in pairs], [pair["ir"] for pair in pairs])


def report(folder: Path, table: Path) -> int:
    pairs = json.loads((folder / "pairs.json").read_text())
    rows, failed = {}, []
    for pair in pairs:
        rows.setdefault((pair["client"], str(Path(pair["model"]).relative_to(ROOT))), []).append(pair)
    for (_, model), row in rows.items():
        if not all(pair["ir"] for pair in row):
            failed.append(f"{model}: nothing was said")
        for pair in row:
            for way in ("whole", "streamed"):
                if cer([pair], way) > (LARGEST_CER if ROUNDED in model else 0):
                    name = Path(pair["recording"]).name
                    failed.append(f"{model}, {name}, {way}: {pair[way]!r} is not {pair['ir']!r}")
    lines = [
        "# The real clients",
        "",
        "The same model file and recordings through Mozilla's `deepspeech` 0.9.3 and Coqui's `stt` 1.4.0, and through",
        "an IR of this project; the IR's probabilities are decoded by the client's own decoder, so the texts must be",
        f"equal to the letter (beam width {BEAM_WIDTH}, no scorer; whole, and streamed in blocks of {BLOCK} samples).",
        "",
        "8-bit files are the exception: the client rounds activations too, an IR has the dequantised weights. There",
        "the share of other letters is given. Files under `tests/fixtures` have random weights: their texts are no",
        "words, and the least rounding tips some letters. Made by `ci/conformance`.",
        "",
        "| client | model | recordings | letters | other letters, whole | other letters, streamed |",
        "|---|---|---|---|---|---|",
    ]
    start = len(lines) - 2
    for (name, model), row in rows.items():
        shares = " | ".join(f"{100 * cer(row, way):.1f} %" for way in ("whole", "streamed"))
        lines.append(f"| {name} | `{model}` | {len(row)} | {sum(len(pair['ir']) for pair in row)} | {shares} |")
    table.write_text("\n".join([*lines, ""]))
    print("\n".join(lines[start:]), *failed, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    paths = [
        Path(argument) if number != 1 or step == "report" else argument for number, argument in enumerate(arguments)
    ]
    sys.exit({"probabilities": probabilities, "client": client, "report": report}[step](*paths))
