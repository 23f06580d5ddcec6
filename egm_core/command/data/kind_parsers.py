"""The kinds of data sets that a command reads, each with options of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from egm_core.arguments import Parser
from egm_core.data.readers.kind import Kind
from egm_core.data.readers.robots.question import Recordings

_K = TypeVar("_K", Kind, Recordings)


def kind_parsers(own: Parser, kinds: Iterable[_K], out: str) -> Iterator[tuple[_K, Parser]]:
    """Add a parser for each kind, with the kind's own options; `out` is the file that examples write."""
    choices = own.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind in kinds:
        one: Parser = choices.add_parser(
            kind.name,
            help=kind.summary,
            description=f"{kind.summary[0].upper()}{kind.summary[1:]}.\nLicence of the data set: {kind.licence}.",
            example=f"{kind.example} --out {out}",
        )
        kind.arguments(one)
        yield kind, one
