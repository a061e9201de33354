"""The callbacks that the server sends, as webhooks."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]
ENDED = "jobEnded"
HELD = "jobHeld"


def webhooks() -> Json:
    """Describe both callbacks; their payloads are among the schemas."""
    ended = "A job with an osCallbackUrl is completed, failed or cancelled"
    held = "A job that asked for it (notifyHeld) has to wait for a limit of the subscription"
    events = ["job.completed", "job.failed", "job.cancelled"]
    return {
        ENDED: {"post": _callback(ENDED, ended, "CallbackPayload", events)},
        HELD: {"post": _callback(HELD, held, "HeldCallbackPayload", ["job.held"])},
    }


def payloads() -> Json:
    """Describe what is sent, as `callback_body` writes it."""
    text: Json = {"type": ["string", "null"]}
    number: Json = {"type": ["integer", "null"]}
    time: Json = {"type": ["string", "null"], "format": "date-time"}
    common: Json = {
        "jobId": {"type": "string"},
        "osFeatureId": text,
        "status": {"$ref": "#/components/schemas/JobStatus"},
        "prUrl": text,
        "prNumber": number,
        "filesChanged": number,
        "error": text,
        "completedAt": time,
    }
    tags: Json = {
        "description": "The job's tags; missing where it has none.",
        "type": "object",
        "additionalProperties": {"type": "string"},
    }
    held: Json = {"heldUntil": time, "heldReason": {"type": "string"}}
    return {
        "CallbackPayload": _object("A job has ended.", common, {"tags": tags}),
        "HeldCallbackPayload": _object(
            "A job waits for a limit; null: until it is lifted.", {**common, **held}, {"tags": tags}
        ),
    }


def _object(description: str, required: Json, optional: Json) -> Json:
    return {
        "description": description,
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


def _callback(name: str, when: str, payload: str, events: Sequence[str]) -> Json:
    return {
        "operationId": name,
        "summary": when,
        "description": (
            "Posted to the job's osCallbackUrl, in compact JSON. Verify the signature on the bytes as they arrived, "
            "before parsing. It is tried again for three and a half days, until a 2xx answer or 410; `webhook-id` "
            "stays the same, so that a receiver can ignore what it has already."
        ),
        "tags": ["callbacks"],
        "security": [],
        "parameters": _headers(events),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{payload}"}}},
        },
        "responses": {
            "2XX": {"description": "It has arrived"},
            "410": {"description": "Send no more of this one"},
            "default": {"description": "Send it again later; Retry-After is heeded"},
        },
    }


def _headers(events: Sequence[str]) -> Sequence[Json]:
    text: Json = {"type": "string"}
    told = (
        ("X-Agent-Event", {"enum": list(events)}, True, "What has happened."),
        ("X-Agent-Delivery-Attempt", {"type": "integer", "minimum": 1}, True, "1, 2, ..."),
        ("X-Agent-Signature", text, False, "`sha256=` and the HMAC-SHA256 of the body in hex, by WEBHOOK_SECRET."),
        ("webhook-id", text, True, "The callback's id, by Standard Webhooks."),
        ("webhook-timestamp", text, False, "Seconds since 1970, by Standard Webhooks."),
        ("webhook-signature", text, False, "By Standard Webhooks."),
    )
    return [
        {"name": name, "in": "header", "required": required, "schema": schema, "description": description}
        for name, schema, required, description in told
    ]
