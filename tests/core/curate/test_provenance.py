"""The file beside the samples that says where their text comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from egm_core.asking.job import Answer
from egm_core.curate import provenance
from egm_core.curate.prompts import load


def test_it_is_written_beside_the_samples_and_read(tmp_path: Path) -> None:
    answer = Answer("k", "text", "stop", usage={"total_tokens": 3}, model="teacher-1", at=5.0, seconds=0.5)
    record = provenance.Provenance.of(answer, load("verify"), task="amodal", verdicts={"rules": []})
    path = provenance.beside(tmp_path / "x.jsonl")
    provenance.write(path, [record])
    assert path.name == "x.provenance.jsonl" and list(provenance.read(path)) == [record]
    assert (record.model, record.prompt, record.usage) == ("teacher-1", "verify_1", {"total_tokens": 3})
    path.write_text('{"a": 1}\n')
    with pytest.raises(ValueError, match="jsonl:1: not a provenance"):
        list(provenance.read(path))


def test_earlier_steps_are_carried_along_in_their_order(tmp_path: Path) -> None:
    one, two, three = (provenance.Provenance(key, key) for key in ("express_1", "verify_1", "reason_amodal_1"))
    path = provenance.beside(tmp_path / "x.jsonl")
    provenance.write(path, [three.after(two.after(one))])
    (known,) = provenance.of_records(tmp_path / "x.jsonl", 1) or ()
    assert [step["prompt"] for step in known.before] == ["express_1", "verify_1"] and "before" not in known.before[1]
    assert provenance.of_records(tmp_path / "y.jsonl", 1) is None
    with pytest.raises(ValueError, match=r"has 1 lines and x.jsonl 2 records: write both anew"):
        provenance.of_records(tmp_path / "x.jsonl", 2)
