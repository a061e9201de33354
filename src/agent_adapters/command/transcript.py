"""What one run of an agent has written, as far as anybody can tell without knowing the agent. Pure."""

import json
from collections import deque

from agent_adapters.processes import LONGEST_ERROR, Lines, Stream, shortened, tidy
from agent_core.domain.job import MessageType
from agent_core.ports import AgentMessage

LAST_LINES = 100
LONGEST_LINE = 1000
LONGEST_RESULT = 4000


class Transcript:
    """Takes the lines of a run in turn and makes messages of them."""

    def __init__(self) -> None:
        self._text: deque[str] = deque(maxlen=LAST_LINES)
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    def hear(self, lines: Lines) -> list[AgentMessage]:
        """Make the lines' messages. An event in JSON goes to the job's log file as such, too."""
        said = (self._hear(lines.stream, text.decode()) for text in lines.texts)
        return [message for message in said if message]

    def _hear(self, stream: Stream, text: str) -> AgentMessage | None:
        words = tidy(text)
        is_event = stream is Stream.STDOUT and _is_json_object(words)
        if stream is Stream.STDOUT and not is_event:
            self._text.append(shortened(words, LONGEST_LINE))
        if not words.strip():
            return None
        self._last.append(shortened(words, LONGEST_LINE))
        kind = MessageType.STDOUT if stream is Stream.STDOUT else MessageType.STDERR
        return AgentMessage(kind, words, words.encode() if is_event else None)

    @property
    def result_text(self) -> str | None:
        """The last text that the agent wrote to its standard output."""
        return _end_of("\n".join(self._text).strip(), LONGEST_RESULT) or None

    @property
    def last_words(self) -> str:
        """The last of all that the agent wrote."""
        return _end_of("\n".join(self._last), LONGEST_ERROR)


def _end_of(text: str, length: int) -> str:
    return text if len(text) <= length else f"…{text[-length:]}"


def _is_json_object(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
