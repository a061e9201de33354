"""What the usage page draws and lists, made of the ledger's lines. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from operator import attrgetter

import attrs
from attrs import frozen

from agent_core.domain.ledger import Usage
from agent_core.use_cases.usage import DailyUsage
from agent_http.page.charts import CANCELLED, FAILED, LETTERS, OTHERS, TOLD_APART, Bars, Bin, Part, Series
from agent_http.page.periods import Cut, Period
from agent_http.page.scales import short_money
from agent_http.page.wording import count, money

_FIELDS = tuple(field.name for field in attrs.fields(Usage))
_figures_of = attrgetter(*_FIELDS)
_NOTHING = Usage()


@frozen(kw_only=True)
class Shown:
    """One client of the charts, or all that are not told apart: its pattern, its letter, and what it used by period.

    `id` is None for the others.
    """

    id: str | None
    name: str
    tone: str
    letter: str
    by_period: Sequence[Usage]
    total: Usage


@frozen(kw_only=True)
class Figures:
    """A table below a chart: a row a period, a column a client."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]


def summed(usages: Iterable[Usage]) -> Usage:
    """Add up many."""
    found = list(usages)
    if len(found) < 2:
        return found[0] if found else _NOTHING
    return Usage(**dict(zip(_FIELDS, map(sum, zip(*map(_figures_of, found), strict=True)), strict=True)))


def all_clients(daily: DailyUsage, periods: Sequence[Period]) -> Sequence[Shown]:
    """Return every client that used something, in the order of their cost, the highest first."""
    place = {day: n for n, period in enumerate(periods) for day in _days(period)}
    lines: defaultdict[str, defaultdict[int, list[Usage]]] = defaultdict(lambda: defaultdict(list))
    for line in daily.lines:
        lines[line.client_id][place[line.day]].append(line.usage)
    used = {key: [summed(of.get(n, ())) for n in range(len(periods))] for key, of in lines.items()}
    totals = {key: summed(by_period) for key, by_period in used.items()}
    order = sorted(used, key=lambda key: (-totals[key].cost_usd, -totals[key].jobs, daily.names.get(key, key), key))
    tones = [*((str(n + 1), LETTERS[n]) for n in range(TOLD_APART)), *[(OTHERS, "")] * len(order)]
    return [
        Shown(id=key, name=name_of(key, daily.names), tone=tone, letter=letter, by_period=used[key], total=totals[key])
        for key, (tone, letter) in zip(order, tones, strict=False)
    ]


def told_apart(clients: Sequence[Shown]) -> Sequence[Shown]:
    """Return those that are told apart, and what is left as one."""
    shown, rest = clients[:TOLD_APART], clients[TOLD_APART:]
    if not rest:
        return shown
    by_period = [summed(usages) for usages in zip(*(client.by_period for client in rest), strict=True)]
    name = f"{len(rest)} others" if len(rest) > 1 else "1 other"
    return [*shown, Shown(id=None, name=name, tone=OTHERS, letter="", by_period=by_period, total=summed(by_period))]


def name_of(client_id: str | None, names: Mapping[str, str]) -> str:
    """Return what a client is called; one that was deleted by its id."""
    return names.get(client_id or "") or f"deleted ({client_id})"


def span(milliseconds: int) -> str:
    """Write how long agents worked, in one unit: 40 s, 12 min, 3.5 h, 120 h."""
    for unit, length in (("h", 3_600_000), ("min", 60_000)):
        if milliseconds >= length:
            number = milliseconds / length
            return f"{number:,.1f} {unit}" if number < 10 else f"{number:,.0f} {unit}"
    return f"{milliseconds / 1000:.0f} s"


def cost_bars(shown: Sequence[Shown], cut: Cut) -> Bars:
    """Return the chart of the cost."""
    whole = sum(client.total.cost_usd for client in shown)
    return Bars(
        id="cost",
        title=f"Cost by {cut.unit} and client",
        summary=_summary(cut, shown, f"{money(whole)} in all", lambda usage: usage.cost_usd, money),
        bins=_bins(cut),
        series=[_series(client, lambda usage: usage.cost_usd) for client in shown],
        axis=short_money,
        told=money,
    )


