"""EXPERIMENTAL: teaches verl 0.9.1 the processor of InternVL-hf, which it refuses otherwise.

verl imports it where `VERL_USE_EXTERNAL_MODULES=egm_core.train.rl.verl.internvl` is set, as `launch` does. Tested
on a CPU: the data set, the pictures' tiles, positions, and the tokens handed to vLLM. Not tested, for want of a GPU:
vLLM's answers, and the sharded forward pass. On one node TRL trains InternVL without any of this.
"""

from __future__ import annotations

import sys
from typing import Any

import verl.utils.tokenizer
import verl.workers.rollout.utils
from transformers import AutoConfig, AutoProcessor, InternVLProcessor

_hf_processor = verl.utils.tokenizer.hf_processor
_dedup = verl.workers.rollout.utils.qwen2_5_vl_dedup_image_tokens


class PlaceholderProcessor(InternVLProcessor):
    """InternVL's processor, which puts back the image tokens that verl has stripped from a decoded text.

    verl processes an answer's pictures once more with the conversation's text, decoded without special tokens, and
    uses the pixels only.
    """

    def __call__(self, images: Any = None, text: Any = None, **kwargs: Any) -> Any:
        """Process pictures and texts as InternVLProcessor does; one text per call where pictures are given."""
        if images is not None and isinstance(text, list) and len(text) == 1:
            missing = len(images) - text[0].count(self.image_token)
            text = [self.image_token * max(missing, 0) + text[0]]
        return super().__call__(images=images, text=text, **kwargs)


def hf_processor(name_or_path: str, **kwargs: Any) -> Any:
    """Load a model's processor as verl does, and InternVL's too."""
    config = AutoConfig.from_pretrained(name_or_path, **kwargs)
    if config.model_type != "internvl":
        return _hf_processor(name_or_path, **kwargs)
    processor = AutoProcessor.from_pretrained(name_or_path, **kwargs)
    processor.__class__ = PlaceholderProcessor
    processor.config = config
    return processor


def dedup_image_tokens(prompt_ids: list[int], processor: Any) -> list[int]:
    """Undo the expansion of image tokens, for vLLM expands them again and frames them itself."""
    if not isinstance(processor, InternVLProcessor):
        return list(_dedup(prompt_ids, processor))
    image, frame = processor.image_token_id, {processor.start_image_token_id, processor.end_image_token_id}
    kept: list[int] = []
    for token in prompt_ids:
        if token not in frame and not (token == image and kept[-1:] == [image]):
            kept.append(token)
    return kept


def install() -> None:
    """Put both in the place of verl's own, in every module of verl that has them by name already."""
    replacements = {"hf_processor": (_hf_processor, hf_processor), _dedup.__name__: (_dedup, dedup_image_tokens)}
    for module in [m for name, m in sys.modules.items() if name.split(".")[0] == "verl"]:
        for name, (old, new) in replacements.items():
            if vars(module).get(name) is old:
                setattr(module, name, new)


install()
