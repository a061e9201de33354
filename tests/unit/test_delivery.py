"""Callbacks: what is sent, and when it is tried again."""

import json
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.delivery import (
    MAX_JITTER,
    RETRY_AFTER,
    Delivery,
    DeliveryState,
    Receipt,
    after_attempt,
    callback_body,
    callback_for,
)
from agent_core.domain.job import JobState
from tests.unit.builders import NOW, a_job


def a_delivery(**changes: Any) -> Delivery:
    job = a_job(state=JobState.COMPLETED, completed_at=NOW, os_callback_url="https://os.example/hook")
    delivery = callback_for(job, "msg_1", NOW)
    assert delivery is not None
    return evolve(delivery, **changes)


def test_the_payload_has_the_specifications_keys_in_its_order_and_no_spaces() -> None:
    job = a_job(
        state=JobState.COMPLETED,
        os_feature_id="4e7df575",
        pr_url="https://x/pull/42",
        pr_number=42,
        files_changed=5,
        completed_at=NOW,
    )
    assert callback_body(job) == (
        b'{"jobId":"job-1","osFeatureId":"4e7df575","status":"completed","prUrl":"https://x/pull/42",'
        b'"prNumber":42,"filesChanged":5,"error":null,"completedAt":"2026-01-07T12:00:00Z"}'
    )


@given(st.text(alphabet=st.characters(), max_size=50))
def test_any_text_in_an_error_gives_valid_utf8_json(text: str) -> None:
    body = callback_body(a_job(state=JobState.FAILED, error=text, completed_at=NOW))
    assert json.loads(body.decode())["status"] == "failed"


def test_a_job_without_a_callback_url_gets_no_callback() -> None:
    assert callback_for(a_job(state=JobState.FAILED), "msg_1", NOW) is None


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
def test_the_event_names_how_the_job_ended(state: JobState) -> None:
    delivery = callback_for(a_job(state=state, os_callback_url="https://os.example"), "msg_1", NOW)
    assert delivery is not None
    assert delivery.event == f"job.{state}"


def test_a_refused_callback_follows_the_schedule_and_is_dead_after_the_last_try() -> None:
    delivery, now, waits = a_delivery(), NOW, []
    while delivery.state is DeliveryState.PENDING:
        delivery = after_attempt(delivery, Receipt(status=500), now, 0.0)
        if delivery.state is DeliveryState.PENDING:
            waits.append(delivery.next_at - now)
            now = delivery.next_at
    assert waits == list(RETRY_AFTER)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, 10)
    assert [attempt.status for attempt in delivery.history] == [500] * 10
    assert [later.at - earlier.at for earlier, later in pairwise(delivery.history)] == list(RETRY_AFTER)


def test_an_accepted_callback_is_not_tried_again() -> None:
    assert after_attempt(a_delivery(), Receipt(status=204), NOW, 0.5).state is DeliveryState.DELIVERED


def test_a_receiver_that_is_gone_gets_no_second_try() -> None:
    assert after_attempt(a_delivery(), Receipt(status=410), NOW, 0.5).state is DeliveryState.DEAD


@pytest.mark.parametrize("status", [302, 404, 500, None])
def test_anything_but_a_2xx_is_tried_again(status: int | None) -> None:
    assert after_attempt(a_delivery(), Receipt(status=status, error="x"), NOW, 0.0).state is DeliveryState.PENDING


@given(st.integers(0, 10**7), st.floats(0, 1), st.integers(0, len(RETRY_AFTER) - 1))
def test_retry_after_may_lengthen_a_wait_but_never_shorten_it(asked: int, jitter: float, before: int) -> None:
    receipt = Receipt(status=503, retry_after=timedelta(seconds=asked))
    wait = after_attempt(a_delivery(attempts=before), receipt, NOW, jitter).next_at - NOW
    assert RETRY_AFTER[before] <= wait <= max(RETRY_AFTER[-1], RETRY_AFTER[before] * (1 + MAX_JITTER))


def test_every_try_sends_the_same_bytes_under_the_same_id() -> None:
    before = a_delivery()
    after = after_attempt(before, Receipt(status=500), NOW, 0.3)
    assert (after.id, after.body) == (before.id, before.body)
