"""Whether two results that name a question alike were shown the same picture: by its pixels' hash, else by its path."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
# The hash is of the pixels within a budget, which these make.
_BUDGET = ("max_pixels", "family")


@dataclass(frozen=True)
class Shown:
    """What a result keeps of a picture: where it lay, and the hash of its pixels as they were sent."""

    path: str
    digest: str = ""

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePath(self.path).name

    @property
    def place(self) -> str:
        """The file's name and its folder's."""
        return "/".join(PurePath(self.path).parts[-2:])


@dataclass(frozen=True)
class Compared(Generic[Key]):
    """The questions whose pictures are surely others, and what cannot be told, in words; empty where all can."""

    others: tuple[Key, ...]
    doubt: str = ""


def same_budget(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    """Tell whether two results' hashes are of pixels of one budget, and may be compared."""
    return bool(one.get("family")) and all(one.get(name) == two.get(name) for name in _BUDGET)


def compared(pairs: Iterable[tuple[Key, Shown, Shown]], one_budget: bool) -> Compared[Key]:
    """Find the pairs that are of two pictures.

    Where every hash differs, another library has decoded the same files, or all are others: that is a doubt.
    """
    told = [(key, one, two) for key, one, two in pairs if one.path and two.path]
    others = [key for key, one, two in told if one.name != two.name]
    alike = [(key, one, two) for key, one, two in told if one.name == two.name]
    hashed = [(key, one, two) for key, one, two in alike if one_budget and one.digest and two.digest]
    unlike = [key for key, one, two in hashed if one.digest != two.digest]
    if len(unlike) < len(hashed):
        others += unlike
        unlike = []
    known = {key for key, _, _ in hashed}
    moved = [(one, two) for key, one, two in alike if key not in known and one.place != two.place]
    doubts = []
    if unlike:
        doubts.append(f"the pixels of all {len(unlike)} pictures differ: other files, or read by another library")
    if moved:
        one, two = moved[0]
        doubts.append(
            f"{len(moved)} pictures lie in folders of other names ({one.place}, {two.place}), and no hash tells that "
            "they are the same"
        )
    return Compared(tuple(others), "; ".join(doubts))
