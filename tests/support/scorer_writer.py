"""Makes `.scorer` files: the words of a scorer as OpenFst's ConstFst, behind a KenLM binary."""

import struct
from pathlib import Path

LM = Path(__file__).parents[1] / "fixtures" / "scorer"
BINARY, ARPA = LM / "words.binary", LM / "words.arpa"
ALPHA, BETA = 0.75, 1.5
_EXPANDED, _ACCEPTOR, _SORTED = 0x1, 0x10000, 0x10000000


def words() -> list[str]:
    """Of both files."""
    lines = ARPA.read_text().split("\\2-grams:")[0].split("\\1-grams:")[1].splitlines()
    return [line.split("\t")[1] for line in lines if line and "<" not in line]


def write_scorer(
    path: Path, spelled, *, utf8=False, version=6, alpha=ALPHA, beta=BETA, lm: bytes | None = None
) -> Path:
    """spelled: classes of each word, the space at its end included."""
    data = BINARY.read_bytes() if lm is None else lm
    data += b"EIRT" + struct.pack("<i?dd", version, utf8, alpha, beta)
    path.write_bytes(data + _automaton(spelled, len(data)))
    return path


def spell(word: str, labels) -> list[int]:
    return [labels.index(letter) for letter in f"{word} "]


def _automaton(spelled, offset: int) -> bytes:
    tree = [{}]  # state → label → next state; the words are its leaves' ways
    final = set()
    for word in spelled:
        state = 0
        for label in word:
            if label + 1 not in tree[state]:
                tree[state][label + 1] = len(tree)
                tree.append({})
            state = tree[state][label + 1]
        final.add(state)
    states, arcs = b"", b""
    for number, following in enumerate(tree):
        weight = 0.0 if number in final else float("inf")
        states += struct.pack("<fIIII", weight, len(arcs) // 16, len(following), 0, 0)
        arcs += b"".join(struct.pack("<iifi", label, label, 0.0, at) for label, at in sorted(following.items()))
    head = struct.pack("<ii5si8s", 2125659606, 5, b"const", 8, b"standard")
    head += struct.pack("<iiQqqq", 1, 0, _EXPANDED | _ACCEPTOR | _SORTED, 0, len(tree), len(arcs) // 16)
    data = head + bytes(-(offset + len(head)) % 16) + states
    return data + bytes(-(offset + len(data)) % 16) + arcs
