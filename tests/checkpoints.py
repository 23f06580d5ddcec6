"""Tiny checkpoint folders for the tests, of every family, built offline with transformers' own classes.

The random ones answer nonsense. The memorising ones have learnt four answers by heart, told apart by the prompt
alone: they let a test follow a found, an absent and an amodal answer through every layer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from egm_core.boxes import Box
from egm_core.families import TASKS, Task
from egm_core.families import family as speaker_of

QWEN_ARCHITECTURE: dict[str, Any] = {
    "vision_width": 32,
    "vision_depth": 2,
    "vision_heads": 2,
    "deepstack": (0,),
    "grid": 8,
    "width": 64,
    "depth": 2,
    "heads": 2,
    "kv_heads": 1,
    "head_dim": 32,
    "feed_forward": 128,
    "min_pixels": 64 * 64,
    "max_pixels": 128 * 128,
}
WORDS = ("the", "red", "mug", "green", "dragon", "blue", "box", "is", "at", "none", "there", "hides", "it", "and")

FOUND, ABSENT = "the red mug", "the green dragon"
VISIBLE_BOX, AMODAL_BOX = (200.0, 300.0, 400.0, 600.0), (150.0, 300.0, 400.0, 600.0)
TRACES: dict[tuple[str, Task], str] = {
    (FOUND, "visible"): "The red mug is at (300,450).",
    (FOUND, "amodal"): "The red mug is at (300,450). The blue box is there, and the box hides it.",
    (ABSENT, "visible"): "There is none.",
    (ABSENT, "amodal"): "There is none.",
}
TILE = 56


def memorised_answers(family: str = "qwen3_vl") -> dict[tuple[str, Task], str]:
    """Give the whole answer that a memorising checkpoint of a family gives, by (sent, task)."""
    boxes: dict[tuple[str, Task], Box] = {(FOUND, "visible"): VISIBLE_BOX, (FOUND, "amodal"): AMODAL_BOX}
    return {
        (sent, task): speaker_of(family).target(sent, boxes.get((sent, task)), trace, task)
        for (sent, task), trace in TRACES.items()
    }


def _write_info(folder: Path, name: str, family: str, max_pixels: int) -> None:
    speaker = speaker_of(family)
    info = {
        "format": 1,
        "name": name,
        "version": "0.0.1",
        "family": family,
        "tasks": ["visible", "amodal"],
        "frame": 1000,
        "prompts": {task: speaker.prompt("{sent}", task) for task in TASKS},
        "reasoning": True,
        "max_pixels": max_pixels,
        "max_tokens": 96,
        "domain": None,
        "license": "Apache-2.0",
    }
    (folder / "egm.json").write_text(json.dumps(info, indent=2))


def make_qwen(folder: Path, seed: int = 0) -> Any:
    """Write a random Qwen3-VL checkpoint of about 0.2 M parameters; returns model and processor."""
    from egm_core.torchvision_shim import install_schemas

    install_schemas()
    from egm_core.tiny.architecture import build_model, build_processor
    from egm_core.tiny.shape import Architecture
    from egm_core.tiny.tokenizer import build_tokenizer

    shape = Architecture(**QWEN_ARCHITECTURE)
    tokenizer = build_tokenizer(WORDS)
    patches = np.random.default_rng(seed).normal(size=(2000, 3 * shape.patch_size**2)).astype(np.float32)
    model = build_model(tokenizer, shape, patches, seed)
    processor = build_processor(tokenizer, shape)
    # vLLM ignores the vision tower's rope_theta, and computes with this one.
    model.config.vision_config.rope_parameters["rope_theta"] = 10000.0
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    _write_info(folder, folder.name, "qwen3_vl", shape.max_pixels)
    return model, processor


def _qwen3_5_tokenizer() -> Any:
    """Build Qwen3.5's own tokenizer class, which splits numbers into digits, with merges for the answers' words."""
    from tokenizers import AddedToken
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer
    from transformers import Qwen3_5Tokenizer

    from egm_core.tiny.tokenizer import SPECIAL_TOKENS, THINK_TOKENS

    core = Qwen3_5Tokenizer().backend_tokenizer
    said = [*memorised_answers("qwen3_5").values(), *speaker_of("qwen3_5").prompts.values(), "system user assistant"]
    trainer = BpeTrainer(vocab_size=2000, initial_alphabet=ByteLevel.alphabet(), show_progress=False)
    core.train_from_iterator(said, trainer)
    model = json.loads(core.to_str())["model"]
    tokenizer = Qwen3_5Tokenizer(
        vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], eos_token="<|im_end|>"
    )
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS]}
    )
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in THINK_TOKENS])
    tokenizer.model_max_length = 2048
    tokenizer.padding_side = "left"
    return tokenizer


def make_qwen3_5(folder: Path, seed: int = 0) -> Any:
    """Write a random Qwen3.5 checkpoint of about 0.2 M parameters; returns model and processor.

    Like the real ones it mixes linear and full attention, and its template thinks unless `enable_thinking` is false.
    """
    from egm_core.torchvision_shim import install_schemas

    install_schemas()
    import torch
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    from egm_core.tiny.architecture import build_processor
    from egm_core.tiny.shape import Architecture

    # Patches of 8 pixels, merged by fours as the real one does.
    shape = Architecture(**QWEN_ARCHITECTURE, patch_size=8, merge_size=2)
    tokenizer = _qwen3_5_tokenizer()
    ids = tokenizer.convert_tokens_to_ids
    config = Qwen3_5Config(
        text_config={
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "layer_types": ["linear_attention", "full_attention"],
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000000,
                "partial_rotary_factor": 0.25,
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": True,
            "pad_token_id": ids("<|endoftext|>"),
            "eos_token_id": ids("<|im_end|>"),
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": shape.patch_size,
            "spatial_merge_size": 2,
            "out_hidden_size": 64,
            "num_position_embeddings": 64,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = Qwen3_5ForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids("<|im_end|>")
    model.generation_config.pad_token_id = ids("<|endoftext|>")
    processor = build_processor(tokenizer, shape)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    rewrite_template(folder, "hybrid")
    _write_info(folder, folder.name, "qwen3_5", shape.max_pixels)
    return model, processor


def make_internvl3_5(folder: Path, seed: int = 0) -> Any:
    """Write a random InternVL3.5-hf checkpoint, whose language model is a Qwen3; returns model and processor."""
    return make_internvl(folder, seed, "internvl3_5")


def make_internvl(folder: Path, seed: int = 0, family: str = "internvl3") -> Any:
    """Write a random InternVL-hf checkpoint of about 0.2 M parameters; returns model and processor."""
    from egm_core.torchvision_shim import install_schemas

    install_schemas()
    import torch
    from tokenizers import AddedToken
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
        PreTrainedTokenizerFast,
    )

    from egm_core.tiny.tokenizer import build_tokenizer

    backend = build_tokenizer(WORDS).backend_tokenizer
    images = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    tags = ["<ref>", "</ref>", "<box>", "</box>"]
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in [*images.values(), *tags]])
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}"
        "{% for c in m.content %}{% if c.type == 'image' %}<IMG_CONTEXT>\n{% elif c.type == 'text' %}{{ c.text }}"
        "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=2048,
        extra_special_tokens={**images, "video_token": "<|video_pad|>"},
        chat_template=template,
    )
    tokenizer.padding_side = "left"
    ids = tokenizer.convert_tokens_to_ids
    config = InternVLConfig(
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "image_size": [TILE, TILE],
            "patch_size": [14, 14],
        },
        text_config={
            **({"model_type": "qwen3", "head_dim": 32} if family == "internvl3_5" else {"model_type": "qwen2"}),
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 2048,
            "pad_token_id": ids("<|endoftext|>"),
            "eos_token_id": ids("<|im_end|>"),
            "bos_token_id": None,
            "tie_word_embeddings": True,
        },
        image_token_id=ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = InternVLForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids("<|im_end|>")
    model.generation_config.pad_token_id = ids("<|endoftext|>")
    size = {"height": TILE, "width": TILE}
    processor = InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size=size, min_patches=1, max_patches=3, crop_to_patches=True),
        tokenizer=tokenizer,
        video_processor=InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=template,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    _write_info(folder, folder.name, family, TILE * TILE * 3)
    return model, processor


# How the checkpoints of the field end a prompt, beside the Thinking ones: Instruct, and hybrid ones by an argument.
ENDINGS = {
    "instruct": "",
    "hybrid": "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}",
}


# A system prompt that asks for a thought, as InternVL3.5's makers would have it, behind a template's argument.
ASKS_TO_THINK = "{% if enable_thinking %}<|im_start|>system\nThere is <think> and </think>.<|im_end|>\n{% endif %}"


def rewrite_template(folder: Path, ending: str) -> None:
    """Have a Qwen folder's chat template end in another way than by opening `<think>`."""
    file = folder / "chat_template.jinja"
    template = file.read_text()
    assert template.count("<think>\n") == 1
    file.write_text(template.replace("<think>\n", ENDINGS[ending]))


