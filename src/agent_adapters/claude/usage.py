"""What a run of the CLI has used so far, by the usage that its answers carry. Pure."""

from agent_adapters.claude.values import Event, mapping, number, text
from agent_core.ports import AgentUsed

INPUTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class UsageTold:
    """Adds up the answers of the model. Each comes as several events of one id, whose numbers only grow.

    The output is told before it is over, so the sum stays below what the result says.
    """

    def __init__(self) -> None:
        self._inputs: dict[str, float] = {}
        self._outputs: dict[str, float] = {}
        self._turns = 0
        """Those of the conversation itself: what the agent's own agents answer is no turn of it."""
        self._tokens_in = self._tokens_out = 0.0
        """Kept as sums: to add up all answers at each event takes longer with every one of them."""
        self._news = False

    def hear(self, event: Event) -> None:
        """Take an `assistant` event."""
        message = mapping(event, "message")
        name, usage = text(message, "id"), mapping(message, "usage")
        if not name or not usage:  # an answer that the CLI made itself
            return
        tokens_in, tokens_out = sum([number(usage, key) for key in INPUTS]), number(usage, "output_tokens")
        if name not in self._inputs:
            self._inputs[name] = self._outputs[name] = 0
            self._turns += event.get("parent_tool_use_id") is None
            self._news = True
        if (more := tokens_in - self._inputs[name]) > 0:
            self._inputs[name] = tokens_in
            self._tokens_in += more
            self._news = True
        if (more := tokens_out - self._outputs[name]) > 0:
            self._outputs[name] = tokens_out
            self._tokens_out += more
            self._news = True

    def take_news(self) -> AgentUsed | None:
        """Return the sums where they have grown since this was asked last."""
        if not self._news:
            return None
        self._news = False
        return AgentUsed(num_turns=self._turns, input_tokens=int(self._tokens_in), output_tokens=int(self._tokens_out))
