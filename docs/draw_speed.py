"""Draws docs/speed.svg, the picture in the README, from the samples in docs/benchmarks/. `python docs/draw_speed.py`"""

import json
from pathlib import Path
from statistics import median

from drawing import GREY, INK, Drawing

RESULTS = Path(__file__).with_name("benchmarks") / "speed.json"
SECONDS = 60
# Contender in the measurements → its words here.
CLIENT, DOCUMENTED, OURS = "deepspeech 0.9.3", "documented IR", "convert int8, steps open"
WORDS = {
    CLIENT: ("Mozilla's client", "deepspeech 0.9.3"),
    DOCUMENTED: ("documented conversion", "OpenVINO 2024.6"),
    OURS: ("this project, 8 bits", "OpenVINO 2024.6"),
}
WIDTH, HEIGHT, LEFT, RIGHT, ROW = 720, 190, 190, 640, 44


def seconds() -> dict[str, float]:
    """Contender → the median over all samples of a minute of audio to text, in seconds."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["measurements"]
    found = {
        row["contender"]: [sample / 1000 for samples in row["rounds"] for sample in samples]
        for row in rows
        if (row["scenario"], row["point"]) == ("utterance", SECONDS)
    }
    return {name: median(found[name]) for name in WORDS}


def picture() -> str:
    styles = {"others": ("#a3a3a3", "#a3a3a3", ""), "ours": ("#1f6fb4", "#1f6fb4", "")}
    drawing = Drawing("Seconds for a minute of audio to text", WIDTH, HEIGHT, styles)
    drawing.text(LEFT, 24, "Seconds for a minute of audio to text: less is better", size=14, weight="bold")
    measured = seconds()
    scale = (RIGHT - LEFT) / max(measured.values())
    for number, (name, value) in enumerate(measured.items()):
        top = 40 + ROW * number
        who, what = WORDS[name]
        drawing.text(LEFT - 12, top + 13, who, anchor="end", weight="bold" if name == OURS else "normal")
        drawing.text(LEFT - 12, top + 28, what, size=11, colour=GREY, anchor="end")
        kind = "ours" if name == OURS else "others"
        drawing.shapes.append(drawing.rectangle(kind, LEFT, top, round(value * scale, 1), 30, corner=2))
        drawing.text(round(LEFT + value * scale + 10, 1), top + 20, f"{value:.3g}", size=14, colour=INK)
    foot = "A network of the released size, 2 threads of a processor with AVX-512 VNNI, greedy decoding; medians"
    drawing.text(WIDTH / 2, HEIGHT - 10, foot, size=11, colour=GREY, anchor="middle")
    return drawing.svg()


if __name__ == "__main__":
    Path(__file__).with_name("speed.svg").write_text(picture(), encoding="utf-8")
