"""What a run of the CLI has used so far, by the usage that its answers carry. Pure."""

from agent_adapters.claude.values import Event, mapping, number, text
from agent_core.ports import AgentUsed

INPUTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class UsageTold:
    """Adds up the answers of the model. Each comes as several events of one id, whose numbers only grow.

    The output is told before it is over, so the sum stays below what the result says.
    """

    def __init__(self) -> None:
        self._inputs: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._turns: set[str] = set()
        """Those of the conversation itself: what the agent's own agents answer is no turn of it."""
        self._news = False

    def hear(self, event: Event) -> None:
        """Take an `assistant` event."""
        name, usage = text(mapping(event, "message"), "id"), mapping(event, "message", "usage")
        if not name or not usage:  # an answer that the CLI made itself
            return
        tokens_in = int(sum(number(usage, key) for key in INPUTS))
        tokens_out = int(number(usage, "output_tokens"))
        if event.get("parent_tool_use_id") is None:
            self._turns.add(name)
        self._news |= tokens_in > self._inputs.get(name, -1) or tokens_out > self._outputs.get(name, -1)
        self._inputs[name] = max(tokens_in, self._inputs.get(name, 0))
        self._outputs[name] = max(tokens_out, self._outputs.get(name, 0))

    def take_news(self) -> AgentUsed | None:
        """Return the sums where they have grown since this was asked last."""
        if not self._news:
            return None
        self._news = False
        return AgentUsed(
            num_turns=len(self._turns),
            input_tokens=sum(self._inputs.values()),
            output_tokens=sum(self._outputs.values()),
        )
