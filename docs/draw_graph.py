"""Draws docs/graph.svg: a DeepSpeech v0.9 graph before and after the conversion. `python docs/draw_graph.py`"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1290, 800
FONT = "font-family='Helvetica, Arial, sans-serif'"
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


@dataclass
class Drawing:
    shapes: list[str] = field(default_factory=list)
    arrows: list[str] = field(default_factory=list)
    places: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)

    def box(self, name: str, kind: str, x: float, y: float, text: str, *, width: float = 150, height: float = 38):
        """A box with its centre at x, y; further lines of the text are smaller."""
        fill, border, dash = STYLES[kind]
        round_ = 19 if kind in ("input", "output") else 5
        self.places[name] = (x, y, width, height)
        self.shapes.append(
            f"<rect x='{x - width / 2}' y='{y - height / 2}' width='{width}' height='{height}' rx='{round_}' "
            f"fill='{fill}' stroke='{border}' stroke-width='1.6' stroke-dasharray='{dash}'/>"
        )
        lines = text.split("\n")
        top = y + 4.5 - 7.5 * (len(lines) - 1)
        for number, line in enumerate(lines):
            size, colour = (13.5, "#0f172a") if number == 0 else (11.5, "#475569")
            if kind == "dropped":
                colour = "#64748b"
            self.text(x, top + 15 * number, line, size=size, colour=colour, anchor="middle")

    def text(self, x, y, text, *, size=13.5, colour="#0f172a", anchor="start", weight="normal"):
        self.shapes.append(
            f"<text x='{x}' y='{y}' {FONT} font-size='{size}' fill='{colour}' text-anchor='{anchor}' "
            f"font-weight='{weight}'>{escape(text)}</text>"
        )

    def arrow(self, start: str, end: str, *, out: str = "bottom", into: str = "top", dropped=False, bend=None):
        """From a side of one box to a side of another; bend: the x or y of the piece between, for right angles."""
        (x1, y1), (x2, y2) = self._side(start, out), self._side(end, into)
        colour = "#94a3b8" if dropped else "#475569"
        if x1 == x2 or y1 == y2:
            path = f"M{x1} {y1} L{x2} {y2}"
        elif out in ("left", "right") and into in ("left", "right"):
            middle = bend or (x1 + x2) / 2
            path = f"M{x1} {y1} H{middle} V{y2} H{x2}"
        elif out in ("left", "right"):
            path = f"M{x1} {y1} H{x2} V{y2}"
        elif into in ("left", "right"):
            path = f"M{x1} {y1} V{y2} H{x2}"
        else:
            middle = bend or (y1 + y2) / 2
            path = f"M{x1} {y1} V{middle} H{x2} V{y2}"
        marker = "dropped" if dropped else "kept"
        dash = "4 3" if dropped else ""
        self.arrows.append(
            f"<path d='{path}' fill='none' stroke='{colour}' stroke-width='1.5' stroke-dasharray='{dash}' "
            f"marker-end='url(#{marker})'/>"
        )

    def _side(self, name: str, side: str) -> tuple[float, float]:
        x, y, width, height = self.places[name]
        across = {"left": -width / 2, "right": width / 2}.get(side, 0)
        down = {"top": -height / 2, "bottom": height / 2}.get(side, 0)
        return x + across, y + down

    def svg(self) -> str:
        markers = "".join(
            f"<marker id='{name}' viewBox='0 0 8 8' refX='7.5' refY='4' markerWidth='8' markerHeight='8' "
            f"orient='auto'><path d='M0 0.8 L8 4 L0 7.2 Z' fill='{colour}'/></marker>"
            for name, colour in (("kept", "#475569"), ("dropped", "#94a3b8"))
        )
        body = "\n".join([*self.arrows, *self.shapes])
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' "
            f"height='{HEIGHT}' role='img'>\n<title>A DeepSpeech v0.9 graph before and after the conversion</title>\n"
            f"<defs>{markers}</defs>\n<rect width='{WIDTH}' height='{HEIGHT}' fill='#ffffff'/>\n{body}\n</svg>\n"
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
    d.arrows.append(
        "<path d='M395 388 H425 V590 H440' fill='none' stroke='#475569' stroke-width='1.5' marker-end='url(#kept)'/>"
    )
    d.arrows += [
        f"<path d='M600 225 H650 V{y} H{x}' fill='none' stroke='#94a3b8' stroke-width='1.5' "
        "stroke-dasharray='4 3' marker-end='url(#dropped)'/>"
        for x, y in ((595, 455), (620, 590))
    ]
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
        fill, border, dash = STYLES[kind]
        d.shapes.append(
            f"<rect x='{position}' y='735' width='16' height='16' rx='4' fill='{fill}' stroke='{border}' "
            f"stroke-width='1.5' stroke-dasharray='{dash}'/>"
        )
        d.text(position + 22, 748, meaning, size=12)
        position += 42 + 5.6 * len(meaning)


def picture() -> str:
    drawing = Drawing()
    drawing.shapes.append("<path d='M705 25 V775' stroke='#cbd5e1' stroke-width='1.5'/>")
    before(drawing)
    after(drawing)
    return drawing.svg()


if __name__ == "__main__":
    Path(__file__).with_name("graph.svg").write_text(picture(), encoding="utf-8")
