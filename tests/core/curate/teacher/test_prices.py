"""Prices, tokens of pictures by their vendors' rules, terms, and what is known of neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from egm_core.curate.money.prices import price_of, read_prices
from egm_core.curate.money.tokens import picture_tokens
from egm_core.curate.teacher.terms import terms_of, warning


@pytest.mark.parametrize(
    ("model", "dollars"),
    [("gpt-4.1", 3.20), ("gpt-5-mini", 0.55), ("gemini-3.1-pro", 3.80), ("claude-sonnet-5", 3.50),
     ("gpt-5.6-luna", 0.38), ("openai/gpt-4.1-2025-04-14", 3.20)],
)  # fmt: skip
def test_a_thousand_traces_cost(model: str, dollars: float) -> None:
    price = price_of(model)
    assert price is not None and price.date == "2026-09"
    assert price.dollars(1_000_000, 150_000) == pytest.approx(dollars)
    assert price.in_batch().dollars(1_000_000, 150_000) == pytest.approx(dollars / 2)


def test_what_has_no_price_has_none_and_one_s_own_come_first(tmp_path: Path) -> None:
    assert price_of("gpt-4.1-mini") is None and price_of("my-model") is None
    file = tmp_path / "prices.json"
    file.write_text('[{"models": "gpt-4.1*", "in": 1, "out": 2, "date": "2026-11-01", "batch": 0.25}]')
    price = price_of("gpt-4.1-mini", read_prices(file))
    assert price is not None and (price.into, price.out, price.in_batch().out) == (1, 2, 0.5)
    for wrong in ("{", "{}", '[{"models": "x"}]', '[{"models": "x", "in": -1, "out": 2}]',
                  '[{"models": "x", "in": 1, "out": "2"}]',
                  '[{"models": "x", "in": 1, "out": 2, "cost": 3}]'):  # fmt: skip
        file.write_text(wrong)
        with pytest.raises(ValueError, match=r"prices\.json"):
            read_prices(file)


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [("claude-haiku-4-5", (640, 480), 414), ("gpt-4.1", (1024, 1024), 765), ("gpt-5", (1024, 1024), 630),
     ("gemini-2.5-pro", (300, 200), 258), ("qwen3-vl-235b", (640, 480), 300)],
)  # fmt: skip
def test_pictures_count_by_their_vendors_rules(model: str, size: tuple[int, int], tokens: int) -> None:
    assert picture_tokens(model, *size) == (tokens, True)


def test_a_vendor_that_is_not_known_counts_most() -> None:
    tokens, known = picture_tokens("mystery", 640, 480)
    assert not known and tokens >= max(picture_tokens(m, 640, 480)[0] for m in ("gpt-4.1", "claude-x", "internvl3"))


def test_terms_are_known_or_asked_for() -> None:
    assert terms_of("gpt-4.1").forbids and terms_of("models/gemini-3.1-pro").forbids
    assert terms_of("Qwen/Qwen3-VL-235B").forbids is False and terms_of("gpt-oss-120b").forbids is False
    assert "compete" in warning("claude-sonnet-5", "") and "--terms" in warning("mystery", "")
    assert not warning("mystery", "CC0") and not warning("qwen3-vl-8b", "")
