"""What the CLI tells of the subscription's limits becomes windows, each value once."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent_adapters.claude.limits import LimitsTold
from agent_adapters.claude.record import RunRecord
from agent_core.domain.limit_windows import LimitWindow

STREAMS = Path(__file__).parents[2] / "fakes" / "streams"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RESET = int(NOW.timestamp()) + 7200
RESETS_AT = datetime.fromtimestamp(RESET, UTC)


def window(name: str, used: float, resets_at: datetime | None = RESETS_AT) -> LimitWindow:
    return LimitWindow(name=name, used=used, resets_at=resets_at, as_of=NOW)


def told(*infos: dict[str, Any]) -> list[LimitWindow]:
    limits = LimitsTold()
    found: list[LimitWindow] = []
    for info in infos:
        limits.hear(info)
        found += limits.take_news(NOW)
    return found


def told_in(name: str) -> list[LimitWindow]:
    record = RunRecord("/worktree")
    found: list[LimitWindow] = []
    for line in (STREAMS / f"{name}.jsonl").read_text().replace('"RESETS_AT"', str(RESET)).splitlines():
        record.hear(line.encode())
        found += record.limits.take_news(NOW)
    return found


def test_every_window_is_told_of_also_when_all_is_well() -> None:
    windows = {
        "five_hour": {"utilization": 0, "resetsAt": RESET},
        "seven_day": {"utilization": 0.4, "resetsAt": RESET},
    }
    assert told({"status": "allowed", "unifiedWindows": windows}) == [window("five_hour", 0), window("seven_day", 0.4)]


def test_an_older_cli_tells_of_one_window() -> None:
    info = {"status": "allowed_warning", "rateLimitType": "five_hour", "utilization": 0.93, "resetsAt": RESET}
    assert told(info) == [window("five_hour", 0.93)]
    del info["resetsAt"]
    assert told(info) == [window("five_hour", 0.93, None)]


def test_a_window_that_is_refused_is_used_up() -> None:
    assert told({"status": "rejected", "rateLimitType": "seven_day", "resetsAt": RESET}) == [window("seven_day", 1)]


def test_the_answer_that_was_refused_tells_too() -> None:
    info = {"status": "rejected", "rateLimitType": "five_hour", "resetsAt": RESET}
    record = RunRecord("/worktree")
    record.hear(
        json.dumps({"type": "assistant", "error": "rate_limit", "api_error_params": {"rate_limit_info": info}}).encode()
    )
    assert record.limits.take_news(NOW) == (window("five_hour", 1),)


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"status": "allowed", "isUsingOverage": False},
        {"status": "rejected", "isUsingOverage": False},
        {"status": "rejected", "rateLimitType": "five_hour"},
        {"status": "rejected", "resetsAt": RESET},
        {"status": "allowed", "rateLimitType": "five_hour", "resetsAt": RESET},
        {"status": "allowed", "rateLimitType": "five_hour", "utilization": "much"},
        {"status": "allowed", "rateLimitType": "five_hour", "utilization": True},
        {"status": "allowed", "rateLimitType": "five_hour", "utilization": float("nan")},
        {"status": "allowed", "unifiedWindows": {"five_hour": 0.5}},
        {"status": "allowed", "unifiedWindows": [1]},
    ],
)
def test_an_event_that_tells_of_no_use_is_no_news(info: dict[str, Any]) -> None:
    assert told(info) == []


def test_the_same_is_not_told_twice_and_what_changed_is() -> None:
    def info(five: float, seven: float) -> dict[str, Any]:
        shares = {"five_hour": five, "seven_day": seven}
        windows = {name: {"utilization": used, "resetsAt": RESET} for name, used in shares.items()}
        return {"status": "allowed", "unifiedWindows": windows}

    assert told(info(0.5, 0.4), info(0.5, 0.4), info(0.6, 0.4)) == [
        window("five_hour", 0.5),
        window("seven_day", 0.4),
        window("five_hour", 0.6),
    ]


def test_what_the_real_cli_wrote_at_a_limit_reads_as_its_windows() -> None:
    assert told_in("usage-limit-mid-run") == [
        window("five_hour", 0.97),
        window("five_hour", 1.02),
        window("seven_day", 0.4),
    ]
    assert told_in("usage-warning") == [window("five_hour", 0.93)]
    assert told_in("write") == [window("five_hour", 0.2)]
