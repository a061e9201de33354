"""Periods: a range of days cut into as many parts as a chart has room for. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta

from attrs import frozen

_DAYS_UP_TO = 100
_WEEKS_UP_TO = 100 * 7
DAY = timedelta(days=1)


@frozen(kw_only=True)
class Period:
    """Days that are drawn as one, both included, with a short and a full name."""

    first: date
    last: date
    label: str
    name: str


@frozen
class Cut:
    """A range of days in its periods, and what one of them is: a day, a week or a month."""

    unit: str
    periods: Sequence[Period]


def cut(first: date, last: date) -> Cut:
    """Cut the days from `first` to `last`, both included, into days, weeks from Monday, or months."""
    days = (last - first).days + 1
    if days <= _DAYS_UP_TO:
        return Cut("day", [_day(first + DAY * n) for n in range(days)])
    by_week = days <= _WEEKS_UP_TO
    found = []
    start = first
    while start <= last:
        end = min(last, _end_of_week(start) if by_week else _end_of_month(start))
        found.append(_week(start, end) if by_week else _month(start, end))
        if end == last:  # the day after the last one of all cannot be told
            break
        start = end + DAY
    return Cut("week" if by_week else "month", found)


def written(day: date) -> str:
    """Write a day: 7 Jan 2026."""
    return f"{day.day} {day:%b} {day.year}"


def _day(day: date) -> Period:
    return Period(first=day, last=day, label=f"{day.day} {day:%b}", name=f"{day:%a} {written(day)}")


def _week(first: date, last: date) -> Period:
    return Period(first=first, last=last, label=f"{first.day} {first:%b}", name=f"{written(first)} to {written(last)}")


def _month(first: date, last: date) -> Period:
    return Period(first=first, last=last, label=f"{first:%b} {first:%y}", name=f"{first:%B} {first.year}")


def _end_of_week(day: date) -> date:
    left = 6 - day.weekday()
    return day + DAY * left if left <= (date.max - day).days else date.max


def _end_of_month(day: date) -> date:
    return date.max if (day.year, day.month) == (date.max.year, 12) else _next_month(day) - DAY


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
