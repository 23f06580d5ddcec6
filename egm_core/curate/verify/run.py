"""Verification of a file of samples by either kind or both, with what failed, what was ambiguous, and the rates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.curate import provenance
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.reason.again import Ask
from egm_core.curate.sets.expressing import Manner, fitting
from egm_core.curate.verify.hits import Judged, Second, judged
from egm_core.curate.verify.rates import rates
from egm_core.sample import Sample, read_samples, write_samples
from egm_core.sample.whole import dropped, together


def verified(
    source: Path,
    out: Path,
    fits: tuple[Manner, Ask] | None,
    hits: tuple[Second, Ask] | None,
    others: Sequence[Sample] = (),
) -> dict[str, Any]:
    """Verify the samples of a file by the kinds that are given; writes them and what lies beside, gives the rates.

    A wholly hidden object passes where it passes the first kind; by the second alone it cannot. `others` are further
    objects of these pictures, which an expression must not mean.
    """
    samples = list(read_samples(source))
    known = provenance.of_records(source, len(samples))
    fit = fitting(samples, *fits, others) if fits else None
    hit = judged(samples, *hits, others) if hits else None
    kept: list[tuple[Sample, Provenance]] = []
    failed: list[Failure] = []
    apart: list[Sample] = []
    for number, sample in enumerate(samples):
        one, other = fit[number] if fit else None, hit[number] if hit else None
        if isinstance(one, Failure):
            failed.append(one)
            continue
        if other is not None and not (other.outcome == "hit" or (other.outcome == "hidden" and fit)):
            failed.append(_failure(sample, other))
            apart += [sample] if other.outcome == "disagreement" else []
            continue
        told = one if one is not None else Provenance(other.key if other else "", "family")
        if other is not None and hits:
            by = hits[0]
            told = told if one is not None else replace(told, model=by.model, terms=by.terms)
            verdict = {"model": by.model, "terms": by.terms, **other.verdict()}
            told = replace(told, verdicts=told.verdicts | {"hits": verdict})
        kept.append((sample, told.after(known[number]) if known else told))
    found = rates(len(samples), _passed(fit), hit, len(kept))
    found["failed_at"] = dict(Counter(failure.step for failure in failed))
    found |= {"models": {"fits": fits[0].model if fits else "", "hits": hits[0].model if hits else ""}}
    found["answered_by"] = dict(Counter(told.model for _, told in kept).most_common())
    ambiguous = out.with_name(f"{out.stem}.disagreements.jsonl")
    with together():
        write_samples(out, (sample for sample, _ in kept))
        provenance.write(provenance.beside(out), (told for _, told in kept))
        provenance.write(provenance.beside(out, "failures"), failed)
        if hit is not None:
            write_samples(ambiguous, apart)
        else:
            # One that an earlier run by the other kind has left would be taken for this one's.
            dropped(ambiguous)
        provenance.write_rates(out, found)
    return found


def _passed(fit: Sequence[Provenance | Failure] | None) -> list[bool | None] | None:
    if fit is None:
        return None
    return [True if isinstance(one, Provenance) else None if one.step == "answered" else False for one in fit]


def _failure(sample: Sample, one: Judged) -> Failure:
    said = json.dumps(one.verdict()["boxes"])
    return Failure(one.key, f"hits:{one.outcome}", one.why, sample.image, sample.sent, "visible", said)
