"""TRL's SFTTrainer with what our runs add: a seeded order of rows, Muon, and the embedded model's supervision.

Only the embedded model is supervised beyond its tokens; for all others the loss is TRL's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from egm_core.torchvision_shim import install_schemas

install_schemas()

from transformers import TrainerCallback  # noqa: E402 - the processors need the schemas when they are imported
from trl import SFTTrainer  # noqa: E402

from egm_core.train.configuration import ConfigurationError  # noqa: E402
from egm_core.train.learning.optimizers import MuonAdamW  # noqa: E402
from egm_core.train.learning.supervision import AttentionTap, Numerals, places, token_loss  # noqa: E402
from egm_core.train.run.callbacks import Watched  # noqa: E402
from egm_core.train.sft.collator import Collator  # noqa: E402

if TYPE_CHECKING:
    from egm_core.train.sft.config import SFTStageConfig

MEGABATCH = 50
IGNORED = -100
NEAR = 2


class Order(torch.utils.data.Sampler[int]):
    """The order of the rows: a permutation for each epoch, the same in every process and after a resume.

    With `lengths`, the rows of one update (`unit` of them, over all processes) have near lengths, which saves
    padding; the updates come in random order all the same.
    """

    def __init__(self, count: int, seed: int, lengths: Sequence[int] | None = None, unit: int = 1) -> None:
        self.count, self.seed, self.unit, self.epoch = count, seed, unit, 0
        self.lengths = None if lengths is None else np.asarray(lengths)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(self.count)
        if self.lengths is not None:
            span = self.unit * MEGABATCH
            pools = [order[i : i + span] for i in range(0, self.count, span)]
            order = np.concatenate([pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools])
            whole = self.count // self.unit * self.unit
            units = order[:whole].reshape(-1, self.unit)
            order = np.concatenate([units[rng.permutation(len(units))].ravel(), order[whole:]])
        yield from order.tolist()


class Epochs(TrainerCallback):
    """Tells the order which epoch begins; the loaders' own way does not reach it in a resumed epoch."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Pass the epoch on."""
        self.order.set_epoch(int((state.epoch or 0) + 1e-6))


class SupervisedTrainer(SFTTrainer):
    """SFTTrainer with our order and optimiser, whose loss may soften coordinates and supervise attention."""

    optimizer: Any
    data_collator: Any

    def __init__(self, config: SFTStageConfig, **arguments: Any) -> None:
        self.egm = config
        super().__init__(**arguments)
        self.data_collator = Collator(self.data_collator)
        unit = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        lengths = self.train_dataset["length"] if config.group_lengths else None
        self.order = Order(len(self.train_dataset), config.seed, lengths, unit)
        self.add_callback(Epochs(self.order))
        self.supervised = config.soft_width > 0 or config.attention_weight > 0
        if self.supervised:
            vocabulary = self.model.config.text_config.vocab_size
            self.numerals = Numerals.of(self.processing_class.tokenizer, vocabulary)
            self.tap = AttentionTap(self.model, config.attention_layer, config.attention_heads)
            self.asked: torch.Tensor | None = None
            self.model.get_output_embeddings().register_forward_pre_hook(self._answers_only)

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return self.order

    def create_optimizer(self, model: Any = None) -> Any:
        """Make the optimiser that the configuration names."""
        if self.egm.optimizer != "muon" or self.optimizer is not None:
            return super().create_optimizer(model)
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ConfigurationError("optimizer=muon needs whole matrices, which FSDP and DeepSpeed cut; use adamw")
        trained = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        self.optimizer = MuonAdamW(trained, self.egm.matrix_rate, self.egm.learning_rate, self.egm.weight_decay)
        return self.optimizer

    def _answers_only(self, head: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        """Ask the head at the answers' positions only: they are a third of a batch."""
        return None if self.asked is None else (inputs[0][:, :-1][self.asked],)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Give TRL's loss, or the supervised one: both a mean over the answers' tokens of the whole update."""
        if not self.supervised or not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"]
        soft = torch.zeros_like(labels, dtype=torch.bool)
        looks: list[tuple[int, int, float, float]] = []
        for b, ids in enumerate(labels.tolist()):
            for place in places(ids, self.numerals):
                looks += [(b, p, place.x, place.y) for p in place.positions]
                soft[b, place.numbers] = True
        self.asked = labels[:, 1:] != IGNORED
        self.tap.forget()
        try:
            outputs = model(**{k: v for k, v in inputs.items() if k != "labels"}, use_cache=False)
            wanted = labels[:, 1:][self.asked]
            loss = token_loss(outputs.logits, wanted, soft[:, 1:][self.asked], self.numerals, self.egm.soft_width)
        finally:
            self.asked = None
        attention = self._attention(inputs, looks)
        self._note(outputs.logits.detach(), wanted, attention)
        parts = self.current_gradient_accumulation_steps if num_items_in_batch is not None else 1
        mean = loss.mean()
        if num_items_in_batch is not None:
            mean = loss.sum() / num_items_in_batch * self.accelerator.num_processes
        total = mean + self.egm.attention_weight * attention / parts
        return (total, outputs) if return_outputs else total

    def _note(self, logits: torch.Tensor, wanted: torch.Tensor, attention: torch.Tensor) -> None:
        """Keep this process's share of what TRL's own loss would log."""
        log = logits.log_softmax(-1)
        metrics = self._metrics["train"]
        metrics["entropy"].append(float(-(log.exp() * log).sum(-1).mean()))
        metrics["mean_token_accuracy"].append(float((log.argmax(-1) == wanted).float().mean()))
        metrics["attention"].append(float(attention.detach()))

    def _attention(self, inputs: dict[str, Any], looks: list[tuple[int, int, float, float]]) -> torch.Tensor:
        """Ask the tapped heads to look where the object is: minus log of the weight on the image tokens near it.

        Near is within `NEAR` patches of the object's point.
        """
        ids = inputs["input_ids"]
        rows, positions = (torch.tensor([look[i] for look in looks], device=ids.device) for i in (0, 1))
        weights = self.tap.weights(rows, positions) if looks else None
        if weights is None:
            return torch.zeros((), device=ids.device)
        merge = self.model.config.vision_config.spatial_merge_size
        first = (ids == self.model.config.image_token_id).int().argmax(1).tolist()
        grids = (inputs["image_grid_thw"] // merge).tolist()
        near = torch.zeros(len(looks), ids.shape[1])
        for number, (row, _, x, y) in enumerate(looks):
            _, height, width = grids[row]
            column, line = torch.arange(width) + 0.5, torch.arange(height) + 0.5
            across = (column - x / 1000 * width).abs() < NEAR / merge
            down = (line - y / 1000 * height).abs() < NEAR / merge
            near[number, first[row] : first[row] + height * width] = (down[:, None] & across).flatten().float()
        return -((weights.mean(1) * near.to(ids.device)).sum(1) + 1e-4).log().mean()


class EGMSFTTrainer(Watched, SupervisedTrainer):
    """The trainer of a fine-tuning run, watched for numbers that are beyond repair."""
