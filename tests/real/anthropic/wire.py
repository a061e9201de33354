"""An answer as the Messages API writes it: one JSON object, or the same as a stream of events. Pure."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from tests.real.anthropic.turns import Turn

INPUT_TOKENS = 1000
OUTPUT_TOKENS = 50
"""What each answer is said to have used."""
PIECES = 3
"""Into how many deltas a block is cut."""

Json = dict[str, Any]


def message(turn: Turn, model: str, cwd: str) -> Json:
    """Make the message that the turn stands for."""
    blocks: list[Json] = [_filled(dict(block), cwd) for block in turn.blocks]
    for block in blocks:
        if block["type"] == "tool_use":
            block["id"] = f"toolu_{uuid.uuid4().hex}"
    uses_a_tool = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": "tool_use" if uses_a_tool else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": INPUT_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": OUTPUT_TOKENS,
        },
    }


def events(whole: Mapping[str, Any]) -> Iterator[str]:
    """Cut a message into the server-sent events that stream it."""
    usage = {**whole["usage"], "output_tokens": 1}
    yield _event("message_start", message={**whole, "content": [], "stop_reason": None, "usage": usage})
    for index, block in enumerate(whole["content"]):
        empty, kind, key, text = _opened(block)
        yield _event("content_block_start", index=index, content_block=empty)
        size = max(1, -(-len(text) // PIECES))
        for at in range(0, len(text), size):
            yield _event("content_block_delta", index=index, delta={"type": kind, key: text[at : at + size]})
        yield _event("content_block_stop", index=index)
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=ending, usage=whole["usage"])
    yield _event("message_stop")


def _opened(block: Json) -> tuple[Json, str, str, str]:
    """Return the block as it begins, type and key of its deltas, and the text that they carry."""
    if block["type"] == "text":
        return {**block, "text": ""}, "text_delta", "text", block["text"]
    return {**block, "input": {}}, "input_json_delta", "partial_json", json.dumps(block["input"])


def _event(kind: str, **fields: object) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def _filled(value: Any, cwd: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, cwd) for key, item in value.items()}
    return value.replace("{cwd}", cwd) if isinstance(value, str) else value
