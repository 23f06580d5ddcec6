"""What the embedded model is taught by: soft coordinates, attention on the object meant, and a dense head.

All of it works on token ids and on the objects that each patch shows, and is training only: nothing of it
is needed to run the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from egm_core.tiny.tokenizer import ANSWER_OPEN, numeral_ids
from egm_core.torchvision_shim import install_schemas
from egm_core.train.learning.packed_attention import Layout, attend

install_schemas()

from transformers import AttentionInterface, AttentionMaskInterface  # noqa: E402 - needs the schemas
from transformers.integrations.sdpa_attention import sdpa_attention_forward  # noqa: E402
from transformers.masking_utils import sdpa_mask  # noqa: E402

SUPERVISED_ATTENTION = "egm_supervised"
BACKGROUND = 0


@dataclass(frozen=True)
class Numerals:
    """Which token ids are coordinates and which tokens open a point or a box."""

    ids: torch.Tensor
    value: torch.Tensor
    box_open: int
    point_open: tuple[int, ...]
    point_close: int
    comma: int

    def to(self, device: torch.device) -> Numerals:
        """Give the same with its tensors on a device."""
        return replace(self, ids=self.ids.to(device), value=self.value.to(device))

    @classmethod
    def of(cls, tokenizer: Any, vocabulary: int) -> Numerals:
        """Read them off a tokenizer of the embedded model."""
        ids = torch.tensor(numeral_ids(tokenizer))
        value = torch.full((vocabulary,), -1.0)
        value[ids] = torch.arange(float(len(ids)))

        def one(text: str) -> int:
            (token,) = tokenizer(text, add_special_tokens=False)["input_ids"]
            return int(token)

        opens = tuple(one(text) for text in (" (", "), (", "("))
        return cls(ids, value, one(ANSWER_OPEN), opens, one(")"), one(","))


@dataclass(frozen=True)
class Place:
    """A point or a box of an answer: where its numbers stand, where it is predicted from, and what it shows.

    `positions` are those whose next token is read off the object: its numbers, and the word after a point. `x`, `y`
    are thousandths of the image.
    """

    numbers: list[int]
    positions: list[int]
    x: float
    y: float


def places(ids: Sequence[int], numerals: Numerals) -> list[Place]:
    """Find the points and boxes of an answer and where each of them is seen in the picture.

    A point is seen where it says. A box is seen at the point of the reasoning that is nearest to its centre, for
    something else may hide the middle of an amodal box; without any point, at its centre.
    """
    found: list[Place] = []
    points: list[tuple[float, float]] = []
    for span in coordinates(ids, numerals):
        values = [float(numerals.value[ids[p]]) for p in span]
        positions = list(range(span[0] - 1, span[-1]))
        if len(span) == 2:
            seen = (values[0], values[1])
            points.append(seen)
            if span[-1] + 1 < len(ids) and ids[span[-1] + 1] == numerals.point_close:
                positions.append(span[-1] + 1)
        else:
            middle = (values[0] + values[2]) / 2, (values[1] + values[3]) / 2
            seen = min(points, key=lambda p: math.dist(p, middle), default=middle)
        found.append(Place(span, positions, *seen))
    return found


def coordinates(ids: Sequence[int], numerals: Numerals) -> list[list[int]]:
    """Find the boxes and points in an answer: for each, the indices of its numerals, in order.

    Points are `(x,y)`, boxes the four numbers of the JSON; other numerals (counts, extents) are left out.
    """
    is_number = numerals.value
    found: list[list[int]] = []
    for i, token in enumerate(ids):
        if token in numerals.point_open and i + 3 < len(ids) and ids[i + 2] == numerals.comma:
            if is_number[ids[i + 1]] >= 0 and is_number[ids[i + 3]] >= 0:
                found.append([i + 1, i + 3])
        elif token == numerals.box_open:
            places = [i + 1, i + 3, i + 5, i + 7]
            if places[-1] < len(ids) and all(is_number[ids[p]] >= 0 for p in places):
                found.append(places)
    return found


def token_loss(
    logits: torch.Tensor, labels: torch.Tensor, soft: torch.Tensor, numerals: Numerals, width: float
) -> torch.Tensor:
    """Give each token's loss: cross-entropy, with Laplace targets of the given width for coordinates.

    `logits` (N, vocabulary), `labels` (N,), `soft` (N,) bool: this label is a coordinate.
    """
    log = F.log_softmax(logits.float(), -1)
    loss = -log.gather(1, labels[:, None])[:, 0]
    if width > 0 and bool(soft.any()):
        value = numerals.value[labels[soft]]
        target = torch.exp(-(torch.arange(len(numerals.ids), device=value.device) - value[:, None]).abs() / width)
        target = target / target.sum(1, keepdim=True)
        loss = loss.masked_scatter(soft, -(target * log[soft][:, numerals.ids]).sum(1))
    return loss


class AttentionTap:
    """Records what one decoder layer attends with, and asks some of its heads to look at the object.

    Every layer runs the fast kernels: the weights are worked out again, and only at the places that are asked about.
    `packed` is set for a packed batch, whose layers then need no mask.
    """

    def __init__(self, model: Any, layer: int, heads: int) -> None:
        self.layer, self.heads = layer, heads
        self.packed: Layout | None = None
        self._seen: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, float] | None = None
        AttentionInterface.register(SUPERVISED_ATTENTION, self._forward)
        AttentionMaskInterface.register(SUPERVISED_ATTENTION, sdpa_mask)
        model.set_attn_implementation({"text_config": SUPERVISED_ATTENTION, "vision_config": "sdpa"})

    def _forward(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, None]:
        if module.layer_idx == self.layer and module.training:
            groups = query.shape[1] // key.shape[1]
            keys = key[:, : -(-self.heads // groups)].repeat_interleave(groups, 1)[:, : self.heads]
            self._seen = (query[:, : self.heads], keys, attention_mask, scaling)
        if self.packed:
            return attend(query, key, value, self.packed, scaling), None
        fast: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return fast

    def forget(self) -> None:
        """Drop what was recorded, so that a step that records nothing is not taught by the last one."""
        self._seen = None

    def weights(
        self, rows: torch.Tensor, positions: torch.Tensor, segments: torch.Tensor | None = None
    ) -> torch.Tensor | None:
        """Give the heads' attention (N, heads, keys) at places of the batch; None where nothing was recorded.

        `segments` (B, L) are those of a packed batch.
        """
        if self._seen is None or not len(rows):
            return None
        query, key, mask, scaling = self._seen
        length = key.shape[2]
        # Places are grouped by their row, so that each row's keys are read where they lie.
        order = torch.arange(len(rows), device=rows.device)
        rank = (rows[None, :] == rows[:, None]).logical_and(order[None, :] < order[:, None]).sum(1)
        table = rows.new_zeros(len(key), int(rank.max()) + 1)
        table[rows, rank] = positions
        picked = query.gather(2, table[:, None, :, None].expand(-1, self.heads, -1, query.shape[3]))
        scores = picked @ key.transpose(2, 3) * scaling
        if segments is not None or mask is None:
            # transformers leaves the mask out where a batch needs no padding; it is causal all the same.
            seen = torch.arange(length, device=rows.device) <= table[:, :, None]
            if segments is not None:
                seen &= (segments[:, None] == 0) | (segments[:, None] == segments.gather(1, table)[:, :, None])
        else:
            seen = mask[:, 0].expand(len(key), -1, -1).gather(1, table[:, :, None].expand(-1, -1, length))
        if seen.dtype == torch.bool:
            scores = scores.masked_fill(~seen[:, None], -1e4)
        else:
            scores = scores + seen[:, None]
        return scores.softmax(-1)[rows, :, rank]

    def loss(
        self, rows: torch.Tensor, positions: torch.Tensor, tokens: torch.Tensor, first: int, segments: torch.Tensor
    ) -> torch.Tensor:
        """Ask the recorded heads to look at the object: minus log of the weight on its image tokens.

        For each supervised place: its batch row, its position, and `tokens` (N, image tokens) bool, the image
        tokens that show the object; the image tokens begin at `first`, `segments` are the packed batch's.
        """
        weights = self.weights(rows, positions, segments)
        if weights is None:
            return torch.zeros((), device=tokens.device)
        on_image = weights[:, :, first : first + tokens.shape[1]].mean(1)
        return -((on_image * tokens).sum(1) + 1e-4).log().mean()


class DenseHead(torch.nn.Module):
    """A throw-away head on every patch: category, colour, both boxes, depth and visible share of what it shows."""

    EXTRAS = 2

    def __init__(self, width: int, categories: int, colors: int) -> None:
        super().__init__()
        self.categories, self.colors = categories, colors
        self.norm = torch.nn.LayerNorm(width)
        self.out = torch.nn.Linear(width, categories + 1 + colors + 8 + self.EXTRAS)
        torch.nn.init.constant_(self.out.bias[-8 - self.EXTRAS :], 0.5)

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give category logits (0 is background), colour logits, both boxes (0 to 1) and the extras of each patch."""
        out = self.out(self.norm(patches))
        return tuple(out.split([self.categories + 1, self.colors, 8, self.EXTRAS], -1))

    def loss(self, patches: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        """Compare with `target` (N, 12): category (0 background), colour, visible and amodal box (0 to 1), extras.

        The extras are the log of the depth (a third of it) and the visible share.
        """
        category, color, boxes, extras = self(patches)
        wanted = target[:, 0].long()
        shown = wanted > BACKGROUND
        loss = F.cross_entropy(category, wanted)
        loss = loss + 0.5 * F.cross_entropy(color[shown], target[shown, 1].long())
        loss = loss + 10 * F.l1_loss(boxes[shown], target[shown, 2:10]) + F.l1_loss(extras[shown], target[shown, 10:])
        with torch.no_grad():
            metrics = {
                "category": float((category.argmax(1) == wanted)[shown].float().mean()),
                "color": float((color.argmax(1) == target[:, 1].long())[shown].float().mean()),
                "iou_visible": float(_iou(boxes[shown, :4], target[shown, 2:6]).mean()),
                "iou_amodal": float(_iou(boxes[shown, 4:], target[shown, 6:10]).mean()),
            }
        return loss, metrics


class CoordinateProbe(torch.nn.Module):
    """A throw-away linear read-out of boxes and centres from image tokens, in the decoder's own numerals.

    The decoder can only copy a coordinate that an image token holds in a form close to the numerals'
    embeddings. Asking every token for its object's numbers through one matrix per number puts them there, so
    that attending to the right token is nearly all that is left to learn.
    """

    NUMBERS = 10
    TOKENS = 256

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(width)
        self.out = torch.nn.Linear(width, self.NUMBERS * width)

    def loss(
        self, tokens: torch.Tensor, shown: torch.Tensor, dense: torch.Tensor, embedding: torch.Tensor, width: float
    ) -> tuple[torch.Tensor, float]:
        """Compare each token's numbers with its object's; gives the loss and the mean error in thousandths.

        `tokens` (B, T, width), `shown` (B, T, patches of a token) object index + 1, `dense` (B, T, patches, 12)
        as in `DenseHead.loss`, `embedding` (1001, width) the numerals' embeddings. The numbers are the visible
        box, the amodal box, and the visible box's centre. A sample of the tokens is asked, for each costs as much as
        ten answers.
        """
        owner = shown.mode(-1).values
        held = owner > BACKGROUND
        held &= torch.rand(held.shape, device=held.device) < self.TOKENS / max(1, int(held.sum()))
        which = (shown == owner[..., None]).float().argmax(-1)
        truth = dense.gather(2, which[..., None, None].expand(-1, -1, 1, dense.shape[-1]))[:, :, 0][held]
        boxes = truth[:, 2:10]
        value = torch.cat([boxes, (boxes[:, :2] + boxes[:, 2:4]) / 2], 1) * 1000
        read = self.out(self.norm(tokens[held])).view(len(value), self.NUMBERS, -1)
        log = F.log_softmax(read @ embedding.T, -1)
        target = torch.exp(-(torch.arange(len(embedding), device=value.device) - value[..., None]).abs() / width)
        target = target / target.sum(-1, keepdim=True)
        with torch.no_grad():
            error = float((log.argmax(-1) - value).abs().mean())
        return -(target * log).sum(-1).mean(), error


def _iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    inter = (high - low).clamp(min=0).prod(1)
    area = (a[:, 2:] - a[:, :2]).clamp(min=0).prod(1) + (b[:, 2:] - b[:, :2]).clamp(min=0).prod(1)
    return inter / (area - inter + 1e-9)


def patch_objects(segmentation: NDArray[np.uint8], patch: int, merge: int) -> NDArray[np.int64]:
    """Say which object each patch shows: index + 1, or 0; patches in the image processor's order.

    A patch shows the object that covers most of it, if that is at least 3 of 16 sample points.
    """
    height, width = segmentation.shape
    step = patch // 4
    samples = segmentation[step // 2 :: step, step // 2 :: step]
    rows, columns = height // patch, width // patch
    cells = samples.reshape(rows, 4, columns, 4).transpose(0, 2, 1, 3).reshape(rows, columns, 16)
    count = np.stack(
        [(cells == i).sum(-1) for i in range(1, int(segmentation.max()) + 1)] or [np.zeros((rows, columns))], -1
    )
    shown = np.where(count.max(-1) >= 3, count.argmax(-1) + 1, BACKGROUND)
    blocks = shown.reshape(rows // merge, merge, columns // merge, merge).transpose(0, 2, 1, 3)
    return blocks.reshape(-1).astype(np.int64)
