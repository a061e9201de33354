"""Charts as SVG: figures in, markup out. Pure.

What is told apart is told apart by pattern and by letter, colours only help. All colours are classes of the style
sheet, so a chart follows light, dark and print. A page that has charts draws `patterns()` once, before them.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from math import ceil
from xml.etree.ElementTree import Element, SubElement, tostring

from attrs import field, frozen
from markupsafe import Markup

from agent_http.page.scales import scale, short, sound

TOLD_APART = 10
"""How many series have a pattern of their own."""
OTHERS, FAILED, CANCELLED = "others", "failed", "cancelled"
LETTERS = "ABCDEFGHIJ"
_TILE = 8
_HATCHES = {
    "1": "",
    "2": "M-2 2 2-2M0 8 8 0M6 10 10 6",
    "3": "M1 1h2v2H1zM5 5h2v2H5z",
    "4": "M0 2h8M0 6h8",
    "5": "M-2 6 2 10M0 0 8 8M6-2 10 2",
    "6": "M2 0v8M6 0v8",
    "7": "M0 4h8M4 0v8",
    "8": "M0 0 8 8M0 8 8 0",
    "9": "M0 0h4v4H0zM4 4h4v4H4z",
    "10": "M3 3h2v2H3z",
    OTHERS: "M0 7.5h8",
    FAILED: "",
    CANCELLED: "M-2 2 2-2M0 8 8 0M6 10 10 6",
}
_FILLED = ("3", "9", "10")
_LETTER = 7.2
"""How wide a letter is, about, at the size that charts are written in."""
_LINE = 14.0
_ROOM_FOR_LETTER = 13.0
_TOTALS_UP_TO = 16


def _sound_values(values: Iterable[float]) -> Sequence[float]:
    return tuple(map(sound, values))


def _within_the_whole(part: float) -> float:
    return min(1.0, sound(part))


@frozen(kw_only=True)
class Series:
    """One figure a bin, all of the same kind. `tone` is a pattern's name; what is `below` hangs from the axis."""

    name: str
    tone: str
    values: Sequence[float] = field(converter=_sound_values)
    letter: str = ""
    below: bool = False


@frozen(kw_only=True)
class Bin:
    """One place on the time axis: what stands below it, and what it is called in full."""

    label: str
    name: str


@frozen(kw_only=True)
class Bars:
    """Bars side by side, each a stack of series: the first of them at the axis. `id` is unique on its page."""

    id: str
    title: str
    summary: str
    bins: Sequence[Bin]
    series: Sequence[Series]
    whole: bool = False
    """Whether the figures are whole numbers."""
    axis: Callable[[float], str] = short
    """How a figure is written at the axis."""
    told: Callable[[float], str] = short
    """How it is written in full."""


@frozen(kw_only=True)
class Size:
    """A drawing in pixels, and the class that says on which screens it is seen."""

    name: str
    width: float
    height: float
    tips: bool
    """Whether pointing at a bar shows its figures."""


WIDE = Size(name="wide", width=600, height=240, tips=True)
NARROW = Size(name="narrow", width=340, height=220, tips=False)


