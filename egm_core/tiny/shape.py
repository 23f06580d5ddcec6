"""The sizes of the embedded model, as a configuration sets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _size(default: Any, description: str, unit: str = "") -> Any:
    return field(default=default, metadata={"description": description, "unit": unit})


@dataclass(frozen=True)
class Architecture:
    """Sizes of the embedded model; widths in channels, pixels as the budget of one image.

    `max_pixels` = 37632 gives 224x160 for 4:3, 192x192 for square and 256x144 for 16:9 pictures (140 to 144 image
    tokens). Patches are not merged: objects are a few patches large, and a token that shows one of them at most is
    what the decoder can point at. Every head has keys and values of its own, for one 32-dimensional value would
    have to carry colour, category and box at once.
    """

    vision_width: int = _size(128, "width of the vision tower", "channels")
    vision_depth: int = _size(4, "blocks of the vision tower")
    vision_heads: int = _size(4, "attention heads of a vision block")
    vision_ratio: int = _size(3, "width of a vision block's hidden layer, as a multiple of vision_width")
    deepstack: tuple[int, ...] = _size((1,), "vision blocks whose features the decoder's layers get, from 0 on")
    patch_size: int = _size(16, "side of a patch", "px")
    merge_size: int = _size(1, "patches along a side of an image token")
    grid: int = _size(14, "side of the table of learnt positions", "patches")
    width: int = _size(128, "width of the decoder", "channels")
    depth: int = _size(4, "layers of the decoder")
    heads: int = _size(4, "attention heads of a decoder layer")
    kv_heads: int = _size(4, "heads of a decoder layer that have keys and values of their own")
    head_dim: int = _size(32, "width of a decoder's head", "channels")
    feed_forward: int = _size(384, "width of a decoder layer's hidden part", "channels")
    rope_theta: float = _size(100000.0, "base of the decoder's rotary positions")
    min_pixels: int = _size(28672, "smaller images are enlarged to this", "px in all")
    max_pixels: int = _size(37632, "larger images are shrunk to this", "px in all")
