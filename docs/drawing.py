"""Boxes, texts and arrows of the pictures in docs/, as SVG that is legible on a light and on a dark page."""

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

FONT = "font-family='Helvetica, Arial, sans-serif'"
INK, GREY, PALE = "#0f172a", "#475569", "#94a3b8"


@dataclass
class Drawing:
    """styles: kind of a box → fill, border, dashes. rounded: the kinds whose boxes have round ends."""

    title: str
    width: float
    height: float
    styles: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    rounded: tuple[str, ...] = ()
    backdrop: list[str] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    arrows: list[str] = field(default_factory=list)
    places: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)

    def box(self, name: str, kind: str, x: float, y: float, text: str, *, width: float = 150, height: float = 38):
        """A box with its centre at x, y; further lines of the text are smaller."""
        self.places[name] = (x, y, width, height)
        left, top = x - width / 2, y - height / 2
        corner = 19 if kind in self.rounded else 5
        self.shapes.append(self.rectangle(kind, left, top, width, height, corner=corner, line=1.6))
        lines = text.split("\n")
        first = y + 4.5 - 7.5 * (len(lines) - 1)
        for number, line in enumerate(lines):
            size, colour = (13.5, INK) if number == 0 else (11.5, GREY)
            if kind == "dropped":
                colour = "#64748b"
            self.text(x, first + 15 * number, line, size=size, colour=colour, anchor="middle")

    def rectangle(self, kind: str, x, y, width, height, *, corner: float = 4, line: float = 1.5) -> str:
        fill, border, dash = self.styles[kind]
        return (
            f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='{corner}' "
            f"fill='{fill}' stroke='{border}' stroke-width='{line}' stroke-dasharray='{dash}'/>"
        )

    def text(self, x, y, text, *, size=13.5, colour=INK, anchor="start", weight="normal"):
        self.shapes.append(
            f"<text x='{x}' y='{y}' {FONT} font-size='{size}' fill='{colour}' text-anchor='{anchor}' "
            f"font-weight='{weight}'>{escape(text)}</text>"
        )

    def arrow(self, start: str, end: str, *, out: str = "bottom", into: str = "top", dropped=False, bend=None):
        """From a side of one box to a side of another; bend: the x or y of the piece between, for right angles."""
        (x1, y1), (x2, y2) = self._side(start, out), self._side(end, into)
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
        self.path(path, dropped=dropped)

    def path(self, path: str, *, dropped: bool = False):
        """An arrow along an SVG path."""
        colour, dash, marker = (PALE, "4 3", "dropped") if dropped else (GREY, "", "kept")
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
            for name, colour in (("kept", GREY), ("dropped", PALE))
        )
        body = "\n".join([*self.backdrop, *self.arrows, *self.shapes])
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' width='{self.width}' "
            f"height='{self.height}' role='img'>\n<title>{escape(self.title)}</title>\n"
            f"<defs>{markers}</defs>\n<rect width='{self.width}' height='{self.height}' fill='#ffffff'/>\n{body}\n"
            "</svg>\n"
        )
