"""Signatures: what a receiver computes for itself must come out."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from agent_adapters.webhook import SignatureFormat, Signer

BODY = '{"jobId":"j","error":"caf\u00e9 \u2028 \U0001f600"}'.encode()


def now() -> datetime:
    return datetime.now(UTC)


def whsec(secret: str) -> str:
    return "whsec_" + base64.b64encode(secret.encode()).decode()


def test_the_specifications_signature_is_the_hmac_of_the_raw_body() -> None:
    expected = hmac.new(b"s3cret", BODY, hashlib.sha256).hexdigest()
    assert Signer("s3cret").headers("msg_1", now(), BODY)["X-Agent-Signature"] == f"sha256={expected}"
    bare = Signer("s3cret", signature_format=SignatureFormat.HEX)
    assert bare.headers("msg_1", now(), BODY)["X-Agent-Signature"] == expected


@pytest.mark.parametrize("secret", ["s3cret", "not base64!", "abcd", "12345", "p\u00e4ss"])
def test_a_plain_secret_verifies_with_its_base64_at_the_receiver(secret: str) -> None:
    headers = Signer(secret).headers("msg_1", now(), BODY)
    Webhook(whsec(secret)).verify(BODY, headers)


def test_a_whsec_secret_is_decoded_for_standard_webhooks_and_taken_as_text_for_the_other() -> None:
    secret = whsec("s3cret")
    headers = Signer(secret).headers("msg_1", now(), BODY)
    Webhook(secret).verify(BODY, headers)
    assert headers["X-Agent-Signature"] == "sha256=" + hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=9)), timezone(timedelta(hours=-7))])
def test_the_time_is_the_moment_and_not_the_clocks_face(zone: timezone) -> None:
    headers = Signer("s3cret").headers("msg_1", datetime.now(zone), BODY)
    Webhook(whsec("s3cret")).verify(BODY, headers)


def test_while_a_secret_is_rotated_both_receivers_verify() -> None:
    headers = Signer("new", "old").headers("msg_1", now(), BODY)
    Webhook(whsec("new")).verify(BODY, headers)
    Webhook(whsec("old")).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(whsec("other")).verify(BODY, headers)


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_signed(secret: str | None) -> None:
    assert Signer(secret, "old").headers("msg_1", now(), BODY).keys() == {"webhook-id", "webhook-timestamp"}


@pytest.mark.parametrize("secret", ["whsec_", "whsec_***", "whsec_a", "whsec_abc d"])
def test_a_whsec_secret_that_is_not_base64_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        Signer(secret)
