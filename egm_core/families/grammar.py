r"""Pieces of the regular expressions that constrain a model's answer.

They keep to what Python's `re`, Rust's `regex` (llguidance) and XGrammar all understand: no lookaround, no
backreferences, and `[0-9]` instead of `\d`, which would let other scripts' digits through.
"""

from __future__ import annotations

COORDINATE = r"(?:0|[1-9][0-9]{0,2}|1000)"
BOX = rf"\[{COORDINATE}, {COORDINATE}, {COORDINATE}, {COORDINATE}\]"
STRING = r'"(?:[^"\\\x00-\x1F]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"'


def text_without(tag: str) -> str:
    """Give a regex for every text in which `tag`, such as `</think>`, does not occur.

    The tag's first character must not occur again in it: a broken-off tag can then only be followed by a new
    start of the tag, or by a character that is neither.
    """
    first, rest = tag[0], tag[1:]
    if first in rest or not rest.replace("/", "").replace(">", "").isalnum():
        raise ValueError(f"the tag {tag!r} has no simple complement; give one like '</think>'")
    started = ""
    for letter in reversed(rest[:-1]):
        started = f"(?:{letter}{started})?"
    broken = "|".join(f"{first}{rest[:i]}[^{letter}{first}]" for i, letter in enumerate(rest))
    return f"(?:[^{first}]|(?:{first}{started})*(?:{broken}))*(?:{first}{started})*"