def stacked_bars(bars: Bars, size: Size = WIDE) -> Markup:
    """Draw bars, one a bin; with fewer than one bin or without figures only the axes."""
    up = [sum(series.values[n] for series in bars.series if not series.below) for n in range(len(bars.bins))]
    down = [sum(series.values[n] for series in bars.series if series.below) for n in range(len(bars.bins))]
    axis = scale(max(up, default=0.0), max(down, default=0.0), whole=bars.whole)
    labels = [bars.axis(abs(line)) for line in axis.lines]
    left, right = max(map(len, labels)) * _LETTER + 8, size.width - 4
    top, bottom = _LINE + 4, size.height - _LINE - 8
    unit = (bottom - top) / (axis.high - axis.low)

    def y(value: float) -> float:
        return bottom - (value - axis.low) * unit

    svg = _picture(bars.id, bars.title, bars.summary, size, size.height)
    lines = SubElement(svg, "g", {"class": "axis"})
    for line, label in zip(axis.lines, labels, strict=True):
        kind = "zero" if abs(line) < axis.step / 2 else "line"
        _add(lines, "path", {"class": kind, "d": f"M{_n(left)} {_n(y(line))}H{_n(right)}"})
        _text(lines, left - 8, y(line) + 4, label, anchor="end")
    pitch = (right - left) / max(1, len(bars.bins))
    width = min(pitch * 0.8, 56.0)
    starts = [left + pitch * (n + 0.5) - width / 2 for n in range(len(bars.bins))]
    for below in (False, True):
        stack = [series for series in bars.series if series.below is below]
        _stack(svg, stack, starts, width, y, -1 if below else 1)
    if 0 < len(up) <= _TOTALS_UP_TO:
        for start, whole in zip(starts, up, strict=True):
            if whole and len(bars.axis(whole)) * _LETTER <= pitch:
                _text(svg, start + width / 2, y(whole) - 4, bars.axis(whole), anchor="middle", kind="total")
    _days(svg, bars.bins, left, pitch, right, size.height - 6)
    if size.tips:
        for n, place in enumerate(bars.bins):
            box = {"class": "tip", "x": _n(left + pitch * n), "y": _n(top), "width": _n(pitch)}
            tip = SubElement(svg, "rect", {**box, "height": _n(bottom - top)})
            SubElement(tip, "title").text = _tip(place, n, bars)
    return _written(svg)


def _stack(
    svg: Element, stack: Sequence[Series], starts: Sequence[float], width: float, y: Callable[[float], float], sign: int
) -> None:
    tops = [list(accumulate((series.values[n] for series in stack), initial=0.0)) for n in range(len(starts))]
    for row, series in enumerate(stack):
        group = SubElement(svg, "g", {"class": f"bars tone-{series.tone}"})
        outline = []
        for n, start in enumerate(starts):
            near, far = y(sign * tops[n][row]), y(sign * tops[n][row + 1])
            if series.values[n]:
                outline.append(f"M{_n(start)} {_n(near)}V{_n(far)}h{_n(width)}V{_n(near)}z")
            if series.letter and width >= _ROOM_FOR_LETTER and abs(near - far) >= _ROOM_FOR_LETTER:
                _text(group, start + width / 2, (near + far) / 2 + 4, series.letter, anchor="middle", kind="letter")
        _add(group, "path", {"fill": f"url(#tone-{series.tone})", "d": "".join(outline)}, first=True)


def _days(svg: Element, bins: Sequence[Bin], left: float, pitch: float, right: float, y: float) -> None:
    """Write the days below their bars: as many as there is room for, the last one always."""
    widest = max((len(place.label) for place in bins), default=0) * _LETTER + 22
    every = max(1, ceil(widest / pitch))
    group = SubElement(svg, "g", {"class": "axis"})
    for n in range(len(bins) - 1, -1, -every):
        half = len(bins[n].label) * _LETTER / 2
        middle = min(max(left + pitch * (n + 0.5), half), right - half)
        _text(group, middle, y, bins[n].label, anchor="middle")


def _tip(place: Bin, n: int, bars: Bars) -> str:
    parts = [f"{series.name}: {bars.told(series.values[n])}" for series in reversed(bars.series) if series.values[n]]
    return "\n".join([place.name, *(parts or ["nothing"])])


@frozen(kw_only=True)
class Part:
    """A row of `shares`: how much of the whole (1 is all), how much is due where that is known, and both in words."""

    name: str
    letter: str
    tone: str
    part: float = field(converter=_within_the_whole)
    due: float | None = None
    told: str


