"""An answer of the model, by far the commonest event. Pure.

What is asked of it is read by its type, in a quarter of the time that the whole event takes. One of another shape, as
the CLI may write some day, is read as the other events are: what is of another type counts as not there.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from agent_adapters.claude.values import ENDLESS, Event, items, mapping, number, text

Count = Annotated[int, msgspec.Meta(ge=0, lt=ENDLESS)]


class Block(msgspec.Struct, frozen=True, gc=False):
    """A part of what the model said: words, thoughts or the use of a tool."""

    type: str = ""
    text: str = ""
    name: str = ""
    input: dict[str, Any] = {}


class Usage(msgspec.Struct, frozen=True, gc=False):
    """The tokens of the answer so far."""

    input_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    output_tokens: Count = 0


class Words(msgspec.Struct, frozen=True, gc=False):
    """What the model's own API gave."""

    id: str = ""
    content: Sequence[Block] = ()
    usage: Usage | None = None


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An `assistant` event. `error` names what went wrong at the API, when this tells of that."""

    type: Literal["assistant"]
    message: Words = Words()
    parent_tool_use_id: str | None = None
    error: str | None = None
    is_api_error_message: bool = False
    api_error_params: dict[str, Any] | None = None

    @property
    def failed(self) -> bool:
        """Whether this is the CLI's word on a failure, and not the model's."""
        return bool(self.error) or self.is_api_error_message


_quickly = msgspec.json.Decoder(Answer).decode


def read_answer(line: bytes) -> Answer | None:
    """Read a line that is an answer of the usual shape; None when it is not."""
    try:
        return _quickly(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def answer_in(event: Event) -> Answer:
    """Take what there is of an answer in an `assistant` event of any shape."""
    message = mapping(event, "message")
    usage = message.get("usage")
    blocks = [
        Block(type=text(it, "type"), text=text(it, "text"), name=text(it, "name"), input=dict(mapping(it, "input")))
        for it in items(message, "content")
    ]
    return Answer(
        type="assistant",
        message=Words(id=text(message, "id"), content=blocks, usage=_usage(usage) if isinstance(usage, dict) else None),
        parent_tool_use_id=None if event.get("parent_tool_use_id") is None else text(event, "parent_tool_use_id"),
        error=text(event, "error") or None,
        is_api_error_message=bool(event.get("error")) or event.get("is_api_error_message") is True,
        api_error_params=dict(mapping(event, "api_error_params")) or None,
    )


def _usage(told: Event) -> Usage:
    return Usage(**{name: int(number(told, name)) for name in Usage.__struct_fields__})
