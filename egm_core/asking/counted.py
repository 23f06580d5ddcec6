"""The tokens that a server says it has counted, where that can be; what cannot be counts as if it had told nothing."""

from __future__ import annotations

from typing import Any, TypeGuard

from egm_core.engines.base import Completion


def is_count(value: Any) -> TypeGuard[float]:
    """Tell whether a value can be a number of tokens: a number of 0 or more, finite, and not of another world."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12


def counted(usage: Any, text: str = "") -> tuple[int, int] | None:
    """Read the tokens in and out that a server counted for `text`; None where it told none, or none that can be.

    A prompt has tokens, and so has a text. What a sum holds beyond both are thoughts, which come out, too.
    """
    if not isinstance(usage, dict):
        return None
    into, out, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if not (is_count(into) and is_count(out)) or int(into) <= 0:
        return None
    made = max(int(out), int(total) - int(into)) if is_count(total) else int(out)
    return None if made <= 0 and text else (int(into), made)


def told(usage: Any, text: str = "") -> dict[str, int]:
    """Give of a server's counts what is worth keeping: those in and out, or where it names neither their sum."""
    both = counted(usage, text)
    if both is not None:
        return {"prompt_tokens": both[0], "completion_tokens": both[1]}
    if not isinstance(usage, dict) or {"prompt_tokens", "completion_tokens"} & set(usage):
        return {}
    total = usage.get("total_tokens")
    return {"total_tokens": int(total)} if is_count(total) and int(total) > 0 else {}


def usage_of(said: Completion) -> dict[str, Any]:
    """Give what to keep of an answer's count: as its server told, else how many of its tokens came one by one."""
    return told(said.usage, said.text) or ({"completion_tokens": len(said.tokens)} if said.tokens else {})


def is_nonsense(said: Completion) -> bool:
    """Tell whether a server told a count of tokens that cannot be."""
    return said.usage is not None and said.usage != {} and not told(said.usage, said.text)
