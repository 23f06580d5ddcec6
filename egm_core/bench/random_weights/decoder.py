"""A model of random weights, its prompt with a picture, and a step that makes the next token in place.

Speed doesn't depend on what the weights say, so no checkpoint is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from egm_core.torchvision_shim import install_schemas
from egm_core.train.plan.architectures import architecture

install_schemas()

from transformers import AutoModelForImageTextToText, DynamicCache, StaticCache  # noqa: E402 - needs the schemas

SHAPES = {"2b": "Qwen/Qwen3-VL-2B-Thinking", "4b": "Qwen/Qwen3-VL-4B-Thinking", "8b": "Qwen/Qwen3-VL-8B-Thinking"}
# The words around a picture, in tokens.
WORDS = 60
WARM = 3


class Decoder:
    """One model at random weights that answers `rows` questions about pictures of `grid` patches side by side."""

    def __init__(self, config: Any, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        with torch.device(device):
            self.model: Any = AutoModelForImageTextToText.from_config(config, dtype=dtype).eval()
        self.config = config
        self.dtype = dtype
        self.cache: Any = None

    def ask(self, rows: int, room: int, grid: tuple[int, int]) -> None:
        """Prepare questions, and room for `room` tokens of each answer."""
        config, device = self.config, self.device
        vision = config.vision_config
        pictured = grid[0] * grid[1] // vision.spatial_merge_size**2
        self.length = pictured + WORDS
        ids = torch.randint(10, 1000, (1, self.length), device=device).repeat(rows, 1)
        ids[:, 10 : 10 + pictured] = config.image_token_id
        values = 3 * vision.temporal_patch_size * vision.patch_size**2
        self.prompt = {
            "input_ids": ids,
            "pixel_values": torch.randn(rows * grid[0] * grid[1], values, device=device, dtype=self.dtype),
            "image_grid_thw": torch.tensor([[1, *grid]] * rows, device=device),
            "mm_token_type_ids": (ids == config.image_token_id).int(),
        }
        self.rows, self.room = rows, self.length + room
        self.token = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self.position = torch.zeros(1, dtype=torch.long, device=device)

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture's values."""
        values = self.prompt["pixel_values"]
        return int(values.numel() * values.element_size() // self.rows)

    def prefill(self, static: bool) -> None:
        """Read the prompts into a new cache, and set the first token of each answer, and its position."""
        config = self.config.text_config
        self.cache = StaticCache(config=config, max_cache_len=self.room) if static else DynamicCache(config=config)
        logits = self.model(**self.prompt, past_key_values=self.cache, use_cache=True, logits_to_keep=1).logits
        self.token.copy_(logits[:, -1:].argmax(-1))
        self.position.fill_(self.length)

    def step(self, static: bool) -> None:
        """Make the next tokens; with a static cache, everything stays where it lies, as a graph asks for."""
        decoder = self.model.model.language_model
        mask = None
        if static:
            mask = (torch.arange(self.room, device=self.device) <= self.position)[None, None, None]
            mask = mask.expand(self.rows, 1, 1, -1)
        hidden = decoder(
            inputs_embeds=decoder.embed_tokens(self.token),
            attention_mask=mask,
            position_ids=self.position.view(1, 1, 1).expand(4, self.rows, 1),
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.token.copy_(self.model.lm_head(hidden).argmax(-1))
        self.position.add_(1)

    def graphed(self) -> Callable[[], None]:
        """Capture a step as a CUDA graph; its replay makes the next tokens."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM):
                self.step(static=True)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(static=True)
        replay: Callable[[], None] = graph.replay
        return replay


def config_of(shape: str) -> Any:
    """Give the configuration of a shape: a true one, or a tiny one that a processor builds at once."""
    if shape in SHAPES:
        return architecture(SHAPES[shape])
    config = architecture(SHAPES["2b"])
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers, text.vocab_size = 64, 128, 2, 2048
    config.image_token_id, config.video_token_id = 2001, 2002
    config.vision_start_token_id, config.vision_end_token_id = 2003, 2004
    text.num_attention_heads, text.num_key_value_heads, text.head_dim = 4, 2, 16
    text.rope_parameters = {**text.rope_parameters, "mrope_section": [4, 2, 2]}
    vision.hidden_size, vision.intermediate_size, vision.depth, vision.num_heads = 32, 64, 2, 2
    vision.out_hidden_size, vision.deepstack_visual_indexes, vision.num_position_embeddings = 64, [0], 16
    return config


def grid_of(config: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Give the patches of a picture, rows and columns, as Qwen's processor cuts it."""
    vision = config.vision_config
    side = vision.patch_size * vision.spatial_merge_size
    width, height = (max(1, round(edge / side)) * vision.spatial_merge_size for edge in size)
    return height, width
