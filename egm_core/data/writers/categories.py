"""Names the categories of objects in files that have a place for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from egm_core.data.phrases import head
from egm_core.data.readers.kind import Tally
from egm_core.sample import Sample

OTHER = "object"


@dataclass
class Categories:
    """Gives samples' categories; where a sample has none, the head noun of its expression, which is counted."""

    _guessed: Counter[tuple[str, str]] = field(default_factory=Counter)

    def name(self, sample: Sample) -> str:
        """Give the category of a sample's object."""
        if sample.category:
            return sample.category
        found = head(sample.sent) or OTHER
        self._guessed[found, sample.sent] += 1
        return found

    def tell(self, tally: Tally) -> None:
        """Say of how many objects the category was not known."""
        if self._guessed:
            name, sent = next(iter(self._guessed))
            tally.note(
                f"{sum(self._guessed.values()):,} objects have no category: the head noun of their expression is "
                f"written in its place, such as {name!r} for {sent!r}"
            )
