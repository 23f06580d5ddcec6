"""What asking will cost, before it starts: questions, tokens and dollars, with the prices' date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from egm_core.asking.job import Job
from egm_core.curate.money.prices import Price
from egm_core.curate.money.tokens import picture_tokens, tokens_of

# What an answer of two or three sentences has, with its form; thinking comes on top, and is said to.
LIKELY_OUT = 200


@dataclass(frozen=True)
class Estimate:
    """What asking will cost, in words, and its likely and largest dollars; None where no price is known."""

    told: str
    likely: float | None
    most: float | None


def estimate(
    jobs: Sequence[Job], model: str, price: Price | None, title: str, all_jobs: int, ledger: Path, spent: float,
    retries: int = 0, texts: int = 1,
) -> Estimate:  # fmt: skip
    """Say what some jobs will cost, likely and at worst, asked one by one or in batch files.

    At worst each is asked `retries` times more, and about `texts` texts one after the other, as a judge is of those
    that are written anew.
    """
    likely_in = most_in = likely_out = most_out = shown = 0.0
    unreadable = 0
    for job in jobs:
        try:
            tokens = tokens_of(job, model)
        except (OSError, ValueError):
            unreadable += 1
            continue
        likely_in += tokens.likely_in
        most_in += tokens.most_in
        likely_out += min(LIKELY_OUT, tokens.most_out)
        most_out += tokens.most_out
        shown += tokens.pictures
    known = picture_tokens(model, 640, 480)[1]
    rule = "by its vendor's rule" if known else "by the largest of the known rules, for its vendor's is not known"
    known_here = f", the others have their answers in {ledger}" if len(jobs) < all_jobs else ""
    lines = [
        f"{title}: {len(jobs):,} of {all_jobs:,} questions to ask of {model}{known_here}",
        f"  tokens in   {likely_in:14,.0f} likely {most_in:16,.0f} at most, asked once",
        f"              {shown:14,.0f} of these are pictures, {rule}",
        f"  tokens out  {likely_out:14,.0f} likely {most_out:16,.0f} at most, asked once (thinking counts as out)",
    ]
    if unreadable:
        lines.append(f"  {unreadable:,} questions have a picture that cannot be read, and will be failures")
    batch_in, batch_out = most_in, most_out
    if retries and jobs:
        most_in, most_out = most_in * (1 + retries) * texts, most_out * (1 + retries) * texts
        again = "once" if retries == 1 else f"{retries} times"
        lines.append(
            f"  at most counts --retries {retries}: an answer that fails by its form is asked for {again} more, which "
            "batch files do not"
        )
        if texts > 1:
            lines.append(
                f"              and {texts} texts of each sample, where rules and judge are against the earlier ones"
            )
    dollars: tuple[float | None, float | None] = (None, None)
    if price is None:
        lines.append("  dollars     no price is known: give --price-in and --price-out, or --prices FILE")
    else:
        batched = (price.in_batch(), batch_in, batch_out)
        dollars = price.dollars(likely_in, likely_out), price.dollars(most_in, most_out)
        for name, (one, into, out) in {"dollars": (price, most_in, most_out), "in batches": batched}.items():
            likely, most = one.dollars(likely_in, likely_out), one.dollars(into, out)
            lines.append(f"  {name:11} {likely:14,.2f} likely {most:16,.2f} at most")
        lines.append(
            f"  at ${price.into:g} in and ${price.out:g} out a million tokens ({price.source}, "
            f"{price.date or 'today'}); ${spent:,.2f} is spent in this ledger already"
        )
    lines.append("  a likely answer has 200 tokens here; nothing was asked")
    return Estimate("\n".join(lines), *dollars)


def summed(parts: Sequence[Estimate], limit: float | None, spent: float) -> str:
    """Say what several parts cost together, and whether a bound of that many dollars is enough for them."""
    priced = [(one.likely, one.most) for one in parts if one.likely is not None and one.most is not None]
    likely, most = sum(one for one, _ in priced), sum(one for _, one in priced)
    lines = []
    if len(parts) > 1:
        lines.append(f"all of it together: ${likely:,.2f} likely, ${most:,.2f} at most, asked one by one")
        if len(priced) < len(parts):
            lines.append(f"  without {len(parts) - len(priced)} of {len(parts)} parts, of which no price is known")
    if limit is not None and len(priced) == len(parts):
        left = limit - spent
        enough = (
            "is enough for the most"
            if left >= most
            else "is enough for the likely sum, and not for the most"
            if left >= likely
            else "is not enough for the likely sum"
        )
        lines.append(f"--budget-usd {limit:g}, of which ${spent:,.2f} is spent, {enough}")
    return "\n".join(lines)
