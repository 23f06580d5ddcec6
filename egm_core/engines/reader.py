"""Reads prompts into the model: a picture once, however many questions about it come.

What a model makes of a prompt up to its picture's end depends on nothing that follows. It is kept as keys and values,
like a server's cache of prefixes, and further questions about the picture go on from there. A model with another memory
than keys and values (Qwen3.5's linear attention) cannot: of its pictures only the features are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from egm_core.engines.checkpoint import Checkpoint, Picture

# Bytes that are kept at most. A picture of 1,000 tokens is 147 MB for an 8B model in bfloat16.
KEPT = 512 * 1024 * 1024
Inputs: TypeAlias = dict[str, Any]
Question: TypeAlias = tuple[list[int], Picture]


@dataclass(frozen=True)
class _Kept:
    """Tensors of a picture, which is held so that no other one gets its place in memory.

    Of a beginning they are each layer's keys and values, (heads, tokens, size), and `delta` is how far M-RoPE's
    positions lag behind, None where there is none. Of features they are what the vision tower gives.
    """

    picture: Picture
    tensors: tuple[torch.Tensor, ...]
    delta: int | None = None

    @property
    def size(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors)


class Reader:
    """Has questions read, and keeps what was read of their pictures, the latest ones; at most `limit` bytes.

    For weights that do not change, and for one thread at a time, which records no gradients.
    """

    def __init__(self, checkpoint: Checkpoint, limit: int = KEPT) -> None:
        self._checkpoint = checkpoint
        self._limit = limit
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        layers = DynamicCache(config=checkpoint.model.config.get_text_config(decoder=True)).layers
        self.continues = all(type(layer) is DynamicLayer for layer in layers)

    def answer(self, questions: Sequence[Question], generate: Callable[[Inputs], object]) -> None:
        """Call `generate` with the model's inputs for questions, given as token ids and pictures."""
        begun = [self._beginning(ids) for ids, _ in questions]
        if not self.continues or any(len(begin) == len(ids) for begin, (ids, _) in zip(begun, questions, strict=True)):
            generate(self.encoded(questions))
            return
        keys: list[Hashable] = [(id(picture), begin) for begin, (_, picture) in zip(begun, questions, strict=True)]
        if len(set(keys)) == len(keys) and not any(key in self._kept for key in keys):
            # Two passes cost more than one: what is new and asked about once is read whole, and kept afterwards.
            cache = DynamicCache()
            inputs = self._checkpoint.batch(questions)
            generate({**inputs, "past_key_values": cache})
            self._keep_all(keys, questions, begun, cache, [inputs["input_ids"].shape[1] - len(q[0]) for q in questions])
            return
        found = self._read(dict(zip(keys, zip(begun, questions, strict=True), strict=True)))
        generate(self._joined([(found[key], ids) for key, (ids, _) in zip(keys, questions, strict=True)]))

    def encoded(self, questions: Sequence[Question]) -> Inputs:
        """Give inputs for which each picture goes through the vision tower once at most."""
        inputs = self._checkpoint.batch(questions)
        distinct = {id(picture): picture for _, picture in questions}
        if self.continues and len(distinct) == len(questions):
            return inputs
        del inputs["pixel_values"]
        known = self._features(distinct)
        pooled, *deep = zip(*(known[id(picture)] for _, picture in questions), strict=True)
        features = SimpleNamespace(
            pooler_output=torch.cat(pooled) if self._checkpoint.tiled else pooled, deepstack_features=deep
        )
        return {**inputs, "mm_encoder_outputs": {"image": features}}

    def _beginning(self, ids: list[int]) -> tuple[int, ...]:
        return tuple(ids[: len(ids) - ids[::-1].index(self._checkpoint.image_token_id)])

    def _features(self, pictures: dict[int, Picture]) -> dict[int, tuple[torch.Tensor, ...]]:
        """Send pictures through the vision tower that did not go yet."""
        checkpoint = self._checkpoint
        found = {key: kept.tensors for key in pictures if (kept := self._used(key)) is not None}
        new = {key: picture for key, picture in pictures.items() if key not in found}
        if not new:
            return found
        names = next(iter(new.values())).tensors
        tensors = {name: torch.cat([p.tensors[name] for p in new.values()]).to(checkpoint.device) for name in names}
        tensors["pixel_values"] = tensors["pixel_values"].to(checkpoint.model.dtype)
        made = checkpoint.model.base_model.get_image_features(**tensors, return_dict=True)
        pooled = made.pooler_output
        if checkpoint.tiled:
            pooled = pooled.split([len(picture.tensors["pixel_values"]) for picture in new.values()])
        deep = getattr(made, "deepstack_features", None) or ()
        for row, (key, picture) in enumerate(new.items()):
            # Copied, for a part of a tensor holds on to the whole.
            kept = _Kept(picture, tuple(part[row].clone() for part in (pooled, *deep)))
            found[key] = kept.tensors
            if not self.continues:
                self._keep(key, kept)
        return found

    def _read(self, wanted: dict[Hashable, tuple[tuple[int, ...], Question]]) -> dict[Hashable, _Kept]:
        """Read the beginnings that were not read yet, together."""
        found = {key: kept for key in wanted if (kept := self._used(key)) is not None}
        new = [key for key in wanted if key not in found]
        if new:
            begun = [wanted[key][0] for key in new]
            questions = [(list(begin), wanted[key][1][1]) for key, begin in zip(new, begun, strict=True)]
            inputs, cache = self.encoded(questions), DynamicCache()
            if not hasattr(self._checkpoint.model.base_model, "rope_deltas"):
                # Otherwise padding would be counted.
                inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
            self._checkpoint.model.base_model(**inputs, past_key_values=cache, use_cache=True)
            firsts = [inputs["input_ids"].shape[1] - len(begin) for begin in begun]
            found |= self._keep_all(new, questions, begun, cache, firsts)
        return found

    def _keep_all(
        self, keys: Sequence[Hashable], questions: Sequence[Question], begun: Sequence[tuple[int, ...]],
        cache: DynamicCache, firsts: Sequence[int],
    ) -> dict[Hashable, _Kept]:  # fmt: skip
        """Keep of a batch's memory the beginnings, each from its first place on."""
        deltas = getattr(self._checkpoint.model.base_model, "rope_deltas", None)
        found = {}
        for row, (key, (_, picture), begin) in enumerate(zip(keys, questions, begun, strict=True)):
            part = slice(firsts[row], firsts[row] + len(begin))
            both = (tensor for layer in cache.layers for tensor in (layer.keys, layer.values))
            delta = None if deltas is None else int(deltas[row, 0])
            found[key] = _Kept(picture, tuple(tensor[row, :, part].clone() for tensor in both), delta)
            self._keep(key, found[key])
        return found

    def _joined(self, rows: Sequence[tuple[_Kept, list[int]]]) -> Inputs:
        """Give inputs that go on from beginnings: both halves of each row are padded on the left."""
        device, pad = self._checkpoint.device, self._checkpoint.pad_id
        lengths = [kept.tensors[0].shape[1] for kept, _ in rows]
        before = max(lengths)
        after = max(len(ids) - length for length, (_, ids) in zip(lengths, rows, strict=True))
        written, masks = [], []
        for length, (_, ids) in zip(lengths, rows, strict=True):
            head, tail = before - length, after - (len(ids) - length)
            written.append([pad] * head + ids[:length] + [pad] * tail + ids[length:])
            masks.append([0] * head + [1] * length + [0] * tail + [1] * (len(ids) - length))
        mask = torch.tensor(masks, device=device)
        cache = DynamicCache()
        for layer in range(0, len(rows[0][0].tensors), 2):
            cache.update(
                *(_stacked([kept.tensors[part] for kept, _ in rows]) for part in (layer, layer + 1)), layer // 2
            )
        inputs = {"input_ids": torch.tensor(written, device=device), "attention_mask": mask, "past_key_values": cache}
        if rows[0][0].delta is not None:
            text = (mask.cumsum(1) - 1).clamp(min=0)
            deltas = torch.tensor([[kept.delta] for kept, _ in rows], device=device)
            inputs["position_ids"] = torch.stack([text, *[(text + deltas).clamp(min=0)] * 3])
        return inputs

    def _used(self, key: Hashable) -> _Kept | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        self._kept[key] = kept
        while self._kept and sum(each.size for each in self._kept.values()) > self._limit:
            self._kept.popitem(last=False)


def _stacked(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Put keys or values of beginnings together, padded on the left; those of one beginning without a copy."""
    if all(part is parts[0] for part in parts):
        return parts[0].expand(len(parts), -1, -1, -1)
    longest = max(part.shape[1] for part in parts)
    return torch.stack([torch.nn.functional.pad(part, (0, 0, longest - part.shape[1], 0)) for part in parts])
