"""One batch of answers from transformers' `generate`: streamed, stopped and measured row by row.

`generate` offers two hooks, and all is done in them: a logits processor that notes the model's own
log-probabilities before it bans and constrains, and a stopping criterion that hands each new token to its row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from llguidance import LLMatcher
from tokenizers.decoders import DecodeStream
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
)

from egm_core.engines.base import Chunk, Request, Token
from egm_core.engines.checkpoint import Checkpoint, Picture
from egm_core.engines.constrain import allowed
from egm_core.engines.reader import Reader


@dataclass(eq=False)
class Row:
    """A request in a batch, and how far its answer is.

    `emit` gets every chunk; `stopped` asks for the end; `matcher` knows `tokens` of the vocabulary.
    """

    request: Request
    ids: list[int]
    picture: Picture
    emit: Callable[[Chunk], None] = lambda chunk: None
    stopped: Callable[[], bool] = lambda: False
    matcher: LLMatcher | None = None
    tokens: int = 0
    finish: str | None = None
    generated: int = 0
    stream: DecodeStream = field(default_factory=lambda: DecodeStream(skip_special_tokens=False))


class _Before(LogitsProcessor):
    """Notes log-probabilities, then bans image tokens and applies the rows' grammars."""

    def __init__(self, rows: Sequence[Row], checkpoint: Checkpoint) -> None:
        self.rows = rows
        self.banned = torch.tensor(sorted(checkpoint.banned_ids), device=checkpoint.device)
        self.noted: torch.Tensor | None = None
        self.note = any(row.request.logprobs for row in rows)
        self.constrained = any(row.matcher is not None for row in rows)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self.note:
            self.noted = torch.log_softmax(scores.float(), dim=-1)
        scores = scores.index_fill(1, self.banned, -torch.inf)
        if self.constrained:
            for b, row in enumerate(self.rows):
                if row.matcher is not None and row.finish is None:
                    fits = allowed(row.matcher, row.tokens).to(scores.device)
                    scores[b, row.tokens :] = -torch.inf
                    scores[b, : row.tokens].masked_fill_(~fits, -torch.inf)
        return scores


class _After(StoppingCriteria):
    """Hands each row its new token, and tells `generate` which rows are done."""

    def __init__(self, rows: Sequence[Row], checkpoint: Checkpoint, before: _Before) -> None:
        self.rows = rows
        self.before = before
        self.backend = checkpoint.tokenizer.backend_tokenizer
        self.ends = checkpoint.end_ids
        self.silent = checkpoint.silent_ids
        self.device = checkpoint.device

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        last = input_ids[:, -1]
        tokens = last.tolist()
        logprobs = [None] * len(tokens)
        if self.before.noted is not None:
            logprobs = self.before.noted.gather(1, last[:, None])[:, 0].tolist()
        for row, token, logprob in zip(self.rows, tokens, logprobs, strict=True):
            if row.finish is None:
                self._advance(row, token, logprob)
        return torch.tensor([row.finish is not None for row in self.rows], device=self.device)

    def _advance(self, row: Row, token: int, logprob: float | None) -> None:
        row.generated += 1
        text = "" if token in self.silent else (row.stream.step(self.backend, token) or "")
        if row.matcher is not None and token not in self.ends:
            row.matcher.consume_token(token)
        if row.stopped():
            row.finish = "abort"
        elif token in self.ends:
            row.finish = "stop"
        elif row.generated >= row.request.sampling.max_tokens:
            row.finish = "length"
        silent = token in self.ends
        row.emit(Chunk(text, () if silent else (Token(text, logprob if row.request.logprobs else None),), row.finish))


def run_batch(checkpoint: Checkpoint, reader: Reader, rows: Sequence[Row]) -> None:
    """Answer rows of equal sampling settings together; returns when the last one is done or stopped."""
    sampling = rows[0].request.sampling
    before = _Before(rows, checkpoint)
    processors = [before]
    if sampling.repetition_penalty != 1.0:
        processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    options: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if sampling.temperature > 0:
        options = {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
    # Without a whole configuration `generate` builds the model's own anew each time, to look for settings in it.
    settings = GenerationConfig(
        **options,
        max_new_tokens=max(row.request.sampling.max_tokens for row in rows),
        repetition_penalty=1.0,
        eos_token_id=sorted(checkpoint.end_ids),
        pad_token_id=checkpoint.pad_id,
    )
    devices = [checkpoint.device] if checkpoint.device.startswith("cuda") else []
    with torch.inference_mode(), torch.random.fork_rng(devices, enabled=sampling.seed is not None):
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        reader.answer(
            [(row.ids, row.picture) for row in rows],
            lambda inputs: checkpoint.model.generate(
                **inputs,
                generation_config=settings,
                logits_processor=LogitsProcessorList(processors),
                stopping_criteria=StoppingCriteriaList([_After(rows, checkpoint, before)]),
            ),
        )
