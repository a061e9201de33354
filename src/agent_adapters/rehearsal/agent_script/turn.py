"""One prompt and the events that answer it."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .order import Order, headline
from .session import Session, Task

COST = 0.001
"""US dollars a turn."""


class Bounds(NamedTuple):
    """What the command line says of a run."""

    model: str
    max_turns: int
    """0 is no limit."""
    max_cost: float | None
    """US dollars."""


class ToolFailed(Exception):
    """What a tool did went wrong; the text says how."""


class CutShort(Exception):
    """The run has reached a bound; `result` closes it."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result["subtype"])
        self.result = result


class Turn:
    """Sends events and counts what they use. `goes_on`: an earlier run has begun this task."""

    def __init__(
        self,
        session: Session,
        task: Task,
        order: Order,
        bounds: Bounds,
        *,
        goes_on: bool,
        pace: float,
        emit: Callable[[dict[str, Any]], None],
    ) -> None:
        self.session = session
        self.task = task
        self.options = order.options
        self.goes_on = goes_on
        self.pace = pace
        self.turns = 1
        self.headline = headline(task["prompt"])
        self._words = len(task["prompt"])
        self._bounds = bounds
        self._emit = emit
        self._started = time.monotonic()

    def option(self, name: str) -> float:
        """Return the value of an option that the scenario has a default for."""
        return self.options[name] or 0.0

    # ------------------------------------------------------------------ events
    def send(self, kind: str, **fields: Any) -> None:
        """Send one event, at the turn's pace."""
        self._emit({"type": kind, **fields, **self._marks()})
        time.sleep(self.pace)

    def say(self, text: str, *, counted: bool = True) -> None:
        """Say something, as the assistant does."""
        self._words += len(text) if counted else 0
        self._assistant({"type": "text", "text": text})

    def use(self, tool: str, arguments: Mapping[str, Any], act: Callable[[], str]) -> bool:
        """Use a tool: tell which, do it, tell what came of it; return whether it went well. Raises CutShort."""
        cost, highest = COST * self.turns, self._bounds.max_cost
        if highest is not None and cost > highest:
            raise self._cut_short("error_max_budget_usd", "budget_exhausted", f"Reached maximum budget (${highest:g})")
        call = f"toolu_{uuid.uuid4().hex[:12]}"
        self._assistant({"type": "tool_use", "id": call, "name": tool, "input": arguments})
        result: dict[str, Any] = {"tool_use_id": call, "type": "tool_result"}
        try:
            result["content"] = act()
        except ToolFailed as problem:
            result |= {"content": str(problem), "is_error": True}
        self.turns += 1
        self.send("user", message={"role": "user", "content": [result]}, parent_tool_use_id=None)
        if 0 < self._bounds.max_turns < self.turns:
            sentence = f"Reached maximum number of turns ({self._bounds.max_turns})"
            raise self._cut_short("error_max_turns", "max_turns", sentence)
        return "is_error" not in result

    def _assistant(self, block: dict[str, Any]) -> None:
        usage = {"input_tokens": self._words, "output_tokens": 1}
        message = {"id": f"msg_{self.turns}", "role": "assistant", "model": self._bounds.model, "content": [block]}
        self.send("assistant", message={**message, "usage": usage, "stop_reason": None}, parent_tool_use_id=None)

    def _marks(self) -> dict[str, str]:
        return {"session_id": self.session.id, "uuid": str(uuid.uuid4())}

    # ------------------------------------------------------------------ results
    def success(self, text: str) -> dict[str, Any]:
        """Make the event that closes a run which went well."""
        return self._result(
            subtype="success", is_error=False, result=text, terminal_reason="completed", api_error_status=None
        )

    def failure(self, text: str) -> dict[str, Any]:
        """Make the event that closes a run which went wrong."""
        return self._result(
            **{"subtype": "error_during_execution", "is_error": True, "result": text, "errors": [text]},
            **{"terminal_reason": "error", "api_error_status": None},
        )

    def refused(self, text: str, error: str, status: int | None, **facts: Any) -> dict[str, Any]:
        """Tell that the service has refused a request, and make the event that closes the run.

        `error` is the kind of refusal; `facts` stand in both events.
        """
        told = {**facts, **({} if status is None else {"api_error_status": status})}
        message = {
            **{"id": f"msg_{self.turns}", "role": "assistant", "model": "<synthetic>", "stop_reason": "stop_sequence"},
            "content": [{"type": "text", "text": text}],
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        self.send("assistant", message=message, error=error, is_api_error_message=True, **told)
        told = {key: value for key, value in told.items() if key != "api_error_params"}
        return self._result(
            **{"api_error_status": None, **told},
            **{"subtype": "success", "is_error": True, "result": text, "terminal_reason": "api_error"},
        )

    def _cut_short(self, subtype: str, reason: str, sentence: str) -> CutShort:
        fields = {"subtype": subtype, "is_error": True, "errors": [sentence], "terminal_reason": reason}
        return CutShort(self._result(**fields))

    def _result(self, **fields: Any) -> dict[str, Any]:
        """Costs go on from the session's earlier runs, as the CLI's do."""
        used = {"inputTokens": self._words * self.turns, "outputTokens": self._words, "costUSD": COST * self.turns}
        self.session.facts["cost"] += used["costUSD"]
        self.session.save()
        return {
            "type": "result",
            **fields,
            "num_turns": self.turns,
            "duration_ms": round((time.monotonic() - self._started) * 1000),
            "total_cost_usd": self.session.facts["cost"],
            "usage": {"input_tokens": used["inputTokens"], "output_tokens": used["outputTokens"]},
            "modelUsage": {self._bounds.model: {**used, "costUSD": self.session.facts["cost"]}},
            "model_usage_since_last_result": {self._bounds.model: used},
            "permission_denials": [],
            **self._marks(),
        }
