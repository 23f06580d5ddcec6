"""A record of steps that somebody edited, or a disk damaged: what is wrong is said in a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from egm_core.curate.sets.steps import RECORD, Chain, Step

WHOLE = {"made_with": {}, "sha256": "x", "samples": 1, "images": 1}


@pytest.mark.parametrize(
    "told",
    [[], [1], "x", {"a": 5}, {"a": {}}, {"a": WHOLE | {"samples": "many"}}, {"a": WHOLE | {"unanswered": []}}],
)
def test_what_is_no_record_of_steps(tmp_path: Path, told: Any) -> None:
    (tmp_path / RECORD).write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"is no record of steps .+ to make the set anew"):
        Chain(tmp_path, [Step("a", "a.jsonl", lambda source, out: {})]).run()
