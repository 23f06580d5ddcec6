"""How judges agree, and the tables of what they said: the paper's Tables 1, 2 and 12."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from egm_core.evaluate.failures.judging import complex_by_most
from egm_core.evaluate.paper.failures import COMPLEX, JUDGES, REASONS, TABLE_2, TABLE_12
from egm_core.evaluate.reports.field_tables import beside, plain
from egm_core.evaluate.reports.intervals import legend
from egm_core.evaluate.reports.tables import markdown, percent
from egm_core.evaluate.results import Result
from egm_core.evaluate.statistics import EMPTY, Figure, mean

Judgements = Mapping[str, Mapping[str, str]]


def fleiss_kappa(counts: Sequence[Sequence[int]]) -> float:
    """Give Fleiss' kappa of items by how many judges chose each reason; NaN where chance alone would agree.

    Every item must have been judged by the same number of judges, two or more.
    """
    table = np.asarray(counts, float)
    if table.size == 0:
        return math.nan
    judges = table.sum(1)
    if judges.min() != judges.max() or judges[0] < 2:
        raise ValueError("Fleiss' kappa needs the same number of judges for every item, and at least two")
    n = judges[0]
    observed = float(((table**2).sum(1) - n).mean() / (n * (n - 1)))
    expected = float(((table.sum(0) / table.sum()) ** 2).sum())
    return math.nan if expected == 1 else (observed - expected) / (1 - expected)


def shared(judgements: Judgements) -> list[str]:
    """Name the failures that all judges gave a reason for."""
    told = [set(reasons) for reasons in judgements.values()]
    return sorted(set.intersection(*told)) if told else []


def kappa(judgements: Judgements) -> float:
    """Give Fleiss' kappa over what all judges judged."""
    counts = [[sum(told[one] == reason for told in judgements.values()) for reason in REASONS]
              for one in shared(judgements)]  # fmt: skip
    return fleiss_kappa(counts)


def reasons_table(judgements: Judgements, seeds: Mapping[str, int], with_paper: bool) -> str:
    """Print the share of each reason by judge, as Table 12 does; its first line is Table 1.

    `seeds` gives the picture of each failure. The paper's values are of InternVL-3-8B's failures.
    """
    head = ["reason", *judgements, *([f"{judge}, paper" for judge in JUDGES] if with_paper else [])]
    rows = []
    for number, reason in enumerate(REASONS):
        cells = [percent(_share(told, reason, seeds)) for told in judgements.values()]
        paper = [f"{value:.1f}" for value in TABLE_12[reason]] if with_paper else []
        rows.append([reason + (" (Table 1)" if not number else ""), *cells, *paper])
    rows.append(["judged", *(str(len(told)) for told in judgements.values()), *([""] * 3 if with_paper else [])])
    return f"{markdown(head, rows)}\n\n{legend()}"


def _share(told: Mapping[str, str], reason: str, seeds: Mapping[str, int]) -> Figure:
    return mean([float(said == reason) for said in told.values()], [seeds[one] for one in told])


def recovery_table(judgements: Judgements, others: Sequence[Result]) -> str:
    """Print how many of the failures that most judges call COMPLEX-PROMPT other models get right, as Table 2 does."""
    ids = set(complex_by_most(judgements, shared(judgements)))
    papers = {plain(name): value for name, value in TABLE_2.items()}
    rows = []
    for other in others:
        mine = [a for a in other.answers if a.id in ids]
        figure = mean([float(a.correct) for a in mine], [a.seed for a in mine]) if mine else EMPTY
        value = papers.get(plain(other.name))
        cells = [percent(figure), str(len(mine)), "-" if value is None else f"{value:.1f}"]
        rows.append([other.name, *cells, "-" if value is None else beside(figure, value)])
    return markdown([f"{len(ids)} failures, {COMPLEX}", "Acc@0.5, %", "answered", "paper", "difference"], rows)
