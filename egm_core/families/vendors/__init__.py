"""Families of models that are asked and scored, and never trained here: one small file a vendor, with its own frame."""

from __future__ import annotations

import difflib
import re

from egm_core.families import FAMILIES
from egm_core.families.base import Speaker
from egm_core.families.known import family_of_name
from egm_core.families.vendors.claude import Claude, ClaudeHigh
from egm_core.families.vendors.gemini import Gemini
from egm_core.families.vendors.glm import GLM
from egm_core.families.vendors.gpt import GPT4, GPT5, GPT52
from egm_core.families.vendors.grok import Grok
from egm_core.families.vendors.qwen2_5_vl import Qwen25VL
from egm_core.families.vendors.qwen3_vl_official import Qwen3VLOfficial
from egm_core.families.vendors.vendor import Vendor

__all__ = ["AUTO", "GROUPS", "SPEAKERS", "VENDORS", "names", "speaker"]

AUTO = "auto"
# The first whose pattern a model's name matches: what is narrower comes first.
VENDORS: dict[str, Vendor] = {
    v.name: v for v in (Gemini(), ClaudeHigh(), Claude(), GPT4(), GPT5(), GPT52(), Grok(), Qwen25VL(), GLM())
}
SPEAKERS: dict[str, Speaker] = {**FAMILIES, **VENDORS, Qwen3VLOfficial.name: Qwen3VLOfficial()}
# One name for the versions of a vendor, among which the model's name chooses.
GROUPS: dict[str, tuple[str, ...]] = {"gpt": (GPT4.name, GPT5.name, GPT52.name)}


def names() -> list[str]:
    """List what `--family` takes."""
    return [AUTO, *sorted([*SPEAKERS, *GROUPS])]


def speaker(name: str, model: str = "") -> Speaker:
    """Give the family of that name, or by the model's name where that is `auto` or a vendor with several versions.

    ValueError where there is none such, or where the model's name says that it is another vendor's.
    """
    found = _of_model(model)
    if name == AUTO:
        return SPEAKERS[found] if found else FAMILIES[family_of_name(model)]
    if name in GROUPS:
        if found in GROUPS[name]:
            return SPEAKERS[found]
        told = f"the model's name {model!r} tells none" if model else "give the model's name too"
        raise ValueError(
            f"family {name} has versions that answer differently, and {told}: choose {', '.join(GROUPS[name])}"
        )
    if name not in SPEAKERS:
        near = difflib.get_close_matches(name.lower(), names(), n=1, cutoff=0.4)
        raise ValueError(
            f"unknown model family {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(names())}")
        )
    if found and found != name and not _related(found, name):
        raise ValueError(
            f"the model {model!r} speaks {found}, and would be asked as {name}; leave out the family, or serve the "
            "model under a name of your own if it was trained to answer so"
        )
    return SPEAKERS[name]


def _of_model(model: str) -> str:
    """Give the vendor's family by a model's published or served name; empty where none is known by it."""
    name = model.strip().rstrip("/").lower()
    return next((v.name for v in VENDORS.values() if re.fullmatch(v.served, name)), "")


def _related(one: str, two: str) -> bool:
    """Tell whether two families are one vendor's, between which its user may choose after a pilot."""
    return one.split("_")[0] == two.split("_")[0] and not one.startswith("qwen")
