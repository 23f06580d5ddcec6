"""Supervised fine-tuning on reasoning (paper, section 4.3): TRL's SFTTrainer over sample records.

    python -m egm_core.train sft --config training/egm_tiny/sft.yaml [key=value ...]

The same code tunes the embedded model and the real ones; only the first asks for soft coordinates and
attention supervision, through `compute_loss`. Prompt and image tokens never enter the loss. Resumes from the
output folder's last checkpoint; ends in `final/`, a model folder.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from egm_core.families import Family, Task, family
from egm_core.model_folder import ModelInfo, load_info, resolve, write_info
from egm_core.sample import Sample, read_samples
from egm_core.torchvision_shim import install_schemas
from egm_core.train.packing import relative


@dataclass
class SFTStageConfig:
    """All settings of a fine-tuning run."""

    model: str = "egm_tiny"
    data: list[str] = field(default_factory=list)
    output: str = "runs/sft"
    name: str = "egm_model"
    tasks: list[str] = field(default_factory=lambda: ["visible", "amodal"])
    learning_rate: float = 1e-5
    epochs: float = 1.0
    max_steps: int = -1
    batch: int = 16
    accumulation: int = 1
    warmup: float = 0.03
    scheduler: str = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0
    freeze_vision: bool = True
    soft_width: float = 0.0
    attention_weight: float = 0.0
    attention_layer: int = 2
    attention_heads: int = 2
    processes: int = 1
    workers: int = 1
    save_steps: int = 200
    seed: int = 0
    offline: bool = True


def rows(
    samples: Iterator[Sample], speaker: Family, tasks: list[str], start: str, end: str
) -> Iterator[dict[str, str]]:
    """Turn samples into prompt, completion and image file: one row per sample and task.

    `start` is the chat text of a prompt with `{prompt}` in its place, `end` the end-of-turn token.
    """
    for sample in samples:
        for task in ("visible", "amodal"):
            box = sample.bbox if task == "visible" else sample.amodal_bbox
            trace = sample.reasoning if task == "visible" else sample.amodal_reasoning
            if task not in tasks or sample.task not in ("", task) or (task == "amodal" and box is None and not trace):
                continue
            scaled = None if box is None else relative(box, sample.width, sample.height)
            target = speaker.target(sample.sent, scaled, trace, task)
            yield {
                "prompt": start.replace("{prompt}", speaker.prompt(sample.sent, task)),
                "completion": target + end,
                "image": sample.image,
            }


def _trainer_class() -> Any:
    from trl import SFTTrainer

    from egm_core.train.supervision import AttentionTap, Numerals, coordinates, token_loss

    class EGMSFTTrainer(SFTTrainer):
        """SFTTrainer whose loss may soften coordinates and supervise attention (embedded model only)."""

        def prepare(self, config: SFTStageConfig) -> None:
            """Set up the supervision that the configuration asks for."""
            self.egm = config
            text = self.model.config.text_config
            self.numerals = Numerals.of(self.processing_class.tokenizer, text.vocab_size)
            self.tap = AttentionTap(self.model, config.attention_layer, config.attention_heads)

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            if not getattr(self, "egm", None):
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            labels = inputs["labels"]
            outputs = model(**{k: v for k, v in inputs.items() if k != "labels"}, use_cache=False)
            asked = labels[:, 1:] != -100
            soft = torch.zeros_like(labels, dtype=torch.bool)
            looks: list[tuple[int, int, float, float]] = []
            for b, ids in enumerate(labels.tolist()):
                for span in coordinates(ids, self.numerals):
                    values = [float(self.numerals.value[ids[p]]) for p in span]
                    x, y = values if len(span) == 2 else ((values[0] + values[2]) / 2, (values[1] + values[3]) / 2)
                    looks += [(b, p - 1, x, y) for p in range(span[0], span[-1] + 1)]
                    soft[b, span] = True
            loss = token_loss(
                outputs.logits[:, :-1][asked],
                labels[:, 1:][asked],
                soft[:, 1:][asked],
                self.numerals,
                self.egm.soft_width,
            )
            attention = self._attention(inputs, looks)
            self._metrics["train"]["attention"].append(float(attention.detach()))
            total = loss.mean() + self.egm.attention_weight * attention
            return (total, outputs) if return_outputs else total

        def _attention(self, inputs: dict[str, Any], looks: list[tuple[int, int, float, float]]) -> torch.Tensor:
            if not looks:
                return torch.zeros(())
            is_image = inputs["input_ids"] == self.model.config.image_token_id
            merge = self.model.config.vision_config.spatial_merge_size
            weights = self.tap.weights
            assert weights is not None
            total = torch.zeros(())
            first = is_image.float().argmax(1)
            for b, grid in enumerate((inputs["image_grid_thw"] // merge).tolist()):
                places = [(p, x, y) for row, p, x, y in looks if row == b]
                if not places:
                    continue
                _, height, width = grid
                position = torch.tensor([p for p, _, _ in places])
                x = torch.tensor([x for _, x, _ in places]) / 1000 * width
                y = torch.tensor([y for _, _, y in places]) / 1000 * height
                column, line = torch.arange(width) + 0.5, torch.arange(height) + 0.5
                near = ((column[None, None, :] - x[:, None, None]).abs() < 1) & (
                    (line[None, :, None] - y[:, None, None]).abs() < 1
                )
                start = int(first[b])
                seen = weights[b, :, position, start : start + height * width].mean(0)
                total = total - ((seen * near.flatten(1)).sum(1) + 1e-4).log().sum()
            return total / len(looks)

    return EGMSFTTrainer


def _run(rank: int, config: SFTStageConfig, port: int) -> None:
    if config.processes > 1:
        os.environ.update(
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(config.processes),
            MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
        )  # fmt: skip
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    install_schemas()
    from datasets import Dataset, Image
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.trainer_utils import get_last_checkpoint
    from trl import SFTConfig

    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        torch.set_num_threads(1)
    path = resolve(config.model, offline=config.offline)
    info = load_info(path)
    speaker = family(info.family)
    processor = AutoProcessor.from_pretrained(path)
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
    if config.freeze_vision:
        freeze_vision(model)
    message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "{prompt}"}]}]
    start = processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
    samples = (s for file in config.data for s in read_samples(Path(file)))
    end = processor.tokenizer.eos_token
    data = Dataset.from_list(list(rows(samples, speaker, config.tasks, start, end))).cast_column("image", Image())
    output = Path(config.output)
    arguments = SFTConfig(
        output_dir=str(output),
        learning_rate=config.learning_rate,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps,
        per_device_train_batch_size=config.batch,
        gradient_accumulation_steps=config.accumulation,
        warmup_steps=config.warmup,
        lr_scheduler_type=config.scheduler,
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        max_length=None,
        completion_only_loss=True,
        gradient_checkpointing=not on_cpu,
        bf16=not on_cpu,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and config.processes > 1 else None,
        dataloader_num_workers=config.workers,
        save_steps=config.save_steps,
        save_total_limit=2,
        logging_steps=20,
        report_to=[],
        seed=config.seed,
        remove_unused_columns=False,
    )
    trainer = _trainer_class()(model=model, args=arguments, train_dataset=data, processing_class=processor)
    if config.soft_width > 0 or config.attention_weight > 0:
        trainer.prepare(config)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(output)) if output.is_dir() else None)
    if rank == 0:
        export(trainer.model, processor, output / "final", info, config)
        (output / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in trainer.state.log_history))


def freeze_vision(model: Any) -> None:
    """Freeze the vision encoder but not its merger (paper: ViT frozen, merger MLP and language model trained)."""
    for name, parameter in model.named_parameters():
        if (".visual." in name or "vision_tower" in name) and "merger" not in name:
            parameter.requires_grad_(False)


def export(model: Any, processor: Any, folder: Path, info: ModelInfo, config: SFTStageConfig) -> None:
    """Write the tuned model as a model folder that grounder, node and evaluation read."""
    model.set_attn_implementation("sdpa")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    write_info(folder, info.trained(name=config.name, tasks=cast(tuple[Task, ...], tuple(config.tasks))))


def sft(config: SFTStageConfig) -> Path:
    """Run (or resume) supervised fine-tuning and return the model folder that it wrote."""
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.json").write_text(json.dumps(asdict(config), indent=1))
    if config.processes == 1:
        _run(0, config, 0)
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        torch.multiprocessing.spawn(_run, (config, port), nprocs=config.processes)
    return output / "final"
