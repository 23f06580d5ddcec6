"""Grammars on the sampler: only tokens that keep an answer within a regex or a JSON schema stay possible.

llguidance does the work; its own torch kernel is compiled at the first call (half a minute on a CPU), so the
bit mask is unpacked here. Grammars work on bytes: write `[0-9]`, for `\\d` matches every script's digits.
"""

from __future__ import annotations

import json
import re
from copy import copy
from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from egm_core.engines.base import EngineError, Request
from egm_core.engines.checkpoint import TAGS


class _Vocabulary:
    """A tokenizer as llguidance wants it, in which an answer's tags are text like any other.

    Read from the tokenizer's file, every added token would count as special, and a special token fits no text.
    """

    def __init__(self, tokenizer: Any, end_ids: frozenset[int]) -> None:
        self._backend = copy(tokenizer.backend_tokenizer)
        self._backend.no_padding()
        self._backend.no_truncation()
        plain = LLTokenizer(self._backend.to_str(), eos_token=sorted(end_ids))
        known = tokenizer.get_vocab()
        self.tags: dict[str, int] = {tag: known[tag] for tag in sorted(TAGS & known.keys())}
        tags = set(self.tags.values())
        self.tokens = [plain.decode_bytes([i]) for i in range(plain.vocab_size)]
        self.special_token_ids = [i for i in range(plain.vocab_size) if plain.is_special_token(i) and i not in tags]
        self.eos_token_id = min(end_ids)
        self.bos_token_id = None

    def __call__(self, text: str) -> list[int]:
        return list(self._backend.encode(text, add_special_tokens=False).ids)


class Grammars:
    """Makes matchers for one tokenizer; building it takes seconds for a vocabulary of 150,000.

    `size` is the number of tokens that a matcher decides on; further rows of the logits are padding.
    """

    def __init__(self, tokenizer: Any, end_ids: frozenset[int]) -> None:
        vocabulary = _Vocabulary(tokenizer, end_ids)
        self.size = len(vocabulary.tokens)
        self._tags = vocabulary.tags
        self._tokenizer = LLTokenizer(TokenizerWrapper(vocabulary), eos_token=sorted(end_ids))

    def matcher(self, request: Request) -> LLMatcher | None:
        """Make the matcher that a request asks for, or None; EngineError where its grammar is not one."""
        if request.regex is None and request.json_schema is None:
            return None
        try:
            grammar = LLMatcher.grammar_from_lark(_lark(request, self._tags))
            matcher = LLMatcher(self._tokenizer, grammar)
        except ValueError as error:
            raise EngineError("engine_request", f"the grammar cannot be used: {error}") from error
        if matcher.is_error():
            raise EngineError("engine_request", f"the grammar cannot be used: {matcher.get_error()}")
        return matcher


def _lark(request: Request, tags: dict[str, int]) -> str:
    """Write a request's constraint in llguidance's own notation.

    Without `no_forcing`, where only one text can follow, its first token would be dictated too, and the
    token that the model learnt, which reaches further, be forbidden. Unbounded white space between the pieces
    of JSON would let a weak model write blanks for ever. A tag that a regex begins with is its token, where it has
    one: a model that must not think finds tag and letters equally unlikely, and would answer worse after letters.
    """
    if request.regex is not None:
        tag, rest = _leading_tag(request.regex, tags)
        escaped = re.sub(r"(?s)\\.|/", lambda found: r"\/" if found[0] == "/" else found[0], rest)
        start = (f"<[{tags[tag]}]> " if tag else "") + "/" + escaped.replace("\n", r"\n") + "/"
    else:
        start = "%json " + json.dumps(
            {**(request.json_schema or {}), "x-guidance": {"whitespace_pattern": r"[ \n\t]{0,2}"}}
        )
    return f'%llguidance {{"no_forcing": true}}\nstart: {start}\n'


def _leading_tag(regex: str, tags: dict[str, int]) -> tuple[str, str]:
    """Split off the tag that every text of a regex begins with, "" if there is none or if nothing follows it."""
    tag = next((t for t in tags if regex.startswith(t)), "")
    rest = regex[len(tag) :]
    bare = re.sub(r"(?s)\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "", rest)
    while (outer := re.sub(r"\([^()]*\)", "", bare)) != bare:
        bare = outer
    return (tag, rest) if rest and rest[0] not in "?*+{" and "|" not in bare else ("", regex)


def allowed(matcher: LLMatcher, size: int) -> torch.Tensor:
    """Give the tokens that may come next, as (size,) bool."""
    mask = allocate_token_bitmask(1, size)
    fill_next_token_bitmask(matcher, mask)
    return torch.from_numpy(np.unpackbits(mask.view(np.uint8), bitorder="little")[:size].astype(bool))
