"""Answers to one prompt share its work: the picture and the prompt go through the model once, not once an answer.

TRL's trainer repeats prompt and picture for every answer, while rolling out and in each forward pass. Here the
prompt's keys and values are computed once and handed to its answers; gradients flow back through them, so that
loss and gradient are the same (a test holds them to that). It pays on a CPU, where the embedded model's RL would
otherwise spend most of its time on repetitions. Needs the model in one piece: no sharding, no checkpointing of
activations, no adapters.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from transformers import LogitsProcessorList
from transformers.generation import (
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

# Ended answers leave the batch when they are more than one in so many: leaving costs a copy of the cache.
LEAVING = 16


@dataclass(frozen=True)
class Drawing:
    """How answers are drawn; `top_k` 0 and `top_p` 1 leave the distribution whole, `banned` ids never come."""

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    ends: tuple[int, ...]
    banned: tuple[int, ...]

    def processors(self) -> Any:
        """Give transformers' processors in the order in which `generate` applies them."""
        steps: list[Any] = [SuppressTokensLogitsProcessor(list(self.banned))] if self.banned else []
        if self.temperature != 1:
            steps.append(TemperatureLogitsWarper(self.temperature))
        if self.top_k > 0:
            steps.append(TopKLogitsWarper(self.top_k))
        if self.top_p < 1:
            steps.append(TopPLogitsWarper(self.top_p))
        return LogitsProcessorList(steps)


@torch.no_grad()
def sample(model: Any, prompts: dict[str, Any], rows: Sequence[int], drawing: Drawing) -> list[list[int]]:
    """Draw one answer for each entry of `rows`, which names its prompt; an answer ends with its end token.

    `prompts` are model inputs of distinct prompts (P, length), padded on the left. Uses torch's global generator.
    """
    row = torch.tensor(rows)
    hidden, cache, deltas = _read(model, prompts)
    cache.batch_select_indices(row)
    last, mask = hidden[row, -1], prompts["attention_mask"][row]
    deltas = None if deltas is None else deltas[row]
    head, processors, ends = model.get_output_embeddings(), drawing.processors(), torch.tensor(drawing.ends)
    drawn = torch.full((len(rows), drawing.max_tokens), -1)
    places, alive = torch.arange(len(rows)), torch.ones(len(rows), dtype=torch.bool)
    for step in range(drawing.max_tokens):
        scores = processors(None, head(last).float())
        token = torch.multinomial(scores.softmax(-1), 1)[:, 0]
        drawn[places[alive], step] = token[alive]
        alive = alive & ~torch.isin(token, ends)
        if not alive.any() or step == drawing.max_tokens - 1:
            break
        if int((~alive).sum()) * LEAVING >= len(alive):
            cache.batch_select_indices(alive.nonzero()[:, 0])
            token, mask, places = token[alive], mask[alive], places[alive]
            deltas = None if deltas is None else deltas[alive]
            alive = alive[alive]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        last = _continue(model, token[:, None], mask, cache, deltas)[:, -1]
    return [[token for token in answer if token >= 0] for answer in drawn.tolist()]


def share_prompts(model: Any, temperature: float) -> None:
    """Teach a model's forward to score answers that share prompts: `model(kept=..., ...)`, see `log_probabilities`."""
    plain = model.forward

    @functools.wraps(type(model).forward)
    def forward(self: Any, *args: Any, kept: int | None = None, **inputs: Any) -> Any:
        if kept is None:
            return plain(*args, **inputs)
        return log_probabilities(self, kept=kept, temperature=temperature, **inputs)

    model.forward = MethodType(forward, model)


def log_probabilities(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    kept: int,
    pictures: Sequence[torch.Tensor],
    temperature: float,
    grids: torch.Tensor | None = None,
    kinds: torch.Tensor | None = None,
    entropy_gradient: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give log-probability and entropy of the last `kept` tokens of each row, (B, kept); 0 where they are masked.

    Rows are prompts padded on the left with answers padded on the right. `pictures` are the pixels of each row,
    `grids` (B, 3) and `kinds` (B, length) Qwen's image grids and token types. Entropies carry a gradient on demand.
    """
    width = input_ids.shape[1] - kept
    first, row = _distinct(input_ids[:, :width], pictures)
    prompts = {
        "input_ids": input_ids[first, :width],
        "attention_mask": attention_mask[first, :width],
        "pixel_values": torch.cat([pictures[i] for i in first]),
    }
    if grids is not None and kinds is not None:
        prompts |= {"image_grid_thw": grids[first], "mm_token_type_ids": kinds[first, :width]}
    hidden, cache, deltas = _read(model, prompts)
    states = hidden[row, -1:]
    if kept > 1:
        cache.batch_select_indices(row)
        deltas = None if deltas is None else deltas[row]
        states = torch.cat([states, _continue(model, input_ids[:, width:-1], attention_mask[:, :-1], cache, deltas)], 1)
    asked = attention_mask[:, width:].bool()
    logs = (model.get_output_embeddings()(states[asked]).float() / temperature).log_softmax(-1)
    chosen = logs.gather(1, input_ids[:, width:][asked][:, None])[:, 0]
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        entropy = -(logs.exp() * logs).sum(-1)
    blank = chosen.new_zeros(asked.shape)
    return blank.masked_scatter(asked, chosen), blank.masked_scatter(asked, entropy)


def _read(model: Any, prompts: dict[str, Any]) -> tuple[torch.Tensor, Any, torch.Tensor | None]:
    """Run prompts: hidden states, their keys and values, and how far M-RoPE positions lag behind (P, 1)."""
    outputs = model.base_model(**prompts, use_cache=True)
    return outputs.last_hidden_state, outputs.past_key_values, getattr(model.base_model, "rope_deltas", None)


def _continue(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, cache: Any, deltas: torch.Tensor | None
) -> torch.Tensor:
    """Run tokens that follow what is in the cache; `mask` covers both. Gives their hidden states."""
    places = None
    if deltas is not None:
        places = ((mask.cumsum(1) - 1)[:, -ids.shape[1] :] + deltas).clamp(min=0).expand(3, -1, -1)
    outputs = model.base_model(
        input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
    )
    hidden: torch.Tensor = outputs.last_hidden_state
    return hidden


def _distinct(ids: torch.Tensor, pictures: Sequence[torch.Tensor]) -> tuple[list[int], torch.Tensor]:
    """Find the rows with distinct prompt and picture, and for every row the number of its like among them."""
    first: list[int] = []
    row: list[int] = []
    known: dict[tuple[int, ...], list[int]] = {}
    for i, key in enumerate(map(tuple, ids.tolist())):
        alike = known.setdefault(key, [])
        found = next((n for n in alike if torch.equal(pictures[first[n]], pictures[i])), None)
        if found is None:
            found = len(first)
            first.append(i)
            alike.append(found)
        row.append(found)
    return first, torch.tensor(row)
