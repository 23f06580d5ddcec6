"""The tokens that a server says it has counted, where that can be; what cannot be counts as if it had told nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

from egm_core.engines.base import Completion

# Nobody tells ahead how many tokens a picture and a text have; these are the usual sizes of a patch group and a token.
PIXELS_PER_TOKEN, CHARACTERS_PER_TOKEN = 28 * 28, 3
# No server counts so many times the most that a question can have, nor that many tokens in a short one.
ABSURD, LONGEST = 100, 65_536


@dataclass(frozen=True)
class Most:
    """The tokens that a question has by our estimate, and the most that its answer may have."""

    into: int = LONGEST
    out: int = LONGEST

    @property
    def whole(self) -> int:
        """The largest sum of both that a server may count."""
        return max(LONGEST, ABSURD * self.into) + max(LONGEST, ABSURD * self.out)

    def allows(self, into: float, out: float) -> bool:
        """Tell whether a server may count so many: it counts otherwise than we do, but not by worlds."""
        return into <= max(LONGEST, ABSURD * self.into) and out <= max(LONGEST, ABSURD * self.out)


UNKNOWN = Most()


def estimated(width: int, height: int, prompt: str) -> int:
    """Estimate the tokens of a question: those of its picture and its words."""
    return width * height // PIXELS_PER_TOKEN + len(prompt) // CHARACTERS_PER_TOKEN + 1


def is_count(value: Any) -> TypeGuard[float]:
    """Tell whether a value can be a number of tokens: a number of 0 or more, finite, and not of another world."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12


def counted(usage: Any, text: str = "", most: Most = UNKNOWN) -> tuple[int, int] | None:
    """Read the tokens in and out that a server counted for `text`; None where it told none, or none that can be.

    A prompt has tokens, and so has a text. What a sum holds beyond both are thoughts, which come out, too.
    """
    if not isinstance(usage, dict):
        return None
    into, out, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if not (is_count(into) and is_count(out)) or int(into) <= 0:
        return None
    made = max(int(out), int(total) - int(into)) if is_count(total) else int(out)
    return (int(into), made) if most.allows(into, made) and (made > 0 or not text) else None


def told(usage: Any, text: str = "", most: Most = UNKNOWN) -> dict[str, int]:
    """Give of a server's counts what is worth keeping: those in and out, or where it names neither their sum."""
    both = counted(usage, text, most)
    if both is not None:
        return {"prompt_tokens": both[0], "completion_tokens": both[1]}
    if not isinstance(usage, dict) or {"prompt_tokens", "completion_tokens"} & set(usage):
        return {}
    total = usage.get("total_tokens")
    return {"total_tokens": int(total)} if is_count(total) and 0 < int(total) <= most.whole else {}


def usage_of(said: Completion, most: Most = UNKNOWN) -> dict[str, Any]:
    """Give what to keep of an answer's count: as its server told, else how many of its tokens came one by one."""
    return told(said.usage, said.text, most) or ({"completion_tokens": len(said.tokens)} if said.tokens else {})


def is_nonsense(said: Completion, most: Most = UNKNOWN) -> bool:
    """Tell whether a server told a count of tokens that cannot be."""
    return said.usage is not None and said.usage != {} and not told(said.usage, said.text, most)
