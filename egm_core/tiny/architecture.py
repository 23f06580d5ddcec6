"""The embedded model's shape and starting point: transformers' Qwen3-VL class, a few million parameters.

The start matters more than usual for so small a model trained for so short a time: patches enter whitened,
positions as 2-D sines, numerals as a smooth code of their value.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from egm_core.tiny.shape import Architecture
from egm_core.tiny.tokenizer import CHAT_TEMPLATE, numeral_ids
from egm_core.torchvision_shim import install_schemas

install_schemas()

from transformers import (  # noqa: E402 - the processors need the schemas when they are imported
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

# vLLM's vision tower takes no other base, so a model with another one would run there as a different model.
VISION_ROPE_THETA = 10000.0


def build_processor(tokenizer: PreTrainedTokenizerFast, shape: Architecture) -> Qwen3VLProcessor:
    """Build the processor (image, video and text) that goes with the model."""
    common = {
        "patch_size": shape.patch_size,
        "merge_size": shape.merge_size,
        "temporal_patch_size": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    size = {"shortest_edge": shape.min_pixels, "longest_edge": shape.max_pixels}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size, **common),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(**common),
        chat_template=CHAT_TEMPLATE,
    )


def build_config(tokenizer: PreTrainedTokenizerFast, shape: Architecture) -> Qwen3VLConfig:
    """Build the Qwen3-VL configuration of the given sizes for the given tokenizer."""
    ids = tokenizer.convert_tokens_to_ids
    half = shape.head_dim // 2
    section = [half - 2 * (half // 3), half // 3, half // 3]
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": math.ceil(len(tokenizer) / 64) * 64,
            "hidden_size": shape.width,
            "intermediate_size": shape.feed_forward,
            "num_hidden_layers": shape.depth,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "head_dim": shape.head_dim,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": shape.rope_theta,
                "mrope_section": section,
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": True,
            "pad_token_id": ids("<|endoftext|>"),
            "eos_token_id": ids("<|im_end|>"),
            "bos_token_id": None,
        },
        vision_config={
            "depth": shape.vision_depth,
            "hidden_size": shape.vision_width,
            "hidden_act": "silu",
            "intermediate_size": shape.vision_width * shape.vision_ratio,
            "num_heads": shape.vision_heads,
            "patch_size": shape.patch_size,
            "spatial_merge_size": shape.merge_size,
            "temporal_patch_size": 2,
            "out_hidden_size": shape.width,
            "num_position_embeddings": shape.grid**2,
            "deepstack_visual_indexes": list(shape.deepstack),
            "rope_parameters": {"rope_type": "axial", "rope_theta": VISION_ROPE_THETA},
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    config.eos_token_id = ids("<|im_end|>")
    config.pad_token_id = ids("<|endoftext|>")
    return config


def build_model(
    tokenizer: PreTrainedTokenizerFast, shape: Architecture, patches: NDArray[np.float32], seed: int = 0
) -> Qwen3VLForConditionalGeneration:
    """Build an untrained model whose start is fitted to a sample of image patches.

    `patches` (N, 3 * patch * patch) are normalised pixels, channels first, of typical pictures.
    """
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(build_config(tokenizer, shape))
    set_generation(model, tokenizer)
    with torch.no_grad():
        _start_vision(model, shape, torch.from_numpy(patches).double())
        _start_decoder(model, torch.tensor(numeral_ids(tokenizer)))
    return model


def set_generation(model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> None:
    """Set how the model answers when it is told nothing else: greedily, to the end of its turn."""
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config.pad_token_id = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.generation_config.do_sample = False


def _start_vision(model: Qwen3VLForConditionalGeneration, shape: Architecture, patches: torch.Tensor) -> None:
    vision = model.model.visual
    width = shape.vision_width
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
    values = values.flip(0)[:width].clamp(min=1e-8)
    whitening = (vectors.flip(1)[:, :width] / (values + 0.02 * values[min(20, width - 1)]).sqrt()).T * 0.7
    kernel = whitening.float().view(width, 3, 1, shape.patch_size, shape.patch_size)
    vision.patch_embed.proj.weight.copy_((kernel / 2).expand_as(vision.patch_embed.proj.weight))
    vision.patch_embed.proj.bias.copy_(-(whitening @ mean).float())

    axis = torch.arange(shape.grid) / shape.grid
    frequencies = 2 ** torch.linspace(-1, math.log2(shape.grid / 2), width // 4) * math.pi
    waves = torch.cat([(axis[:, None] * frequencies).sin(), (axis[:, None] * frequencies).cos()], 1)
    rows, columns = torch.meshgrid(torch.arange(shape.grid), torch.arange(shape.grid), indexing="ij")
    positions = torch.cat([waves[rows.ravel()], waves[columns.ravel()]], 1)
    rotation = torch.linalg.qr(torch.randn(width, width))[0]
    vision.pos_embed.weight.copy_(0.5 * positions @ rotation)
    for module in (vision.blocks, vision.merger, vision.deepstack_merger_list):
        for parameter in module.parameters():
            if parameter.ndim == 2:
                parameter.normal_(0, 0.7 / parameter.shape[1] ** 0.5)


def _start_decoder(model: Qwen3VLForConditionalGeneration, numerals: torch.Tensor) -> None:
    decoder = model.model.language_model
    for layer in decoder.layers:
        for parameter in layer.parameters():
            if parameter.ndim == 2:
                parameter.normal_(0, 0.7 / parameter.shape[1] ** 0.5)
        scale = (2 * len(decoder.layers)) ** -0.5
        layer.self_attn.o_proj.weight.mul_(scale)
        layer.mlp.down_proj.weight.mul_(scale)
    embedding = decoder.embed_tokens.weight
    embedding.normal_(0, 0.25)
    half = embedding.shape[1] // 2
    third = half // 3
    bandwidth = torch.cat(
        [torch.full((third,), 1 / 150.0), torch.full((third,), 1 / 50.0), torch.full((half - 2 * third,), 1 / 15.0)]
    )
    angle = torch.arange(float(len(numerals)))[:, None] * (torch.randn(half) * bandwidth)
    embedding[numerals] = torch.cat([angle.cos(), angle.sin()], 1) * 0.35
    decoder.norm.weight.fill_(0.3)
