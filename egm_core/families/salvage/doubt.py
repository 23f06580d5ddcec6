"""Words beside a box for which a careful reader would not publish it: another layout, pixels, a denial, an example.

A box that such words refute or shift is a silent wrong box; one that is refused for nothing is asked again.
"""

from __future__ import annotations

import re

# What says that the numbers are laid out as ours are.
LEGEND = re.compile(
    r"[\[(]?\b(?:x_?[01]|x_?min|left)\s*,\s*(?:y_?[01]|y_?min|top)\s*,\s*(?:x_?[12]|x_?max|right)\s*,\s*(?:and )?"
    r"(?:y_?[12]|y_?max|bottom)\b[\])]?",
    re.IGNORECASE,
)
_LAYOUT = re.compile(
    r"\b(?:t?l[tb]?wh|tlbr|tlwh|ltrb_?norm|lrtb|xxyy|yyxx|yxhw)\b|\by_?[12]\b(?!\"?\s*[:=])[,\s]+x_?[12]\b"
    r"|\bx_?[012]\b(?!\"?\s*[:=])[,\s]+x_?[12]\b|\bleft[,\s]+right\b|\btop[,\s]+bottom\b"
    r"|\bper ?cent\w*\b|\b0 ?(?:-|to|and) ?1\b(?!,?0)"
    r"|\bc?x_?c?y_?wh(?:_?abs)?\b|\bcxcywh\b|\by_?min\b(?!\"?\s*[:=])"
    r"|\btop[,\s]+(?:left|right)[,\s]+(?:bottom|width|height)"
    r"|\bcent(?:er|re)[_\s]*(?:\(?x|y)\b|\bcent(?:er|re) and (?:size|extent)"
    r"|\b(?:x|left)[,\s]+(?:y|top)[,\s]+(?:w\b|width)|\bwidth[,\s]+(?:and )?height",
    re.IGNORECASE,
)
_PIXELS = re.compile(
    r"\bpixels?\b|\bpx\b|\b[1-9][0-9]{2,4} ?[x×] ?[1-9][0-9]{2,4}\b|\bimage[_ ](?:size|width|height)\b", re.IGNORECASE
)
_DENIAL = re.compile(
    r"\bnot (?:the|a|an|visible|present|found|here|there|contain\w*|match\w*|what|this|that|it)\b"
    r"|\b(?:wrong|incorrect)\b"
    r"|\b(?:is|are) (?:absent|missing)\b|\bno (?:red|such|matching)\b|(?:^|[.!?:;,\n])[^\S\n]*(?:no|without) \w+"
    r"|\b(?:can ?not|can't|could not|couldn't|unable to) (?:find|see|view|locate|detect)\b"
    r"|\b(?:isn't|aren't|doesn't|does not) (?:the|a|an|visible|present|here|there|exist|contain|match)\w*\b"
    r"|\b(?:for example|e\.g\.|would (?:be|look)|wait|sorry|instead of|rather than)\b"
    r"|\b(?:mistak\w+|previous(?:ly)?|guess\w*)\b"
    r"|\b(?:nicht|kein\w*|falsch|no hay|no es|ning[uú]n\w*|n'est|n'y a|pas|aucun\w*|non (?:è|c'è)|não|nenhum\w*)\b"
    r"|不是|没有|不在|未找到|错|ありません|いません|ではない|違|\b(?:не|нет)\b|없|아니",
    re.IGNORECASE,
)
_FIELDS = re.compile(r"[\"'](?:rect|roi|crop|quaternion|rotation|angle|previous)[\"']\s*:", re.IGNORECASE)
_HEDGE = re.compile(
    r"\b(?:not|un)[ -]?(?:sure|certain)\b|\b(?:possibly|perhaps|maybe|might be|may be|not able to)\b"
    r"|\b(?:typical(?:ly)?|sample)\b|\bfor instance\b|^\W*example\b|\bexample (?:output|answer|format|box|response)",
    re.IGNORECASE,
)
_STAND_IN = re.compile(r"\b(?:closest|nearest|best) (?:match|guess|candidate|thing|alternative)\b", re.IGNORECASE)
# Fields whose braces were forgotten.
_SPOKEN_FIELD = re.compile(
    r"\b(?:found|visible|exists?|present|match(?:es)?|detected)[\"']?\s*[:=]\s*[\"']?(?:false|no|none|0)\b"
    r"|\b(?:status|answer|result|reason|label)[\"']?\s*[:=]\s*[\"']?(?:none|null|n/a|absent|not)(?![a-z])",
    re.IGNORECASE,
)
_ROLES = re.compile(r"[\"'](?:draft|final|target|distractors?)[\"']\s*:", re.IGNORECASE)

# A tool's arguments are what the model wants looked at, unless the tool's name says that it takes the answer.
_CALL = re.compile(r"<tool_call>|<function=|\b(?:arguments|parameters|args|action)[\"']?\s*:", re.IGNORECASE)
_CALLED = re.compile(r"(?:\b(?:name|function|tool|action)[\"']?\s*[:=]\s*[\"']|<function=)([\w.-]+)", re.IGNORECASE)
_TAKES_ANSWER = re.compile(r"locat|ground|detect|bbox|bounding|answer|report|submit", re.IGNORECASE)


def doubted(answer: str, prose: str) -> bool:
    """Tell whether an answer (its whole text, and what of it stands outside of boxes) speaks against its own box."""
    answer = LEGEND.sub(" ", answer)
    return any((
        _LAYOUT.search(answer),
        _PIXELS.search(answer),
        _FIELDS.search(answer),
        len(_ROLES.findall(answer)) > 1,
        _CALL.search(answer) and not all(map(_TAKES_ANSWER.search, _CALLED.findall(answer) or [""])),
        _DENIAL.search(prose.strip()),
        _HEDGE.search(prose),
        _STAND_IN.search(answer),
        _SPOKEN_FIELD.search(prose),
    ))  # fmt: skip
