"""The least time that an answer can take: the bytes that must be moved, over the bandwidth of the memory.

What is computed is left out, so that it is a floor: no engine is faster on that machine, and a good one comes near it
from token to token. Before the first token much is computed, and the floor of that lies far below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Weights:
    """Bytes of a model that are read: `vision` once a picture; `layers` and `head` once a token, for all answers.

    `kept` are the bytes of keys and values that each token of the context adds, for each answer. The state of linear
    attention, which no token adds to, is left out.
    """

    vision: int
    layers: int
    head: int
    kept: int

    @property
    def token(self) -> int:
        """What a token reads, whatever the context."""
        return self.layers + self.head


@dataclass(frozen=True)
class Floor:
    """Milliseconds that a first token, each further token and a whole answer take at least."""

    first: float
    token: float
    total: float


def weights_of(config: Any, bytes_a_value: int) -> Weights:
    """Count the bytes of a model from its configuration, built without memory; raises ValueError for an unknown one."""
    from egm_core.train.plan.architectures import on_meta

    return weights(on_meta(config), bytes_a_value)


def weights(model: Any, bytes_a_value: int) -> Weights:
    """Count the bytes of a vision-language model of transformers."""
    from egm_core.train.plan.architectures import linear_layers

    inner = model.model
    text = model.config.text_config
    vision = getattr(inner, "visual", None) or inner.vision_tower
    projector = getattr(inner, "multi_modal_projector", None)
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    seen = sum(p.numel() for part in (vision, projector) if part is not None for p in part.parameters())
    layers = sum(p.numel() for p in inner.language_model.layers.parameters())
    kept = 2 * (text.num_hidden_layers - linear_layers(text)) * text.num_key_value_heads * head_dim
    parts = (seen, layers, model.lm_head.weight.numel(), kept)
    return Weights(*(count * bytes_a_value for count in parts))


def floor(weights: Weights, speed: float, prompt: int, answer: float, at_once: int, picture: int) -> Floor:
    """Give the floor of answers of `answer` tokens to prompts of `prompt`, `at_once` of them side by side.

    `speed` is in bytes a second, `picture` the bytes of one picture's values. Side by side all answers share one
    reading of the weights; each reads keys and values of its own: on average those of the prompt and half the answer.
    """
    first = weights.vision + weights.token + picture + prompt * weights.kept
    token = weights.token + at_once * (prompt + answer / 2) * weights.kept
    each = 1000 * token / speed
    start = 1000 * first / speed
    return Floor(start, each, start + max(0.0, answer - 1) * each)
