"""What data are called, their set and their split: by the option, else by the records' own field, else by a name.

Which of them was taken is said: a warning where two differ, a line where a file's name alone tells it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from egm_core.data.readers.kind import Tally

SET, SPLIT = "data set", "split"


@dataclass
class Chosen:
    """Chooses what the records of one file are called, and says at its end what was chosen.

    `what` it is, the `option` that names it and what was `given` there; `guessed` is what `file` tells by its name.
    """

    what: str
    option: str
    given: str
    guessed: str
    file: str
    _own: Counter[str] = field(default_factory=Counter)
    _guesses: int = 0

    def take(self, own: str = "") -> str:
        """Choose for a record, which may have a field of its own."""
        if own:
            self._own[own] += 1
        elif not self.given:
            self._guesses += 1
        return self.given or own or self.guessed

    def tell(self, tally: Tally) -> None:
        """Say what was taken."""
        if self._guesses and self.guessed:
            tally.guess(self.what, self.guessed, self.option, self.file)
        told = ", ".join(f"{own} ({count:,})" for own, count in self._own.most_common() if own != self.given)
        if self.given and told:
            tally.note(
                f"{self.file}: {self.option} {self.given} is taken as the {self.what}, in place of the records' own, "
                f"{told}; leave {self.option} out to keep these"
            )
        elif told and self.guessed and self._own.keys() != {self.guessed}:
            remedy = f"{self.option} overrules both" if self.option else "see that it is the right file"
            tally.note(
                f"{self.file}: the records' own {self.what} is taken, {told}, not {self.guessed}, as the file's name "
                f"tells; {remedy}"
            )
