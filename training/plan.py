"""What is said, by whom, and which part nobody trains on: drawn from one seed, before any audio."""

import csv
import hashlib
import io
from dataclasses import astuple, dataclass, fields
from random import Random

SEED = 20090
WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("yes", "no", "up", "down", "left", "right", "stop", "go", "start", "open", "close", "lamp"),
    *("door", "music", "volume", "louder", "quieter", "play", "pause", "forward", "back"),
    *("window", "kitchen"),
)
LONGEST = 7  # words in an utterance

# espeak-ng voice variants: formant synthesis, no whispering or robot effects, no exact copies.
# Some resemble each other (rob and robert, f3 and belinda): the model card has figures by voice.
FEMALE = ("Alicia", "Annie", "belinda", "f1", "f2", "f3", "f4", "f5", "grandma", "steph")
MALE = (
    *("Alex", "boris", "Diogo", "ed", "Gene", "grandpa", "iven", "Jacky", "john"),
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "Mario", "max", "pablo", "paul"),
    *("quincy", "rob", "robert", "sandro", "travis", "victor"),
)
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029")
UNSEEN_ACCENT = "en-us-nyc"

SIZES = {"train": 6000, "dev": 200, "texts": 500, "voices": 500, "accent": 200}


@dataclass(frozen=True)
class Utterance:
    """One line of the manifest. ``noise_seed`` fixes level, noise and the silence around."""

    split: str
    text: str
    voice: str
    accent: str
    speed: int  # words a minute
    pitch: int  # espeak-ng's 0…99
    warp: float  # played that much faster, which shifts formants and pitch too; 1 but in training
    noise_seed: int


def held_out_voices() -> list[str]:
    """Two female and four male voices that only the split ``voices`` uses."""
    draw = Random(SEED)
    return draw.sample(FEMALE, 2) + draw.sample(MALE, 4)


def plan() -> list[Utterance]:
    """All utterances. Texts of the four test splits are in no other split, training included.

    Single words are the vocabulary itself, so held-out texts have at least two words.
    """
    draw = Random(SEED + 1)
    unseen = held_out_voices()
    known = [voice for voice in FEMALE + MALE if voice not in unseen]
    used: set[str] = set()
    rows = []
    for split in ("accent", "voices", "texts", "dev", "train"):  # tests choose their texts first
        for _ in range(SIZES[split]):
            rows.append(
                Utterance(
                    split=split,
                    text=_text(draw, split, used),
                    voice=draw.choice(unseen if split == "voices" else known),
                    accent=UNSEEN_ACCENT if split == "accent" else draw.choice(ACCENTS),
                    speed=draw.randint(120, 200),
                    pitch=draw.randint(30, 70),
                    warp=round(draw.uniform(0.88, 1.12), 2) if split == "train" else 1.0,
                    noise_seed=draw.randrange(2**31),
                )
            )
    return rows


def _text(draw: Random, split: str, used: set[str]) -> str:
    """Some words in random order; a test split marks its text as used, training avoids those."""
    while True:
        shortest = 1 if split == "train" else 2
        text = " ".join(draw.choices(WORDS, k=draw.randint(shortest, LONGEST)))
        if text not in used:
            if split != "train":
                used.add(text)
            return text


def manifest(rows: list[Utterance]) -> str:
    """The plan as CSV text; its digest goes into the model card."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(Utterance)])
    writer.writerows(astuple(row) for row in rows)
    return out.getvalue()


def digest(rows: list[Utterance]) -> str:
    """SHA-256 of the manifest, in hex."""
    return hashlib.sha256(manifest(rows).encode()).hexdigest()


if __name__ == "__main__":
    print(manifest(plan()), end="")
