"""The parts of an answer beside its text, against what is known of the scene."""

from __future__ import annotations

from collections.abc import Iterator

from egm_core.curate.prompts.answers import AmodalReasoning, Reasoning
from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.data.phrases import head, noun, plain, words


def contradictions(said: Reasoning | AmodalReasoning, facts: Facts) -> Iterator[Finding]:
    """Find an object's name that is another's, and an occluder and sides that are not the sample's."""
    own = {*words(plain(facts.expression)), *words(plain(facts.category))}
    named = noun(said.object)
    if head(said.object) not in own and any(named == noun(other) for other in facts.others):
        yield _named("wrong_object", said.object, f"is the name of another object than {noun(facts.expression)}")
    if not isinstance(said, AmodalReasoning):
        return
    if facts.occluders and said.occluders and not _shared(said.occluders, facts.occluders):
        yield _named("wrong_occluder", ", ".join(said.occluders), f"do not hide it; {facts.occluders[0]} does")
    if facts.hidden_sides and not set(said.hidden_sides) & set(facts.hidden_sides):
        told = ", ".join(said.hidden_sides) or "no side"
        yield _named("wrong_side", told, f"not where it is hidden: {' and '.join(facts.hidden_sides)}")


def _named(rule: str, words: str, why: str) -> Finding:
    return Finding(rule, words, why, named=True)


def _shared(said: list[str], known: tuple[str, ...]) -> bool:
    """Tell whether one of the things named is among the known ones; their names may be longer or shorter."""
    heads = {head(name) for name in known}
    spoken = {word for name in said for word in words(plain(name))}
    return bool(heads & spoken) or bool(
        {head(name) for name in said} & {w for name in known for w in words(plain(name))}
    )
