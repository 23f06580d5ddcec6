"""How an answer begins: whether the chat template opens `<think>`, closes it again, or leaves that to the model.

A checkpoint's own template decides: Thinking checkpoints have it open `<think>`, Instruct ones write nothing, and
hybrid ones do either, by an argument such as `enable_thinking`. Grammars must begin where the template ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from egm_core.families.parts import THINK_CLOSE, THINK_OPEN

# open: `<think>` was written, the answer begins inside of it. shut: an empty thought was written. plain: nothing was.
Opening = Literal["open", "shut", "plain"]
SWITCHES = ("enable_thinking", "thinking")
_QUESTION = "what is asked"
# The chat, and each of the further arguments, that `thinking_of` has written.
PROBE: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": _QUESTION}]}]
PROBED: list[dict[str, Any]] = [{}, *({switch: value} for switch in SWITCHES for value in (True, False))]

# Renders a chat with the generation prompt at its end, given the template's further arguments.
Render = Callable[[list[dict[str, Any]], dict[str, Any]], str]


@dataclass(frozen=True)
class Thinking:
    """Where the chat template leaves off with thinking `wanted`, and where `unwanted`.

    `switch` names the template's argument that tells the two apart; empty where the template has none.
    """

    wanted: Opening
    unwanted: Opening
    switch: str = ""

    def opening(self, reasoning: bool) -> Opening:
        """Give where the template leaves off."""
        return self.wanted if reasoning else self.unwanted

    def arguments(self, reasoning: bool) -> dict[str, Any]:
        """Give the arguments that the template takes to have the model think, or not.

        A template that opens no thought and has no switch gets `enable_thinking` as false all the same: the reasoning
        parsers of servers go by it, and would take such a model's whole answer for a thought.
        """
        if self.switch:
            return {self.switch: reasoning}
        return {} if self.opening(reasoning) == "open" else {SWITCHES[0]: False}

    def switched(self, reasoning: bool) -> dict[str, Any]:
        """Give the template's own argument alone, for what renders the template itself; nothing where it has none."""
        return {self.switch: reasoning} if self.switch else {}

    def to_json(self) -> dict[str, str]:
        """Give the fields as `egm.json` keeps them."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Thinking:
        """Read what `to_json` gave; ValueError for anything else."""
        fields = value if isinstance(value, dict) else {}
        openings = [fields.get(name) for name in ("wanted", "unwanted")]
        switch = fields.get("switch", "")
        if any(opening not in get_args(Opening) for opening in openings) or not isinstance(switch, str):
            raise ValueError(
                f"{value!r}; give wanted and unwanted, each {', '.join(get_args(Opening))}, and the template's switch"
            )
        return cls(cast(Opening, openings[0]), cast(Opening, openings[1]), switch)


def thinking_of(render: Render) -> Thinking:
    """Find out how a chat template begins an answer, by writing a chat with it.

    What an argument changes may stand before the question too, as a system prompt that asks for a thought.
    """
    for switch in SWITCHES:
        on, off = (render(PROBE, {switch: value}) for value in (True, False))
        if on != off:
            return Thinking(opening_of(_tail(on)), opening_of(_tail(off)), switch)
    plain = opening_of(_tail(render(PROBE, {})))
    return Thinking(plain, plain)


def thought_length(tokens: Iterable[str]) -> int | None:
    """Count an answer's tokens before the closing think tag, which may be spread over several; None without one."""
    text = ""
    for count, token in enumerate(tokens):
        text += token
        if THINK_CLOSE in text:
            return count
    return None


def opening_of(tail: str) -> Opening:
    """Tell from what a template writes after the question how the answer begins."""
    opened, closed = tail.rfind(THINK_OPEN), tail.rfind(THINK_CLOSE)
    if opened < 0 and closed < 0:
        return "plain"
    return "open" if opened > closed else "shut"


def _tail(text: str) -> str:
    """Give what stands after the question."""
    return text.rpartition(_QUESTION)[2]
