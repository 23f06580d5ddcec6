"""Names for pictures that are the same on every machine and in every order: the ends of their paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePath


def depth(image: str, root: Path) -> int:
    """Count how many parts of a picture's path lie below a folder; 1, its own name, where it lies elsewhere."""
    path = PurePath(image)
    return len(path.relative_to(root).parts) if path.is_relative_to(root) else 1


def places(depths: Mapping[str, int]) -> dict[str, str]:
    """Name pictures by that many parts of their paths, and by more where two pictures would have one name."""
    wanted = dict(depths)
    while True:
        named = {image: "/".join(PurePath(image).parts[-count:]) for image, count in wanted.items()}
        shared = Counter(named.values())
        longer = [image for image, name in named.items() if shared[name] > 1]
        longer = [image for image in longer if wanted[image] < len(PurePath(image).parts)]
        if not longer:
            return named
        for image in longer:
            wanted[image] += 1
