"""The fast vision path computes what transformers' own Qwen3-VL vision tower computes."""

from __future__ import annotations

import numpy as np
import torch

from egm_core.tiny.architecture import build_model
from egm_core.tiny.shape import Architecture
from egm_core.tiny.tokenizer import build_tokenizer
from egm_core.train.pretrain.fast_vision import FastVision, to_patches


def test_equals_the_vision_model_on_a_batch_of_oblong_pictures() -> None:
    rng = np.random.default_rng(0)
    shape = Architecture(
        vision_width=32, vision_depth=2, vision_heads=2, deepstack=(0,), width=32, depth=1, heads=2, kv_heads=2
    )
    patches = rng.standard_normal((400, 3 * 16 * 16)).astype(np.float32)
    model = build_model(build_tokenizer(["mug"]), shape, patches).eval()
    images = rng.integers(0, 256, (3, 160, 224, 3), dtype=np.uint8)
    pixels = to_patches(torch.from_numpy(images), 16, 2)
    twice = pixels.view(-1, 3, 1, 16, 16).expand(-1, 3, 2, 16, 16).reshape(len(pixels), -1)
    with torch.no_grad():
        fast = FastVision(model.model.visual)(pixels, 3, 10, 14)
        slow = model.model.visual(twice, grid_thw=torch.tensor([[1, 10, 14]] * 3))
    torch.testing.assert_close(fast.patches, slow.last_hidden_state, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(fast.tokens, slow.pooler_output, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(fast.deepstack[0], slow.deepstack_features[0], atol=2e-4, rtol=1e-3)
