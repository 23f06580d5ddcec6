"""How many expressions passed each kind of verification: both rates beside each other, with what hard ones show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from egm_core.curate.verify.hits import OUTCOMES, Judged

# So many misses without a single hit are more likely another frame of boxes than hard expressions.
FEW = 5


def rates(samples: int, fits: Sequence[bool | None] | None, hits: Sequence[Judged] | None, kept: int) -> dict[str, Any]:
    """Count by kind; `fits` None for a sample whose answer failed."""
    found: dict[str, Any] = {"samples": samples, "kept": kept, "rate": _share(kept, samples)}
    if fits is not None:
        passed, failed = sum(one is True for one in fits), sum(one is None for one in fits)
        found["fits"] = {"asked": samples, "passed": passed, "no_answer": failed, "rate": _share(passed, samples)}
    if hits is not None:
        counts = Counter(one.outcome for one in hits)
        asked = samples - counts["hidden"]
        found["hits"] = {"asked": asked, **{name: counts[name] for name in OUTCOMES}}
        found["hits"]["rate"] = _share(counts["hit"], asked)
    if fits is not None and hits is not None:
        crossed = Counter((fit is True, one.outcome == "hit") for fit, one in zip(fits, hits, strict=True))
        found["both"] = {
            "fits_and_hits": crossed[True, True],
            "fits_only": crossed[True, False],
            "hits_only": crossed[False, True],
            "neither": crossed[False, False],
        }
    return found


def table(found: dict[str, Any]) -> str:
    """Write the rates for a terminal."""
    lines = [f"{'verification':24} {'asked':>8} {'passed':>8} {'rate':>7}"]
    if "fits" in found:
        one = found["fits"]
        told = f"   {one['no_answer']:,} without an answer" if one["no_answer"] else ""
        lines.append(f"{'fits (sees the box)':24} {one['asked']:>8,} {one['passed']:>8,} {_percent(one['rate'])}{told}")
    if "hits" in found:
        one = found["hits"]
        lines.append(f"{'hits (must find it)':24} {one['asked']:>8,} {one['hit']:>8,} {_percent(one['rate'])}")
        told = ", ".join(f"{one[name]:,} {name}" for name in OUTCOMES[1:] if one[name])
        if told:
            lines.append(f"  of the others: {told}")
        if one["missed"] >= FEW and not (one["hit"] or one["disagreement"]):
            lines.append(
                "  no box met its object even once: the model may write boxes otherwise than --family says; "
                "`egm evaluate pilot` tells"
            )
        if one["hidden"]:
            lines.append("  wholly hidden objects have no visible box to hit, and can pass the first kind only")
    if "both" in found:
        one = found["both"]
        lines.append(
            f"  both {one['fits_and_hits']:,}, only fits {one['fits_only']:,}, only hits {one['hits_only']:,}, "
            f"neither {one['neither']:,}; hard expressions fail the second kind first"
        )
    lines.append(f"{'kept':24} {found['samples']:>8,} {found['kept']:>8,} {_percent(found['rate'])}")
    return "\n".join(lines)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(share: float | None) -> str:
    return f"{'-':>7}" if share is None else f"{share:7.1%}"
