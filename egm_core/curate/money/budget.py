"""A bound in dollars that counts what is reserved as well as what is spent, held by the ledger of the answers.

Before a question is sent, its worst case is reserved: all tokens that its prompt can have, and all that its answer may
have. Answers free what they did not use. What was under way at a kill, or timed out, may have been billed and counts as
spent. Where a server bills more than the worst case, all reservations are raised by that much from then on; until it
has been seen to keep to them, a few questions at a time are asked, and twice the worst case is reserved.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from egm_core.asking.counted import ABSURD, LONGEST, is_count
from egm_core.asking.job import Answer
from egm_core.asking.store import Store
from egm_core.curate.money.prices import Price
from egm_core.curate.money.tokens import Tokens

# So many answers are taken to know how a server bills; until then reservations are raised by a factor.
TRIAL, WARY = 8, 2.0
_log = logging.getLogger("egm.curate")


@dataclass
class Budget:
    """A bound for a ledger: `limit` in dollars, None for none; `price` None where nobody knows it.

    `wary` is how much reservations are raised by until it is known how a server bills.
    """

    price: Price | None = None
    limit: float | None = None
    wary: float = WARY
    factor: float = field(default=1.0, init=False)
    seen: int = field(default=0, init=False)
    _held: dict[str, float] = field(default_factory=dict, init=False)
    _reserved: dict[str, float] = field(default_factory=dict, init=False)
    _told: bool = field(default=False, init=False)
    _uncounted: bool = field(default=False, init=False)
    _taken: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if self.limit is not None and self.price is None:
            raise ValueError("a budget needs a price: give --price-in and --price-out, or --prices FILE")

    def worst(self, tokens: Tokens) -> float:
        """Give what is reserved for a question: its worst case, raised by what is known of its server."""
        if self.price is None:
            return 0.0
        return self._bare(tokens) * (self.factor if self.seen >= TRIAL else max(self.wary, self.factor))

    def reserve(self, store: Store, key: str, tokens: Tokens) -> bool | None:
        """Take a job and reserve what it may cost; None where it does not fit, False where another one has it."""
        worst = self.worst(tokens)
        # What is under way at a server that bills more than was reserved will do so, too.
        owed = sum(self._held.values()) * (self.factor - 1)
        if not store.claim(key, worst):
            return False
        # Adding up half a million rows for each question would cost more than asking it.
        elsewhere = store.changed_elsewhere()
        self._taken = sum(store.money()) if elsewhere else self._taken + worst
        if self.limit is not None and self._taken + owed > self.limit:
            store.unclaim(key)
            self._taken -= worst
            return None
        self._reserved[key] = worst
        self._held[key] = self._bare(tokens)
        return True

    def settle(self, store: Store, answer: Answer, tokens: Tokens, free: bool = False, payload: Any = None) -> float:
        """Keep what came of a job, and what it has cost; gives the dollars. `free`: nothing can have been billed."""
        bare = self._held.pop(answer.key, 0.0)
        spent = 0.0 if free else self.spent(answer, tokens)
        store.add(answer, payload, spent)
        self._taken += spent - self._reserved.pop(answer.key, 0.0)
        if free or self.price is None:
            return spent
        counted = usage(answer, tokens) is not None
        # What was sent and got no answer, such as by a time limit, shows nothing of how a server bills.
        self.seen += counted or bool(answer.finish or not answer.error)
        if counted and bare > 0 and spent > bare * self.factor:
            self.factor = 1.05 * spent / bare
            self._warn(spent, bare)
        if not counted and (answer.finish or not answer.error):
            self._tell_uncounted(answer, bare)
        return spent

    def spent(self, answer: Answer, tokens: Tokens) -> float:
        """Give what an answer has cost by its usage; the worst case where its server tells none that can be."""
        if self.price is None:
            return 0.0
        used = usage(answer, tokens)
        return self._bare(tokens) * self.factor if used is None else self.price.dollars(*used)

    def taken(self, store: Store) -> float:
        """Give what is spent and reserved in a ledger."""
        if store.changed_elsewhere():
            self._taken = sum(store.money())
        return self._taken

    def _bare(self, tokens: Tokens) -> float:
        return self.price.dollars(tokens.most_in, tokens.most_out) if self.price else 0.0

    def _warn(self, spent: float, bare: float) -> None:
        if not self._told:
            _log.warning(
                "the server counts more tokens than a question can have by our rules ($%.4f where $%.4f is the most): "
                "reservations are raised by %.2f from now on",
                spent, bare, self.factor,
            )  # fmt: skip
            self._told = True

    def _tell_uncounted(self, answer: Answer, bare: float) -> None:
        if not self._uncounted and bare > 0:
            told = "counts of tokens that cannot be" if answer.usage else "no counts of tokens"
            _log.warning("the server tells %s: such answers are charged as the most that they can cost", told)
            self._uncounted = True


def usage(answer: Answer, tokens: Tokens | None = None) -> tuple[float, float] | None:
    """Read the tokens that a server counted: in and out; None where it tells none. Anthropic has other names.

    Counts that cannot be are none: a prompt of no tokens, or of less than its text has, a text out of no tokens, and
    many times what the question can have at most.
    """
    counted: Any = answer.usage
    if not isinstance(counted, dict):
        return None
    into = counted.get("prompt_tokens", counted.get("input_tokens"))
    out = counted.get("completion_tokens", counted.get("output_tokens"))
    if not (is_count(into) and is_count(out)):
        return None
    cached = [counted.get(f"cache_{kind}_input_tokens") for kind in ("creation", "read")]
    # Gemini's thoughts are in the sum alone, and are billed as what comes out.
    total = counted.get("total_tokens")
    out = max(float(out), float(total) - float(into)) if is_count(total) else float(out)
    asked = float(into) + sum(float(one) for one in cached if is_count(one))
    if asked <= 0 or (out <= 0 and answer.text):
        return None
    if tokens is not None and not (
        tokens.least_in <= asked <= ABSURD * tokens.most_in and out <= max(LONGEST, ABSURD * tokens.most_out)
    ):
        return None
    return asked, out
