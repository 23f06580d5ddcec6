"""Sizes of published base models, the paper's six first, and real architectures built from them without weights.

`egm train plan` counts parameters and image tokens with these where no model folder is at hand.
Verified: built on the `meta` device, the three Qwen3-VL count exactly the parameters that the hub states for the
checkpoints (2,127,532,032, 4,437,815,808 and 8,767,123,696), and every size was compared with copies of their
`config.json`. InternVL3-1B was compared with a copy of its `config.json` and module listing, the language model of
2B with another project's copy of its `config.json`; their totals, and all of 8B (whose language model is
Qwen2.5-7B), agree with the published ones (0.94, 2.09 and 7.94 billion) only as far as those are given.
InternVL3.5-1B counts exactly what its checkpoint holds (1,060,897,792), and the larger ones what their makers state
(2.3, 4.7 and 8.5 billion); Qwen3.5's two are from copies of their `config.json`, without the layer for speculation.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egm_core.models.folder import resolve
from egm_core.torchvision_shim import install_schemas
from egm_core.train.configuration import ConfigurationError

BLOCKS = ("language_model.layers.", "visual.blocks.", "vision_tower.encoder.layer.")


def _qwen3_vl(width: int, depth: int, heads: int, feed_forward: int, large_vision: bool = False) -> dict[str, Any]:
    vision = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17]}
    if large_vision:
        vision = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "deepstack_visual_indexes": [8, 16, 24]}
    # The largest one has an output layer of its own.
    tied = not large_vision
    return {
        "model_type": "qwen3_vl",
        "tie_word_embeddings": tied,
        "vision_config": {
            **vision,
            "num_heads": 16,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "out_hidden_size": width,
        },
        "text_config": {
            "vocab_size": 151936,
            "hidden_size": width,
            "intermediate_size": feed_forward,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "max_position_embeddings": 262144,
            "tie_word_embeddings": tied,
        },
    }


def _qwen3_5(width: int, depth: int, heads: int, feed_forward: int, large: bool) -> dict[str, Any]:
    vision = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096}
    if large:
        vision = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304}
    return {
        "model_type": "qwen3_5",
        "tie_word_embeddings": not large,
        "vision_config": {
            **vision,
            "num_heads": 16,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "out_hidden_size": width,
        },
        "text_config": {
            "vocab_size": 248320,
            "hidden_size": width,
            "intermediate_size": feed_forward,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "num_key_value_heads": heads // 4,
            "head_dim": 256,
            "linear_num_key_heads": 16,
            "linear_num_value_heads": 32 if large else 16,
            "max_position_embeddings": 262144,
            "tie_word_embeddings": not large,
        },
    }


def _internvl3_5(width: int, depth: int, heads: int, feed_forward: int) -> dict[str, Any]:
    base = _internvl3(width, depth, heads, 8, feed_forward)
    text = {"model_type": "qwen3", "vocab_size": 151936, "head_dim": 128, "max_position_embeddings": 40960}
    return {**base, "text_config": {**base["text_config"], **text}}


def _internvl3(width: int, depth: int, heads: int, kv_heads: int, feed_forward: int) -> dict[str, Any]:
    return {
        "model_type": "internvl",
        "tie_word_embeddings": False,
        "vision_config": {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
            "image_size": [448, 448],
            "patch_size": [14, 14],
            "attention_bias": True,
            "use_qk_norm": False,
        },
        "text_config": {
            "model_type": "qwen2",
            "vocab_size": 151674,
            "hidden_size": width,
            "intermediate_size": feed_forward,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "max_position_embeddings": 32768,
            "tie_word_embeddings": False,
        },
    }


PUBLISHED: dict[str, dict[str, Any]] = {
    "Qwen/Qwen3-VL-2B-Thinking": _qwen3_vl(2048, 28, 16, 6144),
    "Qwen/Qwen3-VL-4B-Thinking": _qwen3_vl(2560, 36, 32, 9728),
    "Qwen/Qwen3-VL-8B-Thinking": _qwen3_vl(4096, 36, 32, 12288, large_vision=True),
    "OpenGVLab/InternVL3-1B-hf": _internvl3(896, 24, 14, 2, 4864),
    "OpenGVLab/InternVL3-2B-hf": _internvl3(1536, 28, 12, 2, 8960),
    "OpenGVLab/InternVL3-8B-hf": _internvl3(3584, 28, 28, 4, 18944),
}
# Bases that the paper has not.
FURTHER: dict[str, dict[str, Any]] = {
    "Qwen/Qwen3.5-2B": _qwen3_5(2048, 24, 8, 6144, large=False),
    "Qwen/Qwen3.5-9B": _qwen3_5(4096, 32, 16, 12288, large=True),
    "OpenGVLab/InternVL3_5-1B-HF": _internvl3_5(1024, 28, 16, 3072),
    "OpenGVLab/InternVL3_5-2B-HF": _internvl3_5(2048, 28, 16, 6144),
    "OpenGVLab/InternVL3_5-4B-HF": _internvl3_5(2560, 36, 32, 9728),
    "OpenGVLab/InternVL3_5-8B-HF": _internvl3_5(4096, 36, 32, 12288),
}

BASES = {**PUBLISHED, **FURTHER}

# What the released checkpoints and the paper's bases under other names are built like.
SAME_AS = {
    "nvidia/EGM-4B": "Qwen/Qwen3-VL-4B-Thinking",
    "nvidia/EGM-4B-SFT": "Qwen/Qwen3-VL-4B-Thinking",
    "nvidia/EGM-8B": "Qwen/Qwen3-VL-8B-Thinking",
    "nvidia/EGM-8B-SFT": "Qwen/Qwen3-VL-8B-Thinking",
    **{name.replace("Thinking", "Instruct"): name for name in PUBLISHED if "Thinking" in name},
}


@dataclass(frozen=True)
class Sizes:
    """What a memory estimate needs to know of a model; parameters are counted, sizes in channels.

    `vision` is the part that the paper freezes (the encoder without its merger), `block` the parameters of the
    largest transformer block, `linear` the input and output widths of the language model's linear layers, for LoRA.
    `linear_depth` are the layers of linear attention, which hold no keys and values.
    """

    parameters: int
    vision: int
    embedding: int
    block: int
    width: int
    depth: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    vision_width: int
    vision_depth: int
    vision_feed_forward: int
    linear: tuple[tuple[str, int, int], ...]
    linear_depth: int = 0


def architecture(model: str) -> Any:
    """Give the transformers configuration of a model folder, the embedded model, or a published hub name.

    ConfigurationError names the published ones where there is neither; nothing is downloaded.
    """
    install_schemas()
    from transformers import AutoConfig

    name = SAME_AS.get(model, model)
    if name in BASES:
        values = dict(BASES[name])
        return AutoConfig.for_model(values.pop("model_type"), **values)
    try:
        return AutoConfig.from_pretrained(resolve(model))
    except FileNotFoundError as error:
        near = difflib.get_close_matches(model, [*BASES, *SAME_AS], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(
            f"model: {model!r} is neither a model folder on this machine nor one of the published "
            f"{', '.join(BASES)}{hint}"
        ) from error


def on_meta(config: Any) -> Any:
    """Build the real model class of a configuration on the `meta` device: every shape, no memory."""
    install_schemas()
    import torch
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    model.tie_weights()
    return model


def sizes(config: Any) -> Sizes:
    """Count a configuration's parameters by building it on the `meta` device."""
    from egm_core.train.run.training import freeze_vision

    model = on_meta(config)
    text, vision = config.text_config, config.vision_config
    freeze_vision(model)
    blocks: dict[str, int] = {}
    linear = []
    for name, parameter in model.named_parameters():
        for mark in BLOCKS:
            if mark in name:
                key = name[: name.index(mark) + len(mark)] + name.split(mark)[1].split(".")[0]
                blocks[key] = blocks.get(key, 0) + parameter.numel()
        if "language_model.layers." in name and parameter.ndim == 2:
            linear.append((name.split(".")[-2], parameter.shape[1], parameter.shape[0]))
    return Sizes(
        parameters=sum(p.numel() for p in model.parameters()),
        vision=sum(p.numel() for p in model.parameters() if not p.requires_grad),
        embedding=model.get_input_embeddings().weight.numel(),
        block=max(blocks.values()),
        width=text.hidden_size,
        depth=text.num_hidden_layers,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        feed_forward=_feed_forward(text),
        vocabulary=text.vocab_size,
        vision_width=vision.hidden_size,
        vision_depth=getattr(vision, "depth", None) or vision.num_hidden_layers,
        vision_feed_forward=vision.intermediate_size,
        linear=tuple(linear),
        linear_depth=linear_layers(text),
    )


