"""What kind of expression a text is, told by its words alone, in English."""

from __future__ import annotations

import re
from typing import Literal, get_args

Wording = Literal["negation", "relational", "spatial", "attribute", "plain"]
# A text counts for each kind whose words it has; the first of them is the one it goes by where it must have one.
WORDINGS: tuple[Wording, ...] = get_args(Wording)
LENGTHS = ((1, 2), (3, 5), (6, 10), (11, None))

_PATTERNS: dict[Wording, str] = {
    "negation": r"not|no|without|never|nor|neither|none|except|excluding|\w+n't|isnt|doesnt|dont|missing|lacking",
    "relational": (
        r"next to|beside|besides|between|behind|in front of|near|nearest|nearby|with|holding|wearing|carrying|riding|"
        r"touching|facing|looking at|sitting on|standing on|leaning on|on top of|under|underneath|beneath|below|above|"
        r"over|inside|against|around|across from|close to|closest to|adjacent to|attached to|covered by|surrounded by|"
        r"eating|pushing|pulling|hugging|talking to|on|in|by"
    ),
    "spatial": (
        r"left|right|lefty|righty|leftmost|rightmost|top|bottom|upper|lower|middle|center|centre|central|corner|"
        r"front|back|foreground|background|closest|farthest|furthest|far|edge|side|first|second|third|fourth|fifth|"
        r"last|[0-9]+(?:st|nd|rd|th)|[0-9]+ ?o'?clock|rear"
    ),
    "attribute": (
        r"red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|grey|gray|silver|gold|golden|beige|tan|"
        r"dark|light|bright|colou?red|striped|plaid|checkered|spotted|plain|shiny|big|bigger|biggest|large|larger|"
        r"largest|small|smaller|smallest|tiny|little|huge|tall|taller|tallest|short|shorter|shortest|long|longer|"
        r"longest|wide|thin|fat|round|square|old|older|young|younger|wooden|metal|metallic|plastic|glass|leather|"
        r"open|closed|empty|full|blurry|blonde?|bald|wet|dirty"
    ),
}  # fmt: skip
_KNOWN = {kind: re.compile(rf"(?<![\w'])(?:{words})(?![\w'])", re.IGNORECASE) for kind, words in _PATTERNS.items()}
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def wordings(sent: str) -> tuple[Wording, ...]:
    """List the kinds whose words a text has; `plain` where it has none of any."""
    found = tuple(kind for kind, pattern in _KNOWN.items() if pattern.search(sent))
    return found or ("plain",)


def words(sent: str) -> int:
    """Count the words of a text."""
    return len(_WORD.findall(sent))


def length(sent: str) -> str:
    """Name the group of a text by its number of words."""
    count = words(sent)
    low, high = next(pair for pair in LENGTHS if pair[1] is None or count <= pair[1])
    return f"{low} to {high}" if high else f"{low} or more"
