"""A vision-language checkpoint loaded without torchvision: weights, tokenizer, image processor, model inputs.

transformers' full processor needs torchvision for its video half, which a robot's machine may lack. The parts
that a picture needs are the tokenizer and the image processor (PIL backend); what the full processor does
besides is to repeat the image token and to mark its places, and that is done here. Serves Qwen3-VL, Qwen3.5 and
InternVL (hf) through the Auto classes.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from jinja2 import TemplateError
from numpy.typing import NDArray
from tokenizers import Tokenizer

from egm_core.engines.base import EngineError
from egm_core.engines.devices import refusal
from egm_core.families.thinking import Thinking, thinking_of
from egm_core.torchvision_shim import install_schemas

TINY_PARAMETERS = 50_000_000
# From here on loading takes seconds.
LARGE_BYTES = 500_000_000
# Tags that prompts and answers are written with, whatever a tokenizer calls them.
TAGS = frozenset({"<think>", "</think>", "<answer>", "</answer>", "<ref>", "</ref>", "<box>", "</box>"})


def show_bars(folder: Path) -> None:
    """Let transformers draw its bars for a model that takes long to load, on a terminal; else forbid them."""
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    if size > LARGE_BYTES and sys.stderr is not None and sys.stderr.isatty():
        transformers.logging.enable_progress_bar()
    else:
        transformers.logging.disable_progress_bar()


@dataclass(frozen=True)
class Picture:
    """A preprocessed image: model inputs by name (torch tensors), and the text that stands for it in a prompt."""

    tensors: dict[str, Any]
    placeholder: str


class Checkpoint:
    """A model folder in memory, and the way from image and prompt to model inputs.

    `device` "auto" takes the GPU where there is one; `dtype` "auto" is float32 on a CPU (bfloat16 products are
    fifty times slower there) and the checkpoint's own on a GPU; `max_pixels` lowers the image processor's budget.
    """

    def __init__(self, path: Path, device: str = "auto", dtype: str = "auto", max_pixels: int | None = None) -> None:
        if not (path / "config.json").is_file():
            raise EngineError("engine_failed", f"{path} is not a model folder: it has no config.json")
        problem = refusal(device, dtype, torch.cuda.device_count())
        if problem:
            raise EngineError("engine_failed", problem)
        install_schemas()
        show_bars(path)
        from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer, GenerationConfig

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto":
            dtype = "float32" if device == "cpu" else "auto"
        self.path = path
        self.device = device
        self.tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        self.tokenizer.padding_side = "left"
        self.image_processor = AutoImageProcessor.from_pretrained(path, backend="pil", local_files_only=True)
        self.model = AutoModelForImageTextToText.from_pretrained(path, dtype=dtype, local_files_only=True)
        self.model.to(device).eval()
        ends = self.model.generation_config.eos_token_id
        ids = {*ends} if isinstance(ends, list) else {ends}
        # Ids of the tokens that end an answer.
        self.end_ids = frozenset(int(i) for i in ids | {self.tokenizer.eos_token_id} if i is not None)
        # A checkpoint's own sampling settings must not mix with those of a request.
        self.model.generation_config = GenerationConfig()
        self.image_token_id: int = self.model.config.image_token_id
        self.image_token: str = self.tokenizer.convert_ids_to_tokens(self.image_token_id)
        # A second thread gains a tiny model nothing, and on a busy machine waiting for it costs several times the work.
        self.tiny: bool = self.model.num_parameters() < TINY_PARAMETERS
        self.vocabulary: int = self.model.get_input_embeddings().weight.shape[0]
        self.tiled = self.model.config.model_type == "internvl"
        self._options = self._image_options(max_pixels)
        self._tile_tokens = _tile_tokens(path, self.model.config) if self.tiled else 0
        # Characters of the longest token: a prompt of more of them than fit is refused before it is read.
        self.longest_token: int = max(len(token) for token in self.tokenizer.get_vocab())
        self._plain = _plain(self.tokenizer)

    def _image_options(self, max_pixels: int | None) -> dict[str, Any]:
        if self.tiled:
            options: dict[str, Any] = {"crop_to_patches": True}
            if max_pixels is not None:
                size = self.image_processor.size
                tiles = max(1, max_pixels // (size["height"] * size["width"]))
                options["max_patches"] = min(self.image_processor.max_patches, tiles)
                options["min_patches"] = min(self.image_processor.min_patches, tiles)
            return options
        size = dict(self.image_processor.size)
        if max_pixels is not None:
            size["longest_edge"] = min(size["longest_edge"], max_pixels)
            size["shortest_edge"] = min(size["shortest_edge"], size["longest_edge"])
        return {"size": {"shortest_edge": size["shortest_edge"], "longest_edge": size["longest_edge"]}}

    @property
    def context(self) -> int:
        """Tokens that prompt, picture and answer may have together."""
        text = self.model.config.get_text_config()
        return int(getattr(text, "max_position_embeddings", None) or self.tokenizer.model_max_length)

    @property
    def pad_id(self) -> int:
        """Id of the token that fills up a batch; an end where the tokenizer has no padding."""
        pad = self.tokenizer.pad_token_id
        return min(self.end_ids) if pad is None else int(pad)

    @property
    def silent_ids(self) -> frozenset[int]:
        """Ids of the tokens that are no part of an answer's text: ends, padding, chat and image markers."""
        names = {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_start|>", "<|vision_end|>", "<img>", "</img>"}
        known = self.tokenizer.get_vocab()
        return self.end_ids | self.banned_ids | {known[n] for n in names if n in known} | {self.pad_id}

    @property
    def banned_ids(self) -> frozenset[int]:
        """Ids that must never be sampled: a sampled image token makes the next forward pass fail."""
        video = getattr(self.model.config, "video_token_id", None)
        return frozenset(i for i in (self.image_token_id, video) if i is not None and i not in self.end_ids)

    def picture(self, image: NDArray[np.uint8]) -> Picture:
        """Preprocess one image (H, W, 3 uint8 RGB)."""
        features = self.image_processor(
            images=[image], return_tensors="pt", input_data_format="channels_last", **self._options
        )
        if self.tiled:
            tiles = int(features["num_patches"][0])
            text = self.image_token * (self._tile_tokens * tiles)
            start, end = self.tokenizer.start_image_token, self.tokenizer.end_image_token
            return Picture({"pixel_values": features["pixel_values"]}, f"{start}{text}{end}")
        grid = features["image_grid_thw"]
        count = int(grid[0].prod()) // self.image_processor.merge_size**2
        return Picture({"pixel_values": features["pixel_values"], "image_grid_thw": grid}, self.image_token * count)

    def thinking(self) -> Thinking:
        """Tell from the chat template how an answer begins."""
        write = self.tokenizer.apply_chat_template
        return thinking_of(
            lambda chat, arguments: str(write(chat, tokenize=False, add_generation_prompt=True, **arguments))
        )

    def ids(self, prompt: str, picture: Picture, template: dict[str, Any] | None = None) -> list[int]:
        """Write the chat around a prompt and its picture as token ids, up to where the answer begins.

        The prompt is text and nothing else: a chat or image marker in it is spelt out, like any other word.
        `template` are further arguments of the chat template.
        """
        before, after = self._chat(template or {})
        before = before.replace(self.image_token, picture.placeholder, 1)
        banned = self.banned_ids
        words = [i for i in self._plain.encode(prompt, add_special_tokens=False).ids if i not in banned]
        return [*self._ids(before), *words, *self._ids(after)]

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _chat(self, template: dict[str, Any]) -> tuple[str, str]:
        """Give the chat's text before and after a prompt."""
        place = secrets.token_hex(16)
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": place}]}]
        taken = template.keys() & signature(self.tokenizer.apply_chat_template).parameters.keys()
        if taken:
            raise EngineError("engine_request", f"{', '.join(sorted(taken))} is no argument of the chat template")
        try:
            text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, **template)
        except (TemplateError, TypeError) as error:
            raise EngineError("engine_request", f"the chat template refuses {sorted(template)}: {error}") from error
        before, found, after = text.partition(place)
        if not found or before.count(self.image_token) != 1 or self.image_token in after:
            raise EngineError(
                "engine_request" if template else "engine_failed",
                f"{self.path}: its chat template does not put one picture, {self.image_token}, before the prompt",
            )
        return before, after

    def batch(self, rows: Sequence[tuple[list[int], Picture]]) -> dict[str, Any]:
        """Put prompts and pictures together, padded on the left, as the model's keyword arguments."""
        longest = max(len(ids) for ids, _ in rows)
        pad = self.pad_id
        input_ids = torch.tensor([[pad] * (longest - len(ids)) + ids for ids, _ in rows])
        mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids, _ in rows])
        inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": mask}
        for name in rows[0][1].tensors:
            inputs[name] = torch.cat([picture.tensors[name] for _, picture in rows])
        if not self.tiled:
            inputs["mm_token_type_ids"] = ((input_ids == self.image_token_id) & mask.bool()).int()
        inputs["pixel_values"] = inputs["pixel_values"].to(self.model.dtype)
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}


def _plain(tokenizer: Any) -> Tokenizer:
    """Make a tokenizer that reads the chat's own markers as text; answer tags stay tokens, for prompts hold them.

    Markers get names that nobody can write, for the numbers of the tokens after them go by their places.
    """
    data = json.loads(tokenizer.backend_tokenizer.to_str())
    for token in data["added_tokens"]:
        if token["special"] and token["content"] not in TAGS:
            token["content"] = secrets.token_hex(16)
    data["post_processor"] = data["truncation"] = data["padding"] = None
    return Tokenizer.from_str(json.dumps(data))


def _tile_tokens(path: Path, config: Any) -> int:
    """Give the number of image tokens of one InternVL tile, as the folder says it or as the sizes imply it."""
    for name in ("processor_config.json", "preprocessor_config.json"):
        if (path / name).is_file():
            length = json.loads((path / name).read_text()).get("image_seq_length")
            if length:
                return int(length)
    image, patch = config.vision_config.image_size, config.vision_config.patch_size
    side = [int(i // p * config.downsample_ratio) for i, p in zip(image, patch, strict=True)]
    return side[0] * side[1]
