"""The charts: figures in, markup out."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from math import inf, isfinite, nan
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_http.page.charts import (
    NARROW,
    OTHERS,
    WIDE,
    Bars,
    Bin,
    Part,
    Series,
    Size,
    patterns,
    shares,
    stacked_bars,
    swatch,
)
from agent_http.page.periods import cut
from agent_http.page.scales import scale, short, short_money

NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
figures = st.one_of(
    st.just(0.0), st.integers(0, 40).map(float), st.floats(0, 1e12), st.sampled_from([1e-9, 0.01, nan, inf, -3.0])
)
sizes = st.sampled_from([WIDE, NARROW])
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30) | st.just("Ember & <Sons> \"'")


@st.composite
def bars(draw: st.DrawFn) -> Bars:
    length = draw(st.sampled_from([0, 1, 2, 7, 30, 104, 365]) | st.integers(0, 40))
    values = st.lists(figures, min_size=length, max_size=length) if length < 40 else figures.map(lambda f: [f] * length)
    tones = [*map(str, range(1, 11)), OTHERS]
    series = [
        Series(name=draw(names), tone=tone, letter=draw(st.sampled_from(["", "A"])), values=draw(values), below=below)
        for tone in tones[: draw(st.integers(0, 11))]
        for below in [draw(st.booleans())]
    ]
    first = date(2026, 1, 1)
    bins = [Bin(label=f"{first + timedelta(days=n):%d %b}", name=draw(names)) for n in range(length)]
    return Bars(id="c", title=draw(names), summary=draw(names), bins=bins, series=series, whole=draw(st.booleans()))


def of(svg: Element, tag: str, kind: str | None = None) -> list[Element]:
    return [found for found in svg.iter(tag) if kind is None or found.get("class") == kind]


def heights(svg: Element, tone: str) -> list[tuple[float, float]]:
    """Where each bar of a series begins and ends, from the axis on."""
    [group] = [found for found in svg.iter("g") if (found.get("class") or "").endswith(f" tone-{tone}")]
    outline = group[0].get("d") or ""
    return [(float(near), float(far)) for near, far in re.findall(r"M[\d.-]+ ([\d.-]+)V([\d.-]+)h", outline)]


def numbers(svg: Element) -> list[float]:
    places = ("x", "y", "width", "height")
    return [
        float(found[place])
        for element in svg.iter()
        for found in [element.attrib]
        for place in places
        if place in found
    ]


@given(bars(), sizes)
def test_every_chart_is_sound_markup_within_its_box(given: Bars, size: Size) -> None:
    markup = str(stacked_bars(given, size))
    assert "nan" not in re.sub(r">[^<]*<", "><", markup).lower()
    assert "inf" not in re.sub(r">[^<]*<", "><", markup).lower()
    svg = fromstring(markup)
    for element in svg.iter():
        found = element.attrib
        if "x" in found:
            assert 0 <= float(found["x"]) <= size.width
            assert 0 <= float(found["y"]) <= size.height
            assert float(found["x"]) + float(found.get("width", 0)) <= size.width + 0.01
            assert float(found["y"]) + float(found.get("height", 0)) <= size.height + 0.01
        for x, y, far, across in re.findall(r"M([\d.-]+) ([\d.-]+)V([\d.-]+)h([\d.-]+)", found.get("d", "")):
            assert 0 <= float(x) <= float(x) + float(across) <= size.width
            assert all(-0.01 <= float(place) <= size.height for place in (y, far))


@given(bars(), sizes)
def test_what_is_stacked_adds_up(given: Bars, size: Size) -> None:
    svg = fromstring(str(stacked_bars(given, size)))
    rates = []
    for below in (False, True):
        ends: dict[int, float] = {}
        for series in (series for series in given.series if series.below is below):
            places = heights(svg, series.tone)
            filled = [n for n, value in enumerate(series.values) if value]
            assert len(places) == len(filled)
            for n, (near, far) in zip(filled, places, strict=True):
                assert near == ends.get(n, near)
                assert far >= near if below else far <= near
                ends[n] = far
                if abs(near - far) > 5:  # else the rounding of coordinates is all there is
                    rates.append(abs(near - far) / series.values[n])
    assert not rates or max(rates) == pytest.approx(min(rates), rel=0.01)


def test_one_series_stands_on_the_other_and_the_heights_are_their_figures() -> None:
    series = [Series(name="a", tone="1", values=[3.0, 0]), Series(name="b", tone="2", values=[1.0, 4])]
    below = Series(name="c", tone="failed", values=[2.0, 0], below=True)
    svg = fromstring(str(stacked_bars(a_chart([*series, below]))))
    [(floor, first)], [(second_near, second), (lone_near, lone)] = heights(svg, "1"), heights(svg, "2")
    [(hung, end)] = heights(svg, "failed")
    assert (first, hung, lone_near) == (second_near, floor, floor)
    assert lone == second
    unit = (floor - second) / 4
    assert floor - first == pytest.approx(3 * unit, abs=0.02)
    assert end - hung == pytest.approx(2 * unit, abs=0.02)


@given(names, names)
def test_names_are_written_as_they_are_and_never_as_markup(title: str, name: str) -> None:
    chart = Bars(id="c", title=title, summary=name, bins=[Bin(label="1", name=name)], series=[])
    svg = fromstring(str(stacked_bars(chart)))
    assert (svg.findtext("title"), svg.findtext("desc")) == (title, name)
    assert "<script" not in str(stacked_bars(Bars(id="c", title="<script>", summary="", bins=[], series=[])))
    row = Part(name=f"<b>{name}", letter="A", tone="1", part=0.5, due=0.2, told="50%")
    assert "<b>" not in str(shares("s", title, "", [row]))


def test_a_chart_tells_what_it_is_to_who_cannot_see_it() -> None:
    svg = fromstring(str(stacked_bars(a_chart([]))))
    assert svg.get("role") == "img"
    told = {element.get("id"): element.text for element in svg.iter() if element.get("id")}
    assert told[svg.get("aria-labelledby")] == "Cost"
    assert told[svg.get("aria-describedby")] == "In words"
    names = [fromstring(str(stacked_bars(a_chart([]), size))).get("aria-labelledby") for size in (WIDE, NARROW)]
    assert len(set(names)) == 2


def test_no_drawing_has_a_style_of_its_own() -> None:
    series = [Series(name="a", tone="1", letter="A", values=[3.0, 1])]
    row = Part(name="a", letter="A", tone="1", part=0.5, due=0.2, told="50%")
    for markup in (stacked_bars(a_chart(series)), shares("s", "t", "", [row]), patterns(), swatch("1", "A")):
        assert "style" not in markup
        assert not re.search(r'="#|rgb', markup)


def test_every_tone_has_a_pattern_that_no_other_has() -> None:
    svg = fromstring(str(patterns()))
    tiles = [[(child.get("class"), child.get("d")) for child in tile] for tile in svg]
    assert {tile.get("id") for tile in svg} >= {*(f"tone-{n}" for n in range(1, 11)), "tone-others", "tone-failed"}
    plain = [tile for tile in tiles if len(tile) == 1]
    hatched = [str(tile) for tile in tiles if len(tile) > 1]
    assert len(plain) == 2  # the first client, and what failed: never on the same side of the axis
    assert len(set(hatched)) >= len(hatched) - 1  # what was cancelled has the second client's, on the other side


def test_pointing_at_a_bar_tells_its_figures_and_only_those() -> None:
    series = [Series(name="a", tone="1", values=[3.0, 0]), Series(name="b", tone="2", values=[1.0, 0])]
    svg = fromstring(str(stacked_bars(a_chart(series))))
    assert [tip.findtext("title") for tip in of(svg, "rect", "tip")] == ["Day 1\nb: 1\na: 3", "Day 2\nnothing"]


@pytest.mark.parametrize("length", [1, 2, 7, 14, 30, 90, 104, 365])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_labels_of_days_do_not_run_into_each_other(length: int, size: Size) -> None:
    bins = [Bin(label="28 Nov", name="x") for _ in range(length)]
    chart = Bars(id="c", title="", summary="", bins=bins, series=[Series(name="a", tone="1", values=[1e4] * length)])
    svg = fromstring(str(stacked_bars(chart, size)))
    places = sorted(float(text.get("x") or 0) for text in of(svg, "text", "label") if text.text == "28 Nov")
    assert len(places) >= min(length, 2)
    assert all(right - left >= 6 * 7 for left, right in pairwise(places))


@given(st.floats(0, 1e15), st.floats(0, 1e15), st.booleans())
@example(0.3, 0.1, False)
@example(5e-324, 0, False)
def test_an_axis_reaches_as_far_as_its_bars_with_a_few_lines(above: float, below: float, whole: bool) -> None:
    axis = scale(above, below, whole=whole)
    assert isfinite(axis.step)
    assert axis.step > 0
    assert axis.high >= above * (1 - 1e-6)
    assert axis.low == -below
    assert 2 <= len(axis.lines) <= 8
    assert any(abs(line) < axis.step / 2 for line in axis.lines)
    assert not whole or all(line == round(line) for line in axis.lines)


@pytest.mark.parametrize(
    ("above", "lines"),
    [
        (0, [0, 1]),
        (1, [0, 0.25, 0.5, 0.75, 1]),
        (7, [0, 2, 4, 6, 8]),
        (95, [0, 25, 50, 75, 100]),
        (0.3, [0, 0.1, 0.2, 0.3]),
    ],
)
def test_lines_are_at_round_numbers(above: float, lines: Sequence[float]) -> None:
    assert list(scale(above).lines) == pytest.approx(lines)


@pytest.mark.parametrize(
    ("number", "text", "usd"),
    [
        (0, "0", "$0"),
        (0.5, "0.5", "$0.50"),
        (0.025, "0.025", "$0.025"),
        (12, "12", "$12"),
        (1500, "1.5k", "$1.5k"),
        (2e6, "2M", "$2M"),
        (1e-9, "1.0e-09", "$1.0e-09"),
        (1e18, "1.0e+18", "$1.0e+18"),
        (7.5791, "7.579", "$7.58"),
    ],
)
def test_numbers_at_an_axis_are_short(number: float, text: str, usd: str) -> None:
    assert (short(number), short_money(number)) == (text, usd)


@given(st.dates(), st.integers(0, 4000))
@example(date.max, 0)
@example(date(9999, 12, 20), 4000)
@example(date.max - timedelta(days=300), 300)
def test_periods_have_every_day_once_in_order(first: date, length: int) -> None:
    last = date.fromordinal(min(first.toordinal() + length, date.max.toordinal()))
    found = cut(first, last)
    assert (found.periods[0].first, found.periods[-1].last) == (first, last)
    for one, next_one in pairwise(found.periods):
        assert next_one.first.toordinal() == one.last.toordinal() + 1
        assert {"day": one.first == one.last, "week": one.last.weekday() == 6, "month": next_one.first.day == 1}[
            found.unit
        ]
    assert len(found.periods) <= 140


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12), st.none() | st.floats(), sizes)
def test_shares_stay_within_their_box(parts: list[float], due: float | None, size: Size) -> None:
    rows = [Part(name="A client " * 9, letter="A", tone="1", part=part, due=due, told="50% · 3 h") for part in parts]
    svg = fromstring(str(shares("s", "Shares", "", rows, size)))
    _, _, width, height = map(float, (svg.get("viewBox") or "").split())
    assert (width, height) == (size.width, max(1, len(rows)) * 40)
    assert all(0 <= number <= max(width, height) for number in numbers(svg))
    for bar in (element for element in of(svg, "rect") if element.get("fill")):
        assert float(bar.get("x") or 0) + float(bar.get("width") or 0) <= width
    for mark in of(svg, "path", "due"):
        assert 0 <= float(NUMBER.findall(mark.get("d") or "")[0]) <= width


def a_chart(series: Sequence[Series]) -> Bars:
    bins = [Bin(label="1", name="Day 1"), Bin(label="2", name="Day 2")]
    return Bars(id="c", title="Cost", summary="In words", bins=bins, series=series)
