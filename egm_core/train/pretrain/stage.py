"""Pretraining of the embedded model: first its eyes, then eyes and language together.

    egm train pretrain --config training/egm_tiny/pretrain.yaml [key=value ...]

The dense stage teaches the vision tower what every patch shows; the joint stage teaches the whole model to
ground and to point, answering directly. Scenes are rendered beforehand (`egm scenes render`).
Runs as several processes on a CPU, or as one on a GPU, saves often, and resumes from its last whole
checkpoint.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as distributed
from numpy.typing import NDArray
from tqdm import tqdm

from egm_core.scenes.language.vocabulary import VOCABULARY
from egm_core.scenes.truth import COLORS
from egm_core.tiny.architecture import build_config, build_model, build_processor, set_generation
from egm_core.tiny.shape import Architecture
from egm_core.tiny.tokenizer import build_tokenizer
from egm_core.train.configuration import ConfigurationError
from egm_core.train.learning.muon import Muon
from egm_core.train.learning.packed_attention import layout
from egm_core.train.learning.supervision import AttentionTap, CoordinateProbe, DenseHead, Numerals, token_loss
from egm_core.train.pretrain import checkpoint
from egm_core.train.pretrain.config import PretrainConfig, Stage, check_device, device_of, half_of, rate_factor
from egm_core.train.pretrain.fast_vision import FastVision, VisionOutput, to_patches
from egm_core.train.pretrain.loader import Asking, Loading, sample_pictures
from egm_core.train.pretrain.packing import CATEGORY_IDS, Batch, Packer
from egm_core.train.run.folder import ended_early
from egm_core.train.run.processes import run_processes

_log = logging.getLogger("egm.train")


class Trainer:
    """The state of one process of a pretraining run."""

    def __init__(self, config: PretrainConfig, rank: int) -> None:
        self.config, self.rank = config, rank
        self.device = torch.device(device_of(config))
        self.half = half_of(config, self.device.type)
        self.folder = Path(config.output)
        self.tokenizer = build_tokenizer(VOCABULARY)
        shape = config.architecture
        sample = sample_pictures(Path(config.scenes), 120)
        patches = torch.cat([to_patches(torch.from_numpy(p[None]), shape.patch_size, shape.merge_size) for p in sample])
        self.model = build_model(self.tokenizer, shape, patches.numpy(), config.seed)
        if config.start:
            _take_over(self.model, self.tokenizer, config.start)
        self.model.train().to(self.device)
        self.numerals = Numerals.of(self.tokenizer, self.model.config.text_config.vocab_size)
        self.packer = Packer(self.tokenizer, shape, self.numerals, config.budget)
        # A helper process gets the packer, and no part of a GPU goes there.
        self.numerals = self.numerals.to(self.device)
        self.head = DenseHead(shape.vision_width, len(CATEGORY_IDS), len(COLORS)).to(self.device)
        self.probe = CoordinateProbe(shape.width).to(self.device)
        self.vision = FastVision(self.model.model.visual)
        self.tap = AttentionTap(self.model, config.attention_layer, config.attention_heads)
        self.stage, self.step, self.minutes = "dense", 0, 0.0
        # Steps of the stage before: by the clock there may be any number of them.
        self.before = 0
        self.optimizers: list[torch.optim.Optimizer] = []
        self.saved = time.monotonic()

    def optimize(self, stage: Stage) -> None:
        """Make the optimisers of a stage: Muon for the inner matrices, AdamW for the rest."""
        vision = list(self.model.model.visual.named_parameters(prefix="model.visual"))
        language = [] if self.stage == "dense" else [
            (n, p) for n, p in self.model.named_parameters() if ".visual." not in n
        ]  # fmt: skip
        groups: dict[tuple[bool, int, float], list[torch.nn.Parameter]] = {}
        throwaway = [*self.head.named_parameters(), *(self.probe.named_parameters() if language else ())]
        for scale, named in ((stage.vision_scale, vision), (1.0, language), (1.0, throwaway)):
            for name, parameter in named:
                inner = parameter.ndim == 2 and any(k in name for k in ("blocks.", "merger", "layers."))
                parts = 3 if name.endswith("qkv.weight") else int(inner)
                groups.setdefault((parameter.ndim > 1, parts, scale), []).append(parameter)
        muon = [{"params": p, "parts": k[1], "scale": k[2]} for k, p in groups.items() if k[1]]
        adam = [
            {"params": p, "weight_decay": self.config.weight_decay * k[0], "scale": k[2]}
            for k, p in groups.items()
            if not k[1]
        ]
        self.optimizers = [
            Muon(muon, lr=stage.matrix_rate),
            torch.optim.AdamW(adam, lr=stage.rate, betas=(0.9, 0.98), fused=True),
        ]

    def state(self) -> dict[str, Any]:
        """Give everything that a resumed run needs."""
        return {
            "stage": self.stage,
            "step": self.step,
            "minutes": self.minutes,
            "model": self.model.state_dict(),
            "head": self.head.state_dict(),
            "probe": self.probe.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
        }

    def resume(self) -> None:
        """Continue from the folder's last whole checkpoint, if there is one."""
        last = checkpoint.load_last(self.folder)
        if last is None:
            self.optimize(self.config.dense)
            return
        state = last[1]
        self.stage, self.step, self.minutes = state["stage"], state["step"], state.get("minutes", 0.0)
        self.before = last[0] - self.step
        self.model.load_state_dict(state["model"])
        self.head.load_state_dict(state["head"])
        self.probe.load_state_dict(state["probe"])
        self.optimize(getattr(self.config, self.stage))
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            # A state brings its groups along, in which a setting of now would be lost.
            mine, theirs = (
                [(len(group["params"]), group["scale"], group.get("weight_decay")) for group in groups]
                for groups in (optimizer.param_groups, saved["param_groups"])
            )
            if mine != theirs:
                raise ConfigurationError(
                    f"{self.folder} began its {self.stage} stage with another {self.stage}.vision_scale or "
                    "weight_decay; ask for the same to go on with it, or name another output"
                )
            optimizer.load_state_dict(saved)
        if self.rank == 0:
            _log.info("resuming the %s stage at step %d", self.stage, self.step)

    def save(self) -> None:
        """Write a checkpoint (first process only)."""
        if self.rank == 0:
            checkpoint.save(self.folder, self.before + self.step, self.state())
        self.saved = time.monotonic()

    def run(self) -> None:
        """Run both stages to their end, saving as configured, and write the model folder."""
        self.resume()
        for name in ("dense", "joint"):
            if name == "joint" and self.stage == "dense":
                self.before, self.stage, self.step, self.minutes = self.step, "joint", 0, 0.0
                self.optimize(self.config.joint)
                self.save()
            if self.stage == name:
                self._run_stage(getattr(self.config, name))
                if self._progress(getattr(self.config, name)) < 1:
                    raise ended_early(self.step, getattr(self.config, name).steps, self.folder)
        self.save()
        if self.rank == 0:
            reasons = self.config.reasoning > 0
            export(self.config.architecture, self.model.state_dict(), self.folder / "final", reasons)

    def _run_stage(self, stage: Stage) -> None:
        if self._progress(stage) >= 1:
            return
        joint = self.stage == "joint"
        parameters = [p for o in self.optimizers for g in o.param_groups for p in g["params"]]
        rng = np.random.default_rng([self.config.seed, self.rank, int(joint), self.step])
        log = open(self.folder / "metrics.jsonl", "a") if self.rank == 0 else None
        bar = tqdm(
            total=None if stage.minutes else stage.steps,
            initial=self.step,
            desc=self.stage,
            unit="step",
            disable=True if self.rank else None,
            mininterval=10,
        )
        window: list[dict[str, float]] = []
        loading = Loading(
            Path(self.config.scenes),
            self.folder,
            self.rank,
            self.config.processes,
            self.config.loaders,
            self.config.views,
        )
        asking = Asking(self.config.expressions, self.config.pointings, self.config.reasoning) if joint else None
        with loading.batches(self.packer, asking, stage.batch, int(rng.integers(2**62))) as batches:
            batch = next(batches)
            # The clock starts when there is something to learn from.
            started, before = time.monotonic(), self.minutes
            while (progress := self._progress(stage)) < 1:
                factor = rate_factor(stage, self.step, progress)
                for optimizer, peak in zip(self.optimizers, (stage.matrix_rate, stage.rate), strict=True):
                    for group in optimizer.param_groups:
                        group["lr"] = peak * factor * group["scale"]
                loss, metrics = self._loss(batch, joint)
                loss.backward()
                self._average(parameters)
                norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.clip)
                if not math.isfinite(float(norm)):
                    raise FloatingPointError(
                        f"the gradient at step {self.step} of the {self.stage} stage is not finite; resume from the "
                        f"last checkpoint in {self.folder} with a smaller {self.stage}.rate"
                    )
                for optimizer in self.optimizers:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                self.step += 1
                self.minutes = before + (time.monotonic() - started) / 60
                bar.update()
                window.append({"loss": float(loss.detach()), **metrics})
                if log and self.step % 50 == 0:
                    row: dict[str, Any] = {k: float(np.mean([w[k] for w in window if k in w])) for k in window[-1]}
                    scenes = self.step * stage.batch * self.config.processes
                    row = {"stage": self.stage, "step": self.step, "scenes": scenes, "rate": factor, **row}
                    row["seconds"] = round(time.monotonic() - started, 1)
                    log.write(json.dumps(row) + "\n")
                    log.flush()
                    told = {k: f"{v:.3f}" for k, v in row.items() if k in metrics}
                    bar.set_postfix(told)
                    if bar.disable:
                        # A log file has no bar.
                        words = ", ".join(f"{k} {v}" for k, v in told.items())
                        _log.info("%s stage, step %d: loss %.3f, %s", self.stage, self.step, row["loss"], words)
                    window.clear()
                if time.monotonic() - self.saved > 60 * self.config.save_minutes:
                    self.save()
                batch = next(batches)
        bar.close()
        if log:
            log.close()

    def _progress(self, stage: Stage) -> float:
        """Give how much of the stage is over; by the clock, the first process's clock counts for all of them."""
        if not stage.minutes:
            return self.step / stage.steps
        over = torch.tensor(self.minutes / stage.minutes, dtype=torch.float64)
        if self.config.processes > 1:
            distributed.broadcast(over, 0)
        return float(over)

    def _average(self, parameters: list[torch.nn.Parameter]) -> None:
        if self.config.processes < 2:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.config.processes
        offset = 0
        for gradient in gradients:
            gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
            offset += gradient.numel()

    def _tensor(self, array: NDArray[Any] | None) -> torch.Tensor:
        assert array is not None
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    def _loss(self, batch: Batch, joint: bool) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            return self._stage_loss(batch, joint)

    def _stage_loss(self, batch: Batch, joint: bool) -> tuple[torch.Tensor, dict[str, float]]:
        shape = self.config.architecture
        count, height, width = batch.images.shape[:3]
        pixels = to_patches(self._tensor(batch.images), shape.patch_size, shape.merge_size)
        seen = self.vision(pixels, count, height // shape.patch_size, width // shape.patch_size, merge=joint)
        dense, metrics = self.head.loss(seen.patches, self._tensor(batch.dense).flatten(0, 1))
        if not joint:
            return dense, metrics
        language, more = self._language_loss(batch, seen)
        return language + self.config.dense_weight * dense, {**metrics, **more}

    def _language_loss(self, batch: Batch, seen: VisionOutput) -> tuple[torch.Tensor, dict[str, float]]:
        assert batch.segments is not None and seen.tokens is not None
        ids, labels = self._tensor(batch.ids), self._tensor(batch.labels)
        segments = self._tensor(batch.segments)
        decoder = self.model.model.language_model
        is_image = ids == self.model.config.image_token_id
        embeddings = decoder.embed_tokens(ids).masked_scatter(is_image[..., None], seen.tokens.float())
        self.tap.packed = layout(batch.segments, self.device)
        hidden = decoder(
            inputs_embeds=embeddings,
            # Four axes are passed on as they are; the layers read the layout instead.
            attention_mask=torch.zeros(1, 1, 1, 1, device=self.device),
            position_ids=self._tensor(batch.positions),
            visual_pos_masks=is_image,
            deepstack_visual_embeds=seen.deepstack,
            use_cache=False,
        ).last_hidden_state
        asked = labels != -100
        soft = self._tensor(batch.soft)[asked]
        logits = self.model.lm_head(hidden[asked])
        losses = token_loss(logits, labels[asked], soft, self.numerals, self.config.soft_width)
        shown = self._tensor(batch.shown).view(len(ids), -1, self.config.architecture.merge_size**2)
        probe, probe_error = self.probe.loss(
            seen.tokens.view(*shown.shape[:2], -1),
            shown,
            self._tensor(batch.dense).view(*shown.shape, -1),
            decoder.embed_tokens.weight[self.numerals.ids],
            self.config.soft_width,
        )
        looks = self._tensor(batch.looks)
        tokens = (shown[looks[:, 0]] == self._tensor(batch.looked)[:, None, None]).any(-1)
        attention = self.tap.loss(looks[:, 0], looks[:, 1], tokens, self.packer.first_image_token, segments)
        with torch.no_grad():
            guess = logits[soft][:, self.numerals.ids].argmax(1)
            error = (guess - self.numerals.value[labels[asked][soft]]).abs().mean()
        metrics = {
            "text": float(losses[~soft].mean().detach()),
            "coordinates": float(losses[soft].mean().detach()),
            "error": float(error),
            "attention": float(attention.detach()),
            "probe_error": probe_error,
        }
        extra = self.config.attention_weight * attention + self.config.probe_weight * probe
        return losses.mean() + extra, metrics


def export(shape: Architecture, weights: dict[str, Any], folder: Path, reasons: bool) -> None:
    """Write the model of an architecture with these weights as a folder that the Auto classes load.

    `reasons` says that its questions taught it to reason, so that it is asked to.
    """
    from transformers import Qwen3VLForConditionalGeneration

    from egm_core.models.folder import ModelInfo, write_info

    tokenizer = build_tokenizer(VOCABULARY)
    model = Qwen3VLForConditionalGeneration(build_config(tokenizer, shape))
    model.load_state_dict(weights)
    set_generation(model, tokenizer)
    model.save_pretrained(folder)
    build_processor(tokenizer, shape).save_pretrained(folder)
    info = ModelInfo.for_training("egm_tiny", "qwen3_vl", reasoning=reasons, max_pixels=shape.max_pixels)
    write_info(folder, info)


def _take_over(model: Any, tokenizer: Any, start: str) -> None:
    """Load the weights of a model folder of the same shape and vocabulary; ConfigurationError for any other."""
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    from egm_core.models.folder import resolve

    folder = resolve(start)
    if AutoTokenizer.from_pretrained(folder).get_vocab() != tokenizer.get_vocab():
        raise ConfigurationError(f"start: {folder} has another vocabulary than these worlds; begin from nothing")
    weights = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).state_dict()
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        # A line for every matrix; the first says enough.
        first = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
        raise ConfigurationError(
            f"start: {folder} is not of the shape that architecture asks for ({first}); set architecture to that "
            "model's sizes, or begin from nothing"
        ) from error


def _run(rank: int, config: PretrainConfig) -> None:
    if device_of(config) == "cpu":
        torch.set_num_threads(1)
    else:
        torch.set_float32_matmul_precision("high")
    if config.processes > 1:
        distributed.init_process_group("gloo")
    Trainer(config, rank).run()
    if config.processes > 1:
        distributed.destroy_process_group()


def pretrain(config: PretrainConfig) -> Path:
    """Run (or resume) pretraining and return the model folder that it wrote."""
    check_device(config)
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.refuse_other(folder, asdict(config.architecture))
    (folder / checkpoint.CONFIG).write_text(json.dumps(asdict(config), indent=1))
    run_processes(_run, config.processes, config)
    return folder / "final"
