"""The sheet as one HTML file, which any browser shows without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from egm_core import __version__
from egm_core.curate.audit.items import Item, sheet_key
from egm_core.evaluate.html.page import in_script
from egm_core.evaluate.html.thumbnails import Thumbnail, thumbnails

FOLDER = Path(__file__).parent
# What all pictures of a sheet may weigh, in characters.
BUDGET = 18_000_000


def sheet(drawn: Sequence[Item], file: str, seed: int, of: int) -> tuple[str, dict[str, str]]:
    """Write the page of some items, drawn from `of` of a file; gives it, and what is wrong with missing pictures."""
    pictures = thumbnails([item.picture for item in drawn], BUDGET)
    none = Thumbnail("", 0, 0)
    data = {
        "sheet": sheet_key(drawn),
        "file": file,
        "seed": seed,
        "of": of,
        "items": [_record(item, pictures.by_name.get(item.picture, none).url) for item in drawn],
    }
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
        _part("sheet.html.jinja")
    )
    made = page.render(
        title=f"Audit of {Path(file).name}",
        data=in_script(data),
        css=_part("sheet.css"),
        script=_part("sheet.js"),
        footer=f"egm_ros {__version__}: {len(drawn)} of {of:,} texts of {file}, seed {seed}",
    )
    return made, pictures.missing


def _record(item: Item, source: str) -> dict[str, Any]:
    return {
        "key": item.key,
        "src": source,
        "size": item.size,
        "sent": item.expression,
        "task": item.task,
        "text": item.text,
        "visible": item.visible,
        "amodal": item.amodal,
        "told": [[name, _shown(value)] for name, value in item.told.items()],
    }


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_shown(part)}" for name, part in value.items()) or "none"
    return str(value)


def _part(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