def shares(id: str, title: str, summary: str, parts: Sequence[Part], size: Size = WIDE) -> Markup:  # noqa: A002
    """Draw a bar a row, with a mark where its due share ends."""
    row = 40.0
    svg = _picture(id, title, summary, size, max(1, len(parts)) * row)
    for n, part in enumerate(parts):
        y = n * row
        room = int((size.width - len(part.told) * _LETTER - 16) / _LETTER)
        name = f"{part.letter}  {part.name}" if part.letter else part.name
        _text(svg, 0, y + 13, name if len(name) <= room else f"{name[: max(1, room - 1)]}…", anchor="start")
        _text(svg, size.width, y + 13, part.told, anchor="end", kind="figure")
        bar = {"y": _n(y + 19), "height": "12"}
        _add(svg, "rect", {**bar, "class": "track", "x": "0.5", "width": _n(size.width - 1)})
        group = SubElement(svg, "g", {"class": f"bars tone-{part.tone}"})
        fill = {"fill": f"url(#tone-{part.tone})", "x": "0.5", "width": _n(part.part * (size.width - 1))}
        _add(group, "rect", {**bar, **fill})
        if part.due is not None:
            x = 2 + _within_the_whole(part.due) * (size.width - 4)
            _add(svg, "path", {"class": "due", "d": f"M{_n(x)} {_n(y + 16)}v18"})
    return _written(svg)


def patterns() -> Markup:
    """Return what charts are filled with: nothing to be seen itself."""
    svg = Element(
        "svg", {"class": "patterns", "width": "0", "height": "0", "aria-hidden": "true", "focusable": "false"}
    )
    for name, hatch in _HATCHES.items():
        size = str(_TILE)
        tile = {"id": f"tone-{name}", "class": f"tone-{name}", "width": size, "height": size}
        pattern = SubElement(svg, "pattern", {**tile, "patternUnits": "userSpaceOnUse"})
        SubElement(pattern, "rect", {"class": "ground", "width": size, "height": size})
        if hatch:
            SubElement(pattern, "path", {"class": "filled" if name in _FILLED else "hatch", "d": hatch})
    return _written(svg)


def swatch(tone: str, letter: str = "") -> Markup:
    """Draw what a series is filled with, for a legend that names it."""
    svg = Element("svg", {"class": "swatch", "viewBox": "0 0 18 18", "aria-hidden": "true", "focusable": "false"})
    group = SubElement(svg, "g", {"class": f"bars tone-{tone}"})
    _add(group, "rect", {"fill": f"url(#tone-{tone})", "x": "0.5", "y": "0.5", "width": "17", "height": "17"})
    if letter:
        _text(group, 9, 13, letter, anchor="middle", kind="letter")
    return _written(svg)


def _picture(id: str, title: str, summary: str, size: Size, height: float) -> Element:  # noqa: A002
    names = f"{id}-{size.name}-title", f"{id}-{size.name}-desc"
    box = f"0 0 {_n(size.width)} {_n(height)}"
    told = {"role": "img", "aria-labelledby": names[0], "aria-describedby": names[1]}
    svg = Element("svg", {"class": f"chart chart-{size.name}", "viewBox": box, **told})
    SubElement(svg, "title", {"id": names[0]}).text = title
    SubElement(svg, "desc", {"id": names[1]}).text = summary
    return svg


def _add(parent: Element, tag: str, attributes: dict[str, str], *, first: bool = False) -> None:
    parent.insert(0 if first else len(parent), Element(tag, attributes))


def _text(parent: Element, x: float, y: float, text: str, *, anchor: str, kind: str = "label") -> None:
    places = {"class": kind, "x": _n(x), "y": _n(y), "text-anchor": anchor}
    SubElement(parent, "text", places).text = text


def _n(number: float) -> str:
    """Write a coordinate."""
    return f"{round(number, 2):g}"


def _written(svg: Element) -> Markup:
    return Markup(tostring(svg, encoding="unicode", short_empty_elements=False))  # noqa: S704 - ElementTree has escaped all of it