def _lessons(
    family: str, ending: str, whole: dict[tuple[str, Task], str]
) -> list[tuple[tuple[str, Task], str, int, dict[str, Any]]]:
    """List what to learn: question, answer, tokens of the answer that a grammar gives, arguments of the template."""
    if family == "internvl3":
        return [(key, answer, 0, {}) for key, answer in whole.items()]
    direct = {key: answer.partition("</think>")[2].lstrip() for key, answer in whole.items()}
    if ending == "instruct":
        return [(key, answer, 0, {}) for key, answer in direct.items()]
    if ending == "hybrid":
        without = [(key, answer, 0, {"enable_thinking": False}) for key, answer in direct.items()]
        return [*((key, answer, 0, {"enable_thinking": True}) for key, answer in whole.items()), *without]
    # Where a grammar forbids thinking, the first token is given, and the rest must follow from it.
    shut = [(key, answer[answer.index("</think>") :], 1, {}) for key, answer in whole.items()]
    return [*((key, answer, 0, {}) for key, answer in whole.items()), *shut]


MAKERS = {
    "qwen3_vl": make_qwen,
    "qwen3_5": make_qwen3_5,
    "internvl3": make_internvl,
    "internvl3_5": make_internvl3_5,
}


def make_memorising(
    folder: Path,
    family: str = "qwen3_vl",
    steps: int = 160,
    ending: str = "thinking",
    whole: dict[tuple[str, Task], str] | None = None,
    ask: Callable[[str, Task], str] | None = None,
) -> None:
    """Write a checkpoint that has learnt answers by heart, whatever the picture: `memorised_answers` or these."""
    MAKERS[family](folder)
    if family == "internvl3_5":
        file = folder / "chat_template.jinja"
        file.write_text(ASKS_TO_THINK + file.read_text())
    elif family == "qwen3_vl" and ending != "thinking":
        rewrite_template(folder, ending)
    if family in ("qwen3_5", "internvl3_5"):
        ending = "hybrid"
    import torch

    from egm_core.engines.checkpoint import Checkpoint

    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    checkpoint = Checkpoint(folder)
    model, tokenizer, speaker = checkpoint.model, checkpoint.tokenizer, speaker_of(family)
    lessons = _lessons(family, ending, whole or memorised_answers(family))
    ask = ask or speaker.prompt
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("vis" not in name)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=6e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    model.train()
    losses: list[float] = []
    for step in range(steps):
        height, width = (int(side) * 32 for side in rng.integers(2, 5, 2))
        picture = checkpoint.picture(rng.integers(0, 256, (height, width, 3), np.uint8))
        rows, starts = [], []
        for (sent, task), answer, given, template in lessons:
            start = checkpoint.ids(ask(sent, task), picture, template)
            rows.append(start + tokenizer(answer + tokenizer.eos_token, add_special_tokens=False).input_ids)
            starts.append(len(start) + given)
        inputs = checkpoint.batch([(row, picture) for row in rows])
        labels = inputs["input_ids"].clone()
        for label, row, start in zip(labels, rows, starts, strict=True):
            label[: len(label) - len(row) + start] = -100
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.item())
        if step > 30 and max(losses[-6:]) < 0.008:
            break
    model.eval()
    model.save_pretrained(folder)
