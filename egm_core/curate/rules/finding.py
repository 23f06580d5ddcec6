"""What a check has against a trace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a trace: the rule, the words it is about, and why they are wrong."""

    rule: str
    words: str
    why: str
