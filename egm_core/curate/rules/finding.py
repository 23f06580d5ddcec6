"""What a check has against a trace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a trace: the rule, the words it is about, and why they are wrong.

    `named` where it is about a part of the answer beside the text, which no reader of the text can judge.
    """

    rule: str
    words: str
    why: str
    named: bool = False

    def __str__(self) -> str:
        return f"{self.rule}: {self.words!r} {self.why}"
