"""Settings for speed: every one is a whole command of an engine that is started by one."""

from __future__ import annotations

import json

import pytest

from egm_core.servers.faster import FASTER, QUANTISED, Faster
from egm_core.servers.known import SERVERS
from egm_core.servers.named import Order

ORDER = Order("MODEL", 8000, "NAME")


@pytest.mark.parametrize("each", FASTER, ids=lambda each: f"{each.engine}-{each.name}")
def test_a_setting_is_the_engine_s_own_command_and_more(each: Faster) -> None:
    start = SERVERS[each.engine].start
    assert start is not None
    words = each.command(SERVERS[each.engine], ORDER)
    assert words[0] == start.program
    plain = [each.model or "MODEL" if word == "MODEL" else word for word in start.words(ORDER)]
    assert words[1 : 1 + len(plain)] == plain and words[1 + len(plain) :] == list(each.words)
    assert each.words or each.model == QUANTISED
    assert each.source.startswith("https://") and each.needs
    for word in each.words:
        assert not word.startswith("{") or json.loads(word)["num_speculative_tokens"] > 0


def test_names_are_told_apart_and_what_has_no_command_is_refused() -> None:
    assert len({(each.engine, each.name) for each in FASTER}) == len(FASTER)
    with pytest.raises(ValueError, match="not started by a command"):
        FASTER[0].command(SERVERS["url"], ORDER)
