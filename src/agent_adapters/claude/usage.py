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
        self._sums = [0, 0]
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
        for place, (known, told) in enumerate(((self._inputs, tokens_in), (self._outputs, tokens_out))):
            if told > known.get(name, -1):
                # Kept as a sum: to add up all answers at each event takes longer with every one of them.
                self._sums[place] += told - known.get(name, 0)
                known[name] = told
                self._news = True

    def take_news(self) -> AgentUsed | None:
        """Return the sums where they have grown since this was asked last."""
        if not self._news:
            return None
        self._news = False
        tokens_in, tokens_out = self._sums
        return AgentUsed(num_turns=len(self._turns), input_tokens=tokens_in, output_tokens=tokens_out)
