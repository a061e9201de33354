"""The signatures of a callback: the one of the specification, and those of Standard Webhooks beside it."""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from enum import StrEnum

from standardwebhooks import Webhook

_ENCODED_KEY = re.compile(r"whsec_[A-Za-z0-9+/]+={0,2}")


class SignatureFormat(StrEnum):
    """How X-Agent-Signature is written: `sha256=<hex>`, or the bare hex for receivers that compare that."""

    PREFIXED = "sha256"
    HEX = "hex"


class Signer:
    """Signs bodies. Without a secret it adds only the id and the time.

    `old_secret` is the one before a rotation: receivers that still have it find their signature in
    `webhook-signature`. Raises ValueError for a secret that begins with whsec_ and goes on with anything but base64.
    """

    def __init__(
        self,
        secret: str | None,
        old_secret: str | None = None,
        signature_format: SignatureFormat = SignatureFormat.PREFIXED,
    ) -> None:
        self._secret = secret or None
        self._format = signature_format
        self._keys = [_standard_key(text) for text in (secret, old_secret) if text] if secret else []

    def headers(self, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
        """Return the headers for this body, sent at this time. `message_id` must hold no dot."""
        at = at.astimezone(UTC)  # Webhook.sign() takes the clock's face for UTC, whatever the zone
        headers = {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp()))}
        if self._secret is None:
            return headers
        digest = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        prefix = "sha256=" if self._format is SignatureFormat.PREFIXED else ""
        text = body.decode()
        signatures = " ".join(key.sign(message_id, at, text) for key in self._keys)
        return headers | {"X-Agent-Signature": prefix + digest, "webhook-signature": signatures}


def _standard_key(secret: str) -> Webhook:
    if not secret.startswith("whsec_"):
        return Webhook(secret.encode())  # a plain str would be decoded as base64, to another key
    if not _ENCODED_KEY.fullmatch(secret) or len(secret.removeprefix("whsec_").rstrip("=")) % 4 == 1:
        raise ValueError("a webhook secret that begins with whsec_ must go on with base64")
    return Webhook(secret)
