"""The last step of ci/conformance: what differs between the clients' texts and ours, as a page; is it allowed?"""

from pathlib import Path

# Where a difference is known and explained on the page, so many of a hundred letters may differ.
KNOWN = {"beam width 1": 1.0, "scorer, hot words": 1.0}
# The client runs 8-bit files with kernels that round activations as well, an IR with the dequantised weights.
ROUNDED, ROUNDED_TRAINED, ROUNDED_RANDOM = "int8", 1.0, 10.0

PAGE = """# The real clients

The same model file and recordings through Mozilla's `deepspeech` 0.9.3 and Coqui's `stt` 1.4.0, and through an IR of
this project. Made by `ci/conformance`, which fails if a text differs that must not.

## Words

The bundled model, and the same weights as `.tflite` files, on the bundled recordings, all of them in one, pieces of it
at the edges of windows (0, 1, 511, 512, 513… samples), and the first utterances of each test group of `training/`.
Whole: `stt()` against `Recognizer.transcribe` with the acoustic model's IR; streamed, in blocks of {block} samples:
`feedAudioContent` and `finishStream` against `feed` and `finish` with the streaming model's IR. Beam width 100 but for
the first line of each; the scorer is a file of the 33 words.

{words}

- Beam width 1 stands against greedy decoding, which is not quite the same: the client's search still adds the paths of
  a text, and drops what it cannot keep.
- Hot words ({hot}): the client gives no boost to the last n-gram of an utterance
  without a space after it, this project does.
- Starts of letters are compared if the text is the same: greedily it is a letter's first frame here, the client may
  name a later one.
- The client's decoder: the IR's probabilities of the bundled recordings, decoded as the client decodes its own.
- `int8`: the client rounds activations too, an IR has the dequantised weights.

## Random weights

Files of the real exporter under `tests/fixtures`, on the bundled recordings. Their texts are not words, and the least
difference tips letters. By the client's own decoder (beam width {decoder}) the texts must be equal to the letter, but
for `int8`.

{random}
"""


def write(page: Path, plan: dict, ours: dict, theirs: dict, settings: dict, block: int, decoder: int) -> int:
    """Writes the page → exit code."""
    trained, random, failed = [], [], []
    for model in plan["models"]:
        name, client = model["name"], model["client"]
        for setting in model["settings"]:
            pairs = [(theirs[name][setting][clip], ours[name][setting][clip]) for clip in model["clips"]]
            row = _row(client, name, setting, pairs)
            (trained if "trained" in name else random).append(row)
            if "trained" in name:
                most = ROUNDED_TRAINED if ROUNDED in name else KNOWN.get(setting, 0.0)
                failed += _failures(f"{name}, {setting}", pairs, most)
        decoded = theirs[name]["its decoder"]
        wanted = theirs[name][f"beam width {decoder}"]
        pairs = [(wanted[clip], {"whole": text, "streamed": text}) for clip, text in decoded.items()]
        (trained if "trained" in name else random).append(_row(client, name, "the client's decoder", pairs))
        failed += _failures(f"{name}, the client's decoder", pairs, ROUNDED_RANDOM if ROUNDED in name else 0.0)
    hot = ", ".join(f"{word} {boost:+g}" for word, boost in settings["scorer, hot words"]["hot"].items())
    tables = {"words": _table(trained), "random": _table(random)}
    page.write_text(PAGE.format(block=block, decoder=decoder, hot=hot, **tables), encoding="utf-8")
    print(tables["words"], tables["random"], *failed, sep="\n")
    return 1 if failed else 0


def _row(client: str, name: str, setting: str, pairs: list) -> list[str]:
    said = [theirs["whole"] for theirs, _ in pairs]
    equal = [(theirs, ours) for theirs, ours in pairs if theirs["whole"] == ours["whole"] and "starts" in ours]
    starts = [pair for theirs, ours in equal for pair in zip(theirs["starts"], ours["starts"], strict=True)]
    other = [str(sum(theirs[way] != ours[way] for theirs, ours in pairs)) for way in ("whole", "streamed")]
    words, letters = sum(len(text.split()) for text in said), sum(map(len, said))
    moved = f"{sum(a != b for a, b in starts)} of {len(starts)}" if starts else "-"
    return [client, name, setting, str(len(pairs)), str(words), str(letters), *other, moved]


def _table(rows: list) -> str:
    head = ["client", "model", "decoding", "recordings", "words", "letters", "other texts, whole", "streamed"]
    head.append("other starts of letters")
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)])


def _failures(what: str, pairs: list, most: float):
    import jiwer

    for way in ("whole", "streamed"):
        spoken = [(theirs[way], ours[way]) for theirs, ours in pairs if theirs[way]]
        if not spoken:
            yield f"{what}, {way}: nothing was said"
            continue
        rate = 100 * jiwer.cer(*map(list, zip(*spoken, strict=True)))
        invented = [ours[way] for theirs, ours in pairs if ours[way] and not theirs[way]]
        if rate > most or invented:
            yield f"{what}, {way}: {rate:.2f} % of letters differ, {most} are allowed; from nothing: {invented}"