def _feed_forward(text: Any) -> int:
    """Give the width of a token's way through a block; of a mixture, that of the experts that take part."""
    whole = getattr(text, "intermediate_size", None)
    if whole:
        return int(whole)
    shared = getattr(text, "shared_expert_intermediate_size", None) or 0
    return int(text.moe_intermediate_size * text.num_experts_per_tok + shared)


def linear_layers(text: Any) -> int:
    """Count a language model's layers of linear attention, which keep a state instead of keys and values."""
    return list(getattr(text, "layer_types", None) or ()).count("linear_attention")


@dataclass(frozen=True)
class Picture:
    """What one picture costs: tokens of the prompt, patches in the encoder, bytes of float32 pixel values."""

    tokens: int
    patches: int
    bytes: int


def picture(model: str, config: Any, height: int, width: int) -> Picture:
    """Say what a picture of some size costs, by the model's own image processor (or its published settings)."""
    processor = _image_processor(model, config)
    if config.model_type == "internvl":
        side, patch = config.vision_config.image_size[0], config.vision_config.patch_size[0]
        tiles = processor.get_number_of_image_patches(height, width, {"crop_to_patches": True})
        return Picture(tiles * config.image_seq_length, tiles * (side // patch) ** 2, tiles * 3 * side**2 * 4)
    patches = processor.get_number_of_image_patches(height, width, {})
    vision = config.vision_config
    values = 3 * vision.temporal_patch_size * vision.patch_size**2
    return Picture(math.ceil(patches / vision.spatial_merge_size**2), patches, patches * values * 4)


def _image_processor(model: str, config: Any) -> Any:
    from transformers import AutoImageProcessor, GotOcr2ImageProcessor, Qwen2VLImageProcessor

    if Path(model).is_dir() or model == "egm_tiny":
        return AutoImageProcessor.from_pretrained(resolve(model))
    if config.model_type == "internvl":
        return GotOcr2ImageProcessor(size={"height": 448, "width": 448}, min_patches=1, max_patches=12)
    size = {"shortest_edge": 65536, "longest_edge": 16777216}
    return Qwen2VLImageProcessor(patch_size=16, merge_size=2, size=size)
