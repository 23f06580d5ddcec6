"""Words beside a box for which a careful reader would not publish it: another layout, pixels, a denial, an example.

A box that such words refute or shift is a silent wrong box; one that is refused for nothing is asked again.
"""

from __future__ import annotations

import re

_LAYOUT = re.compile(
    r"\bc?x_?c?y_?wh(?:_?abs)?\b|\bcxcywh\b|\by_?min\b(?!\"?\s*[:=])"
    r"|\btop[,\s]+(?:left|right)[,\s]+(?:bottom|width|height)"
    r"|\bcent(?:er|re)[_\s]*(?:x|y)\b|\bcent(?:er|re) and (?:size|extent)"
    r"|\b(?:x|left)[,\s]+(?:y|top)[,\s]+(?:w\b|width)|\bwidth[,\s]+(?:and )?height",
    re.IGNORECASE,
)
_PIXELS = re.compile(
    r"\bpixels?\b|\bpx\b|\b[1-9][0-9]{2,4} ?[x×] ?[1-9][0-9]{2,4}\b|\"image_(?:size|width|height)\"", re.IGNORECASE
)
_DENIAL = re.compile(
    r"\bnot (?:the|a|an|visible|present|found|here|there|contain\w*|match\w*)\b|\b(?:wrong|incorrect)\b"
    r"|\b(?:is|are) (?:absent|missing)\b|\bno (?:red|such|matching)\b|[;,] no \w+|^no \w+"
    r"|\b(?:can ?not|can't|could not|unable to) (?:find|see|view|locate|detect)\b"
    r"|\bfor example\b|\bwould (?:be|look)\b|\bwait\b|\bsorry\b",
    re.IGNORECASE,
)
_FIELDS = re.compile(
    r'"(?:found|visible|exists?|present|match(?:es)?|detected)"\s*:\s*false'
    r'|"(?:status|answer|result|reason|label)"\s*:\s*"(?:none|absent)'
    r'|"(?:status|answer|result|reason|label)"\s*:\s*"[^"]*\bnot? (?:found|present|visible|such)\b'
    r'|"(?:rect|roi|crop|quaternion|rotation|previous)"\s*:',
    re.IGNORECASE,
)
_ROLES = re.compile(r'"(?:draft|final|target|distractors?)"\s*:', re.IGNORECASE)


def doubted(answer: str, prose: str) -> bool:
    """Tell whether an answer (its whole text, and what of it stands outside of boxes) speaks against its own box."""
    return any((
        _LAYOUT.search(answer),
        _PIXELS.search(answer),
        _FIELDS.search(answer),
        len(_ROLES.findall(answer)) > 1,
        _DENIAL.search(prose.strip()),
    ))  # fmt: skip
