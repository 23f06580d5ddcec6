"""What an answer's score is: the probabilities of the numbers that the model wrote, before any calibration."""

from __future__ import annotations

import math
import re

from egm_core.engines.base import Completion, Token
from egm_core.families import Answer
from egm_core.families.parts import THINK_CLOSE

# Of a box's left, top, right and bottom edge.
Edges = tuple[float, float, float, float]
_NUMBER = re.compile(r"[0-9]+(?:[.][0-9]+)?")


def token_score(completion: Completion, answer: Answer) -> tuple[float, bool]:
    """Give the raw score of an answer's box, and whether the probabilities of the box's tokens are known.

    It is the geometric mean of the probabilities of the tokens that spell the box's numbers, and those that the model
    named while it thought, such as the points of the objects that it saw: a guess at those is a guess at the box.
    """
    if answer.span is None or not completion.tokens:
        return 0.0, False
    box = _spelling(completion.tokens, completion.text, answer.span)
    if not box or None in box:
        return 0.0, False
    # Some servers log no probabilities of reasoning.
    thought = _spelling(completion.tokens, completion.text, (0, max(completion.text.find(THINK_CLOSE), 0)))
    known = [logprob for logprob in (*thought, *box) if logprob is not None]
    return min(1.0, math.exp(min(0.0, sum(known) / len(known)))), True


def edge_logprobs(completion: Completion, answer: Answer) -> Edges | None:
    """Give the log-probability of each of the box's four numbers; None where one is not known."""
    if answer.span is None or not completion.tokens:
        return None
    first, last = answer.span
    places = [match.span() for match in _NUMBER.finditer(completion.text, first, last)]
    spelt = [_spelling(completion.tokens, completion.text, place) for place in places]
    sums = [sum(each) for each in spelt if each and None not in each]  # type: ignore[arg-type]
    return (sums[0], sums[1], sums[2], sums[3]) if len(sums) == len(spelt) == 4 else None


def opening_logprob(completion: Completion, answer: Answer) -> float | None:
    """Give the log-probability of what comes before a box's first number, or of all where there is no box.

    So it says how sure the model is that there is a box, or that there is none. Tokens of thinking do not count: where
    thinking is forbidden, the model did not choose them. None where a token's probability is not known.
    """
    if answer.kind == "invalid" or not completion.tokens:
        return None
    closed = completion.text.find(THINK_CLOSE)
    first = closed + len(THINK_CLOSE) if closed >= 0 else 0
    last = answer.span[0] if answer.span is not None else len(completion.text)
    found, start = 0.0, 0
    for token in completion.tokens:
        if first <= start < last:
            if token.logprob is None:
                return None
            found += token.logprob
        start += len(token.text)
    return found


def _spelling(tokens: tuple[Token, ...], text: str, span: tuple[int, int]) -> list[float | None]:
    """List the log-probabilities of the tokens that hold a digit of text[span]."""
    digits = {place for place in range(*span) if text[place].isdigit()}
    found: list[float | None] = []
    start = 0
    for token in tokens:
        end = start + len(token.text)
        if any(place in digits for place in range(max(start, span[0]), min(end, span[1]))):
            found.append(token.logprob)
        start = end
    return found
