"""The attention tap gives the weights that the layer itself attends with, at the places that are asked about."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from egm_core.tiny.architecture import build_model
from egm_core.tiny.shape import Architecture
from egm_core.tiny.tokenizer import build_tokenizer
from egm_core.train.learning.supervision import AttentionTap

SHAPE = Architecture(
    vision_width=32, vision_depth=1, vision_heads=2, deepstack=(0,), width=32, depth=3, heads=4, kv_heads=2, head_dim=8
)
LAYER, HEADS = 1, 3


@pytest.mark.parametrize("padded", [0, 3])
def test_weights_are_those_of_the_layer(padded: int) -> None:
    patches = np.random.default_rng(0).standard_normal((400, 768)).astype(np.float32)
    model = build_model(build_tokenizer(["mug"]), SHAPE, patches)
    ids = torch.arange(20).view(2, 10) + 300
    mask = torch.ones_like(ids)
    mask[1, 10 - padded :] = 0
    inputs = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    model.set_attn_implementation("eager")
    eager = model.model.language_model(**inputs, output_attentions=True).attentions[LAYER]
    tap = AttentionTap(model, LAYER, HEADS)
    rows, positions = torch.tensor([0, 1, 1, 0]), torch.tensor([9, 2, 6, 3])
    assert tap.weights(rows, positions) is None
    model.train()
    hidden = model.model.language_model(**inputs).last_hidden_state
    weights = tap.weights(rows, positions)
    assert weights is not None
    torch.testing.assert_close(weights, eager[rows, :HEADS, positions], atol=1e-5, rtol=1e-4)
    (gradient,) = torch.autograd.grad(weights[:, :, 0].sum(), model.model.language_model.embed_tokens.weight)
    assert hidden.requires_grad and float(gradient.abs().sum()) > 0
    tap.forget()
    assert tap.weights(rows, positions) is None
