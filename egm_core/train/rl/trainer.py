"""TRL's GRPOTrainer, made fit for grounding models: the smallest subclass that the paper's objective needs.

The objective is all configuration (see `rl.grpo_arguments`). What TRL 1.16 leaves to do: with vLLM in the same
process it hands over prompts whose image token is expanded already, and vLLM expands it again (trl#6294); and it
repeats prompt and picture for every answer, which on a CPU is most of the work (see `prefix`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from PIL import Image

from egm_core.pictures.source import read
from egm_core.torchvision_shim import install_schemas

install_schemas()

from trl import GRPOTrainer  # noqa: E402 - the processors need the schemas when they are imported
from trl.trainer.utils import pad  # noqa: E402

from egm_core.train.rl.prefix import Drawing, sample, share_prompts  # noqa: E402
from egm_core.train.run.callbacks import Watched  # noqa: E402

READERS = 16


def collapse_image_runs(ids: Sequence[int], processor: Any) -> list[int]:
    """Undo a processor's expansion of image tokens: each run becomes one, and InternVL's `<img>` tags go."""
    image = processor.image_token_id
    framing = {getattr(processor, f"{side}_image_token_id", None) for side in ("start", "end")} - {None}
    kept: list[int] = []
    for token in ids:
        if token not in framing and not (token == image and kept and kept[-1] == image):
            kept.append(token)
    return kept


def read_pictures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read the pictures of a generation batch whose rows name files, each file once, several at a time.

    TRL draws the row of a prompt again for each of its answers in each of the micro-batches, and looks at those of the
    first alone: pictures that were read where rows are drawn would be read that many times.
    """
    files = dict.fromkeys(row["image"] for row in rows if isinstance(row.get("image"), str))
    if not files:
        return rows
    with ThreadPoolExecutor(min(len(files), os.cpu_count() or 1, READERS)) as pool:
        pictures = dict(zip(files, pool.map(_read, files), strict=True))
    return [{**row, "image": pictures.get(row["image"], row["image"])} for row in rows]


def _read(file: str) -> Any:
    return Image.fromarray(read(file, trusted=True))


def image_tokens(model_config: Any) -> tuple[int, ...]:
    """Give the ids that a policy must never sample: they stand for pictures that are not there."""
    ids = (getattr(model_config, f"{kind}_token_id", None) for kind in ("image", "video"))
    return tuple(sorted(i for i in ids if i is not None))


class EGMGRPOTrainer(Watched, GRPOTrainer):
    """GRPOTrainer for models with one picture a prompt; `shared` lets answers share the work for their prompt."""

    def __init__(self, *args: Any, shared: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shared = shared
        self._rows: list[int] = []
        if shared:
            for model in filter(None, (self.model, self.ref_model)):
                share_prompts(model, self.temperature)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        return super()._generate_and_score_completions(read_pictures(inputs))  # type: ignore[no-any-return]

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], Any, dict[str, Any]]:
        if not self.shared:
            return super()._tokenize_prompts(prompts)  # type: ignore[no-any-return]
        new = [i == 0 or prompt != prompts[i - 1] for i, prompt in enumerate(prompts)]
        self._rows = [count - 1 for count in accumulate(map(int, new))]
        ids, images, fields = super()._tokenize_prompts([p for p, is_new in zip(prompts, new, strict=True) if is_new])
        return [ids[row] for row in self._rows], [images[row] for row in self._rows], fields

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], Any]:
        if self.shared:
            return self._draw(prompt_ids, multimodal_fields), None
        if self.use_vllm and self.vllm_mode == "colocate" and images is not None:
            prompt_ids = [collapse_image_runs(ids, self.processing_class) for ids in prompt_ids]
        return super()._generate_single_turn(  # type: ignore[no-any-return]
            prompt_ids, images, multimodal_fields, num_generations, has_tool_images
        )

    def _draw(self, prompt_ids: list[list[int]], fields: dict[str, Any]) -> list[list[int]]:
        distinct = [prompt_ids[self._rows.index(row)] for row in range(self._rows[-1] + 1)]

        def padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
            filled: torch.Tensor = pad([torch.tensor(row) for row in rows], padding_value=value, padding_side="left")
            return filled

        prompts: dict[str, Any] = {
            "input_ids": padded(distinct, self._tokenizer.pad_token_id),
            "attention_mask": padded([[1] * len(ids) for ids in distinct], 0),
        }
        for name, value in fields.items():
            if isinstance(value, list) and isinstance(value[0], torch.Tensor):
                # InternVL's tiles come one by one.
                prompts[name] = torch.stack(value)
            else:
                listed = isinstance(value, list) and isinstance(value[0], list)
                prompts[name] = padded(value, 0) if listed else torch.as_tensor(np.array(value))
        drawing = Drawing(
            self.temperature,
            self.top_p,
            self.top_k,
            self.max_completion_length,
            tuple(self.eos_token_ids),
            image_tokens(self.model.config),
        )
        answers: list[list[int]] = sample(self.model, prompts, self._rows, drawing)
        return answers

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **inputs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        if not self.shared:
            return super()._get_per_token_logps_and_entropies(  # type: ignore[no-any-return]
                model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **inputs
            )
        grids, kinds = inputs.get("image_grid_thw"), inputs.get("mm_token_type_ids")
        tiles = inputs.get("num_tiles") or [1] * len(input_ids)
        pictures = torch.split(inputs["pixel_values"], tiles if grids is None else grids.prod(-1).tolist())
        size = batch_size or len(input_ids)
        parts = []
        for start in range(0, len(input_ids), size):
            rows = slice(start, start + size)
            parts.append(
                model(
                    input_ids=input_ids[rows],
                    attention_mask=attention_mask[rows],
                    kept=logits_to_keep,
                    pictures=pictures[rows],
                    grids=None if grids is None else grids[rows],
                    kinds=None if kinds is None else kinds[rows],
                    entropy_gradient=self._entropy_bonus_enabled,
                )
            )
        logps, entropies = (torch.cat(values) for values in zip(*parts, strict=True))
        return logps, entropies if compute_entropy else None, None