def jobs_bars(shown: Sequence[Shown], cut: Cut) -> Bars:
    """Return the chart of the jobs: completed ones of each client above the axis, the rest of all of them below."""
    by_outcome = [summed(client.by_period[n] for client in shown) for n in range(len(cut.periods))]
    below = [
        Series(name="Failed", tone=FAILED, values=[usage.failed for usage in by_outcome], below=True),
        Series(name="Cancelled", tone=CANCELLED, values=[usage.cancelled for usage in by_outcome], below=True),
    ]
    total = summed(by_outcome)
    told = f"{total.completed} completed, {total.failed} failed, {total.cancelled} cancelled"
    return Bars(
        id="jobs",
        title=f"Jobs by {cut.unit} and client",
        summary=_summary(cut, shown, told, lambda usage: usage.completed, count),
        bins=_bins(cut),
        series=[*(_series(client, lambda usage: usage.completed) for client in shown), *below],
        whole=True,
        axis=lambda number: f"{number:.0f}" if number < 10_000 else count(number),
        told=lambda number: f"{number:,.0f}",
    )


def time_parts(shown: Sequence[Shown], shares: Mapping[str, int]) -> Sequence[Part]:
    """Return the parts of the agents' time; the due ones where the clients' settings give them different shares."""
    whole = sum(client.total.agent_ms for client in shown)
    given = {client.id: shares[client.id] for client in shown if client.id is not None and client.id in shares}
    are_different = len(set(shares.values())) > 1
    parts = []
    for client in sorted(shown, key=lambda client: (client.id is None, -client.total.agent_ms)):
        part = client.total.agent_ms / whole if whole else 0.0
        due = given[client.id] / sum(given.values()) if are_different and client.id in given else None
        told = f"{part:.0%} · {span(client.total.agent_ms)}"
        told += "" if due is None else f" · due {due:.0%}"
        parts.append(Part(name=client.name, letter=client.letter, tone=client.tone, part=part, due=due, told=told))
    return parts


def cost_figures(shown: Sequence[Shown], periods: Sequence[Period]) -> Figures:
    """Return the table of the cost."""
    return _figures(shown, periods, lambda usage: money(usage.cost_usd) if usage.cost_usd else "-")


def jobs_figures(shown: Sequence[Shown], periods: Sequence[Period]) -> Figures:
    """Return the table of the jobs, with what came of them."""
    return _figures(shown, periods, _outcomes)


def _outcomes(usage: Usage) -> str:
    outcomes = ("completed", usage.completed), ("failed", usage.failed), ("cancelled", usage.cancelled)
    return ", ".join(f"{number} {outcome}" for outcome, number in outcomes if number) or "-"


def _figures(shown: Sequence[Shown], periods: Sequence[Period], told: Callable[[Usage], str]) -> Figures:
    rows = []
    for n, period in enumerate(periods):
        here = [client.by_period[n] for client in shown]
        if any(usage.jobs for usage in here):
            rows.append((period.name, [told(summed(here)), *map(told, here)]))
    return Figures(columns=["All", *(client.name for client in shown)], rows=rows)


def _series(client: Shown, figure: Callable[[Usage], float]) -> Series:
    return Series(
        name=client.name, tone=client.tone, letter=client.letter, values=[figure(usage) for usage in client.by_period]
    )


def _bins(cut: Cut) -> Sequence[Bin]:
    return [Bin(label=period.label, name=period.name) for period in cut.periods]


def _summary(
    cut: Cut,
    shown: Sequence[Shown],
    whole: str,
    figure: Callable[[Usage], float],
    told: Callable[[float], str],
) -> str:
    """Say in words what the chart shows."""
    totals = [sum(map(figure, (client.by_period[n] for client in shown))) for n in range(len(cut.periods))]
    most = max(totals, default=0.0)
    text = f"From {cut.periods[0].name} to {cut.periods[-1].name}: {whole}."
    return f"{text} Most in {cut.periods[totals.index(most)].name}: {told(most)}." if most else text


def _days(period: Period) -> Iterable[date]:
    return (date.fromordinal(n) for n in range(period.first.toordinal(), period.last.toordinal() + 1))
