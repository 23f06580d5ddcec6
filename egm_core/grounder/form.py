"""What an expression's words say of how hard it is: whether one must count, compare, relate, or only look."""

from __future__ import annotations

import math
import re

_RELATION = (
    r"(?:to the )?(?:left|right) of|behind|in front of|next to|beside|near|nearby|close to|closest to|nearest to|above|"
    r"below|under|underneath|beneath|over|on top of|inside|against|around|across from|opposite|adjacent to|attached to|"
    r"holding|wearing|carrying|riding|touching|facing|sitting on|standing on|leaning on|with|on|in|by"
)
_PATTERNS = {
    "ordinal": r"first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|[0-9]+(?:st|nd|rd|th)",
    "extreme": r"\w+most|nearest|closest|farthest|furthest|middle|centre|center|central|lefty|righty",
    "size": (
        r"large|larger|largest|big|bigger|biggest|small|smaller|smallest|tiny|tall|taller|tallest|short|shorter|"
        r"shortest|long|longer|longest|huge|little"
    ),
    "relation": _RELATION,
    "between": r"between|among|amongst",
    "hidden": r"hidden|occluded|covered|blocked|obscured|visible|peeking",
    "colour": (
        r"red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|grey|gray|silver|gold|golden|beige|tan"
    ),
    "negation": r"not|no|without|never|nor|neither|none|except|excluding|\w+n't",
    "several": r"those|these|both|all|every|each|two|three|four",
}  # fmt: skip
_KNOWN = {name: re.compile(rf"(?<![\w'])(?:{words})(?![\w'])", re.IGNORECASE) for name, words in _PATTERNS.items()}
# Words that send the reader on to another object; an expression with two of them takes two steps.
_STEPS = ("ordinal", "extreme", "size", "relation", "between", "hidden")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def form(sent: str) -> dict[str, float]:
    """Describe an English expression by numbers: which kinds of words it has, how many steps, how many words.

    `plain` is 1 where nothing has to be counted, compared or related; so is what another language says.
    """
    found = {name: len(pattern.findall(sent)) for name, pattern in _KNOWN.items()}
    steps = sum(found[name] for name in _STEPS)
    return {
        **{name: float(count > 0) for name, count in found.items()},
        "plain": float(steps == 0),
        "two_step": float(steps > 1),
        "words": math.log1p(len(_WORD.findall(sent))),
    }
