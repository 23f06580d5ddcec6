"""Where pictures lie that are not where a file's own names for them lead, below the folder that was named for them.

A name may hold that folder's last part itself (`train2014/a.jpg` below `coco/train2014`), lack a part that lies in
between, or begin with folders of another machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from egm_core.pictures.reference import split
from egm_core.pictures.source import is_file
from egm_core.sample.shown import shown

# Folders that are tried, those above the one that was named, and pictures that are looked for.
TRIED, ABOVE, ASKED = 500, 3, 20
_ENTRIES = 20_000


def whereabouts(lost: Iterable[str], roots: Iterable[Path], option: str = "--images") -> str:
    """Say where lost pictures were looked for, and by which folder they would be found; empty where nothing tells."""
    paths = [image for image in islice(lost, ASKED) if not split(image)[1]]
    roots = list(roots)
    for root in roots:
        if not root.exists():
            return f"there is no folder {root}: name another with {option}"
    for root in roots:
        names = [name for name in (_name(path, root) for path in paths) if name]
        if said := _said(names, root, option) if names else "":
            return said
    return _beyond(paths, roots)


def _said(names: Sequence[str], root: Path, option: str) -> str:
    looked = f"the file names them as {shown(names[0])}, looked for below {root}"
    best = max(_others(root), key=lambda other: _count(names, other), default=root)
    found = _count(names, best)
    if found:
        many = "it is" if len(names) == 1 else f"{found} of {len(names)} such are"
        return f"{looked}; {many} there with {option} {_shown(best, root)}"
    for other in (root, *_others(root)):
        if rest := _end(names[0], other):
            front = names[0].removesuffix(rest)
            return (
                f"{looked}; {_shown(other, root) / rest} is there: take {front!r} off the file's names, and give "
                f"{option} {_shown(other, root)}"
            )
    return ""


def _beyond(paths: Sequence[str], roots: Sequence[Path]) -> str:
    """Say it of whole paths, which no folder is put before."""
    for path in paths:
        for root in roots:
            if Path(path).is_absolute() and (rest := _end(path.lstrip("/"), root)):
                return (
                    f"the file has whole paths, such as {path!r}, which no folder is put before; {root / rest} is "
                    f"there: take {path.removesuffix(rest)!r} off the file's names"
                )
    return ""


def _name(path: str, root: Path) -> str:
    """Give a picture's name in its file; empty where it does not lie below the folder."""
    front = str(root / "_").removesuffix("_")
    if Path(path).is_absolute() and not root.is_absolute():
        return ""
    return path.removeprefix(front) if path.startswith(front) else ""


def _others(root: Path) -> Iterator[Path]:
    """Give the folders above one, those in it to two levels, and those beside it."""
    whole = root.absolute()
    above = list(whole.parents)[:ABOVE]
    below = list(_folders(whole))
    ways = (above, below, (inner for one in below for inner in _folders(one)), _folders(whole.parent))
    return islice((one for way in ways for one in way), TRIED)


def _folders(root: Path) -> Iterator[Path]:
    try:
        with os.scandir(root) as entries:
            found = sorted(one.name for one in islice(entries, _ENTRIES) if one.is_dir())
    except OSError:
        return iter(())
    return (root / name for name in found)


def _count(names: Sequence[str], root: Path) -> int:
    return sum(is_file(root / name) for name in names)


def _end(name: str, root: Path) -> str:
    """Give the longest end of a name, without its first part at least, that is a file below a folder."""
    parts = PurePosixPath(name).parts
    ends = ("/".join(parts[at:]) for at in range(1, len(parts)))
    return next((end for end in ends if is_file(root / end)), "")


def _shown(folder: Path, root: Path) -> Path:
    """Write a folder as the one that was named is written: from here on, or whole."""
    return folder if root.is_absolute() else Path(os.path.relpath(folder))
