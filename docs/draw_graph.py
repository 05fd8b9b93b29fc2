"""Draws docs/graph.svg: a DeepSpeech v0.9 graph before and after the conversion. `python docs/draw_graph.py`"""

from itertools import pairwise
from pathlib import Path

from drawing import Drawing

# kind → fill, border, dash
STYLES = {
    "input": ("#dbeafe", "#2563eb", ""),
    "output": ("#dcfce7", "#16a34a", ""),
    "layer": ("#ffffff", "#64748b", ""),
    "lstm": ("#ffedd5", "#ea580c", ""),
    "dropped": ("#f8fafc", "#94a3b8", "4 3"),
}
LEGEND = (
    ("input", "input of the IR"),
    ("output", "output of the IR"),
    ("lstm", "rewritten"),
    ("layer", "kept"),
    ("dropped", "left out"),
)


def before(d: Drawing) -> None:
    d.text(40, 40, "Before: output_graph.pb, as DeepSpeech v0.9 exports it", size=18, weight="bold")
    x, side = 300, 530
    d.box("samples", "dropped", 110, 75, "input_samples", width=140)
    d.box("audio", "dropped", 110, 150, "features\nAudioSpectrogram, Mfcc:\nconverted on request", width=160, height=60)
    d.box("mfccs", "dropped", 110, 225, "mfccs", width=140)
    d.arrow("samples", "audio", dropped=True)
    d.arrow("audio", "mfccs", dropped=True)
    d.box("windows", "input", x, 85, "input_node", width=150)
    d.box("shape", "layer", x, 150, "Transpose, Reshape", width=170)
    d.box("dense", "layer", x, 225, "dense 1, 2, 3\nMatMul, BiasAdd, Relu, Minimum", width=210, height=50)
    d.box("sequence", "lstm", x, 300, "Reshape to [-1, 1, H]", width=170)
    d.box("cell", "lstm", x, 375, "BlockLSTM\ncell states, hidden states", width=190, height=48)
    d.box("mul", "lstm", x, 455, "Mul", width=90)
    d.box("dense56", "layer", x, 535, "Reshape, dense 5, dense 6", width=200)
    d.box("raw", "lstm", x, 610, "Reshape to [-1, 1, 29]", width=170)
    d.box("softmax", "layer", x, 675, "Softmax", width=110)
    d.box("logits", "output", x, 745, "logits", width=130)
    chain = ("windows", "shape", "dense", "sequence", "cell", "mul", "dense56", "raw", "softmax", "logits")
    for start, end in pairwise(chain):
        d.arrow(start, end)
    d.box("state_c", "input", 95, 355, "previous_state_c", width=150)
    d.box("state_h", "input", 95, 405, "previous_state_h", width=150)
    d.arrow("state_c", "cell", out="right", into="left", bend=187)
    d.arrow("state_h", "cell", out="right", into="left", bend=187)
    d.box("lengths", "dropped", side, 225, "input_lengths", width=140)
    d.box("max", "lstm", side, 300, "Max, Cast", width=120)
    d.arrow("lengths", "max", dropped=True)
    d.arrow("max", "cell", into="right")
    d.box("mask", "lstm", side, 455, "mask\nLess, Tile, …", width=130, height=44)
    d.arrow("mask", "mul", out="left", into="right")
    d.box("gather", "lstm", side, 590, "two last states\nConcat, Pack, GatherNd, …", width=180, height=46)
    d.path("M395 388 H425 V590 H440")
    for x, y in ((595, 455), (620, 590)):
        d.path(f"M600 225 H650 V{y} H{x}", dropped=True)
    d.box("new_c", "output", side - 70, 690, "new_state_c", width=125)
    d.box("new_h", "output", side + 70, 690, "new_state_h", width=125)
    d.arrow("gather", "new_c", bend=640)
    d.arrow("gather", "new_h", bend=640)
    d.box("metadata", "dropped", 110, 590, "metadata_*\nkept in the IR's rt_info", width=170, height=46)


def after(d: Drawing) -> None:
    d.text(740, 40, "After: the IR", size=18, weight="bold")
    x = 1000
    d.box("i_windows", "input", x, 85, "input_node  [B, T, 19, 26]", width=200)
    d.box("i_shape", "layer", x, 165, "Transpose, Reshape", width=170)
    d.box("i_dense", "layer", x, 245, "dense 1, 2, 3", width=170)
    d.box("i_cell", "lstm", x, 375, "LSTMSequence\nany T and B", width=150, height=60)
    d.box("i_dense56", "layer", x, 505, "dense 5, dense 6", width=170)
    d.box("i_softmax", "layer", x, 585, "Softmax", width=110)
    d.box("i_logits", "output", x, 665, "logits  [T, B, 29]", width=160)
    chain = ("i_windows", "i_shape", "i_dense", "i_cell", "i_dense56", "i_softmax", "i_logits")
    for start, end in pairwise(chain):
        d.arrow(start, end)
    d.box("i_c", "input", 808, 350, "previous_state_c", width=150)
    d.box("i_h", "input", 808, 400, "previous_state_h", width=150)
    d.arrow("i_c", "i_cell", out="right", into="left", bend=904)
    d.arrow("i_h", "i_cell", out="right", into="left", bend=904)
    d.box("i_new_c", "output", 1192, 350, "new_state_c", width=135)
    d.box("i_new_h", "output", 1192, 400, "new_state_h", width=135)
    d.arrow("i_cell", "i_new_c", out="right", into="left", bend=1096)
    d.arrow("i_cell", "i_new_h", out="right", into="left", bend=1096)
    position = 735
    for kind, meaning in LEGEND:
        d.shapes.append(d.rectangle(kind, position, 735, 16, 16))
        d.text(position + 22, 748, meaning, size=12)
        position += 42 + 5.6 * len(meaning)


def picture() -> str:
    drawing = Drawing(
        "A DeepSpeech v0.9 graph before and after the conversion", 1290, 800, STYLES, rounded=("input", "output")
    )
    drawing.shapes.append("<path d='M705 25 V775' stroke='#cbd5e1' stroke-width='1.5'/>")
    before(drawing)
    after(drawing)
    return drawing.svg()


if __name__ == "__main__":
    Path(__file__).with_name("graph.svg").write_text(picture(), encoding="utf-8")
