"""What one run of the CLI has told so far, as far as it decides how the run ended. Pure."""

from collections import deque

from agent_adapters.claude.answer import Answer, answer_in, read_answer
from agent_adapters.claude.events import ERR, OUT, left_out, plain, said
from agent_adapters.claude.limits import LimitsTold
from agent_adapters.claude.usage import UsageTold
from agent_adapters.claude.values import Event, fit, mapping, number, parse, text
from agent_adapters.processes import shortened
from agent_core.domain.job import AgentReport
from agent_core.ports import AgentMessage

UNKNOWN_SESSION = "No conversation found"
USED_SESSION = "is already in use"
LAST_WORDS = 20
LONGEST_LAST_WORD = 500
LONGEST_LINE = 1 << 20
"""An event of more bytes than this that cannot be read was cut on its way."""


class RunRecord:
    """Takes the lines of a run in turn and makes messages of them; the last result counts."""

    def __init__(self, cwd: str, session_id: str = "") -> None:
        self.begun = False
        """Whether the CLI got as far as a conversation."""
        self.resting = False
        """Whether the last thing of weight was a result: all that is left to do is to end."""
        self.result: Event | None = None
        self.limit: Event = {}
        """The last word on the usage limit."""
        self.limits = LimitsTold()
        self.usage = UsageTold()
        self.failure = ""
        """The kind of the API's error, when the last answer was one."""
        self.refusal = ""
        """What the CLI has against the session id, if it has."""
        self.last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._cwd = cwd
        self._session_id = session_id
        self._model = ""
        self._used: list[Event] = []

    def hear(self, raw: bytes) -> list[AgentMessage]:
        """Take a line of standard output, in UTF-8."""
        event = read_answer(raw) or parse(raw)
        if event is None:
            line = raw.decode()
            self.last_words.append(shortened(line, LONGEST_LAST_WORD))
            return plain(OUT, line) if not raw.startswith(b"{") or len(raw) < LONGEST_LINE else left_out(raw)
        if isinstance(event, dict) and event.get("type") == "assistant":
            event = answer_in(event)
        if isinstance(event, Answer):
            self._take_answer(event)
        else:
            self._take(event)
        return said(event, raw, self._cwd)

    def hear_complaint(self, raw: bytes) -> list[AgentMessage]:
        """Take a line of standard error, in UTF-8."""
        line = raw.decode()
        self.last_words.append(shortened(line, LONGEST_LAST_WORD))
        self._note_refusal(line)
        return plain(ERR, line)

    def _take_answer(self, answer: Answer) -> None:
        self.begun, self.resting = True, False
        self.failure = fit(answer.error or "")
        self.usage.hear(answer)
        if answer.api_error_params:
            self._note_limit(mapping(answer.api_error_params, "rate_limit_info"))

    def _take(self, event: Event) -> None:
        match event.get("type"):
            case "system" if event.get("subtype") == "init":
                self.begun, self.resting = True, False
                self._model = text(event, "model") or self._model
                self._cwd = text(event, "cwd") or self._cwd
            case "user":
                self.resting = False
            case "rate_limit_event":
                self._note_limit(mapping(event, "rate_limit_info"))
            case "result":
                self.resting = True
                self.result = event
                self._used.append(mapping(event, "model_usage_since_last_result"))
                for error in _texts(event, "errors"):
                    self._note_refusal(error)

    def _note_limit(self, info: Event) -> None:
        if info:
            self.limit = info
            self.limits.hear(info)

    def _note_refusal(self, words: str) -> None:
        refused = self._session_id in words and (UNKNOWN_SESSION in words or USED_SESSION in words)
        if refused and not self.begun:
            self.refusal = words.strip()

    def report(self, exit_code: int | None) -> AgentReport:
        """Sum the run up.

        Cost and tokens are those of this run alone where the CLI tells them apart. An older CLI does not: its cost of
        a resumed session includes that of the session's earlier runs.
        """
        result = self.result or {}
        used = [model for models in self._used for model in models.values() if isinstance(model, dict)]
        usage = mapping(result, "usage")
        inputs = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
        if used:
            tokens_in = sum(number(model, key) for model in used for key in inputs)
            tokens_out = sum(number(model, "outputTokens") for model in used)
            cost = sum(number(model, "costUSD") for model in used)
        else:
            keys = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
            tokens_in = sum(number(usage, key) for key in keys)
            tokens_out = number(usage, "output_tokens")
            cost = 0 if "model_usage_since_last_result" in result else number(result, "total_cost_usd")
        return AgentReport(
            exit_code=exit_code,
            model=self._model or None,
            num_turns=int(number(result, "num_turns")),
            input_tokens=int(tokens_in),
            output_tokens=int(tokens_out),
            cost_usd=float(cost),
            duration_ms=int(number(result, "duration_ms")),
            result_text=None if result.get("is_error") is True else text(result, "result") or None,
        )


def _texts(event: Event, key: str) -> list[str]:
    value = event.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def error_text(result: Event) -> str:
    """Return what a failed result says of its failure."""
    return text(result, "result") or "; ".join(_texts(result, "errors")) or text(result, "subtype")
