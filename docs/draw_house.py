"""Draws docs/house.svg, the picture in docs/architecture.md: the packages and the way of a model through them.
`python docs/draw_house.py`"""

from itertools import pairwise
from pathlib import Path

from drawing import GREY, Drawing

WIDTH, HEIGHT = 1120, 505
STYLES = {
    "package": ("#ffffff", "#64748b", ""),
    "way": ("#ffedd5", "#ea580c", ""),
    "file": ("#dbeafe", "#2563eb", ""),
    "beside": ("#f8fafc", "#94a3b8", "4 3"),
    "band": ("#f8fafc", "#e2e8f0", ""),
}
# Floors from the ground up, what lies on them, and where: name → (x, width, what it is for). The order on a floor is
# that in which packages may import (`LAYERS` in tests/test_architecture.py).
FLOORS = {
    "ground": {
        "errors": (86, 126, "RecipeError, Refusal"),
        "limits": (222, 126, "sizes no model has"),
        "temporary": (358, 126, "directories"),
        "files": (494, 126, "whole or not at all"),
        "alphabet": (630, 126, "letters"),
        "installation": (766, 126, "what is installed"),
        "quiet": (902, 126, "native code"),
        "processes": (1038, 126, "child processes"),
    },
    "foundations": {
        "graphdef": (210, 360, "TensorFlow graphs without TensorFlow"),
        "ir": (585, 350, "the IR contract: names, shapes, states, metadata"),
        "audio": (940, 320, "samples to MFCCs, as plain operations"),
    },
    "the way of a model": {
        "sources": (195, 125, "file → graph"),
        "patterns": (345, 125, "LSTMs, loops"),
        "recipes": (345, 125, "what it is"),
        "rewrite": (495, 125, "what to change"),
        "passes": (795, 125, "on the ov.Model"),
        "converters": (645, 125, "→ ov.Model"),
        "runtime": (1037, 125, "audio → text"),
    },
    "what people ask for": {
        "verification": (113, 180, "model and IR, same audio"),
        "conversion": (297, 168, "convert, inspect"),
        "corpus": (475, 168, "folders of recordings"),
        "benchmarking": (656, 175, "side by side, in turns"),
        "demonstration": (840, 173, "the bundled model"),
        "self_test": (1012, 150, "doctor"),
    },
    "front": {
        "serve": (182, 320, "a page, HTTP, WebSockets, Wyoming"),
        "cli": (725, 746, "deepspeech-recipe: one file a command; every command is a Python function, too"),
    },
}
MIDDLE = {"ground": 468, "foundations": 400, "the way of a model": 241, "what people ask for": 130, "front": 62}
WAY = ("model", "sources", "recipes", "rewrite", "converters", "passes", "IR", "runtime")
TALL = 78  # how far below the way its helpers lie


def picture() -> str:
    drawing = Drawing("The packages of deepspeech_recipe, and the way of a model through them", WIDTH, HEIGHT, STYLES)
    title = "deepspeech_recipe: a package imports only from the floors below it, and from its own"
    drawing.text(22, 27, title, size=15, weight="bold")
    drawing.backdrop.append(drawing.rectangle("band", 14, 172, WIDTH - 28, 188, corner=8))
    drawing.text(26, 194, "the way of a model", size=12, colour=GREY)
    for floor, packages in FLOORS.items():
        for name, (x, width, what) in packages.items():
            below = TALL if name == "patterns" else 0
            kind = "way" if name in WAY else "package"
            drawing.box(name, kind, x, MIDDLE[floor] + below, f"{name}\n{what}", width=width, height=46)
    way = MIDDLE["the way of a model"]
    drawing.box("model", "file", 66, way, "model file\n.pb, .pbmm, …", width=90, height=46)
    drawing.box("IR", "file", 915, way, "IR\n.xml, .bin", width=80, height=46)
    drawing.box("plugin", "beside", 645, way + TALL, "mo_extensions\nfor mo --extensions", width=150, height=46)
    for start, end in pairwise(WAY):
        drawing.arrow(start, end, out="right", into="left")
    drawing.arrow("patterns", "recipes", out="top", into="bottom")
    drawing.arrow("plugin", "converters", out="top", into="bottom")
    return drawing.svg()


if __name__ == "__main__":
    Path(__file__).with_name("house.svg").write_text(picture(), encoding="utf-8")
