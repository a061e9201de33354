"""What a run of the CLI has used so far, by the usage that its answers carry. Pure."""

from collections import OrderedDict

from agent_adapters.claude.answer import Answer, Usage
from agent_core.ports import AgentUsed

REMEMBERED = 10_000
"""So many answers, those heard last, are known to be the same when they come again."""
NOTHING = Usage()


class UsageTold:
    """Adds up the answers of the model. Each comes as several events of one id, whose numbers only grow.

    The output is told before it is over, so the sum stays below what the result says.
    """

    def __init__(self) -> None:
        self._told: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """Tokens in and out, by the answer's id."""
        self._turns = 0
        """Those of the conversation itself: what the agent's own agents answer is no turn of it."""
        self._tokens_in = self._tokens_out = 0
        """Kept as sums: to add up all answers at each event takes longer with every one of them."""
        self._news = False

    def hear(self, answer: Answer) -> None:
        """Take an answer."""
        name, usage = answer.message.id, answer.message.usage
        if not name or usage is None or usage == NOTHING:  # an answer that the CLI made itself
            return
        if name in self._told:
            self._told.move_to_end(name)
        else:
            self._told[name] = 0, 0
            if len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
            self._turns += answer.parent_tool_use_id is None
            self._news = True
        told_in, told_out = self._told[name]
        tokens_in = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
        more_in, more_out = tokens_in - told_in, usage.output_tokens - told_out
        if more_in > 0 or more_out > 0:
            more_in, more_out = max(more_in, 0), max(more_out, 0)
            self._told[name] = told_in + more_in, told_out + more_out
            self._tokens_in += more_in
            self._tokens_out += more_out
            self._news = True

    def take_news(self) -> AgentUsed | None:
        """Return the sums where they have grown since this was asked last."""
        if not self._news:
            return None
        self._news = False
        return AgentUsed(num_turns=self._turns, input_tokens=self._tokens_in, output_tokens=self._tokens_out)
