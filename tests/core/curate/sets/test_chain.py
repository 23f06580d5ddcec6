"""The steps of a set: kept while nothing changed, run alone, begun anew after a kill; and what a set's folder holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from set_files import HALF_HIDDEN, coco_amodal, tao_amodal

from egm_core.curate import provenance
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.sets import amodal_benchmark, amodal_train, manifest
from egm_core.curate.sets.excluded import Excluded
from egm_core.curate.sets.filters import Filters
from egm_core.curate.sets.sources import coco, tao
from egm_core.curate.sets.workers import Worker, Workers
from egm_core.sample import Sample, read_samples, write_samples


class Scripted:
    """A step that changes samples as it is told, drops some, and counts how often it worked."""

    def __init__(self, change: Any, prompt: str) -> None:
        self.change, self.prompt, self.times, self.breaks = change, prompt, 0, False

    def __call__(self, source: Path, out: Path) -> dict[str, Any]:
        self.times += 1
        if self.breaks:
            raise KeyboardInterrupt
        made = [(one, self.change(one)) for one in read_samples(source)]
        write_samples(out, [new for _, new in made if new])
        provenance.write(provenance.beside(out), [Provenance("k", self.prompt, model="gpt-x", terms="X's terms")
                                                  for _, new in made if new])  # fmt: skip
        lost = [Failure("k", "verify", "no", old.image) for old, new in made if not new]
        provenance.write(provenance.beside(out, "failures"), lost)
        return {}


def scripted() -> tuple[Workers, list[Scripted]]:
    works = [
        Scripted(lambda s: dataclasses.replace(s, sent=f"the {s.sent} number {s.annotation_id}"), "express_1"),
        Scripted(lambda s: None if s.annotation_id.endswith("-3") else s, "verify_1"),
        Scripted(lambda s: dataclasses.replace(s, amodal_reasoning="It goes on behind the box."), "reason_amodal_1"),
    ]
    return Workers(*(Worker(work, {"model": "gpt-x"}) for work in works)), works


@pytest.fixture
def files(tmp_path):
    return (
        coco([coco_amodal(tmp_path / "coco/COCO_amodal_train2014.json", (7, 8))], None),
        tao([tao_amodal(tmp_path / "tao/train.json", HALF_HIDDEN, frames=3)], None),
    )


def training(folder: Path, files: Any, workers: Workers, filters: Filters | None = None) -> Any:
    return amodal_train.chain(folder, amodal_train.first(files, filters or Filters(), Excluded()), workers)


def test_each_step_has_its_file_and_counts(tmp_path, files):
    workers, _ = scripted()
    chain = training(tmp_path / "set", files, workers)
    chain.run(say=lambda _: None)
    assert [(name, one["samples"], one["images"]) for name, one in chain.record.items()] == [
        ("objects", 7, 5), ("expressed", 7, 5), ("verified", 5, 5), ("reasoned", 5, 5),
    ]  # fmt: skip
    reasoned = list(read_samples(chain.path("reasoned")))
    assert all(sample.amodal_reasoning and sample.sent.startswith("the ") for sample in reasoned)
    printed = amodal_train.table(chain.record, amodal_train.PAPER)
    for words in ("COCO-Amodal train 2 on 2, TAO-Amodal train 3 on 3", "paper       23,698   15,798", "-23,693"):
        assert words in printed, printed
    told = amodal_train.losses(chain)
    assert "verified: 2 of 7 did not pass (28.6 %); 2 are in verified.failures.jsonl" in told
    assert "COCO-Amodal: left out 2: nothing is hidden" in told


def test_nothing_is_done_twice_and_a_change_makes_the_rest_anew(tmp_path, files):
    workers, works = scripted()
    training(tmp_path / "set", files, workers).run(say=lambda _: None)
    said: list[str] = []
    training(tmp_path / "set", files, workers).run(say=said.append)
    assert [work.times for work in works] == [1, 1, 1]
    assert all("kept: nothing changed" in line for line in said) and len(said) == 4
    training(tmp_path / "set", files, workers, Filters(per_frame=0, least_side=4)).run(say=lambda _: None)
    assert [work.times for work in works] == [2, 2, 2]
    other = dataclasses.replace(workers, verify=Worker(works[1], {"model": "gpt-y"}))
    training(tmp_path / "set", files, other, Filters(per_frame=0, least_side=4)).run(say=lambda _: None)
    assert [work.times for work in works] == [2, 3, 2], "the verdicts came out alike, so the reasoning holds"
    (tmp_path / "set/expressed.jsonl").write_text("")
    training(tmp_path / "set", files, other, Filters(per_frame=0, least_side=4)).run(say=lambda _: None)
    assert works[0].times == 3, "a file that was changed by hand is made anew"


def test_a_step_that_was_cut_off_begins_anew_and_those_before_it_do_not(tmp_path, files):
    workers, works = scripted()
    works[1].breaks = True
    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "set", files, workers).run(say=lambda _: None)
    chain = training(tmp_path / "set", files, workers)
    assert list(chain.record) == ["objects", "expressed"]
    works[1].breaks = False
    chain = training(tmp_path / "set", files, workers)
    chain.run(say=lambda _: None)
    assert [work.times for work in works] == [1, 2, 1]
    assert list(chain.record) == ["objects", "expressed", "verified", "reasoned"]
    works[1].breaks = True
    with pytest.raises(KeyboardInterrupt):
        chain.run("verified", say=lambda _: None)
    assert "verified" not in chain.record, "what was cut off tells nothing"


def test_a_step_can_be_run_alone(tmp_path, files):
    workers, works = scripted()
    chain = training(tmp_path / "set", files, workers)
    with pytest.raises(ValueError, match="run the step 'expressed' first"):
        chain.run("verified", say=lambda _: None)
    chain.run("objects", say=lambda _: None)
    assert not works[0].times
    chain.run("expressed", say=lambda _: None)
    chain.run("expressed", say=lambda _: None)
    assert [work.times for work in works] == [2, 0, 0]


def test_no_object_is_an_error_and_writes_nothing(tmp_path, files):
    workers, _ = scripted()
    with pytest.raises(ValueError, match=r"no object passes; left out: .*below 1000 pixels"):
        training(tmp_path / "set", files, workers, Filters(least_side=1000)).run(say=lambda _: None)
    assert not (tmp_path / "set/objects.jsonl").exists()


@pytest.fixture
def benchmark(tmp_path):
    sources = [
        coco([coco_amodal(tmp_path / f"coco/COCO_amodal_{kind}.json", numbers, kind="val2014")], None)
        for kind, numbers in (("val2014", (7, 8)), ("test2014", (9,)))
    ]
    workers, _ = scripted()
    chain = amodal_benchmark.chain(tmp_path / "made", amodal_train.first(sources, Filters(), Excluded()), workers)
    chain.run(say=lambda _: None)
    return chain


def packed(chain: Any, copy: bool = False) -> Path:
    return amodal_benchmark.pack(chain, "1.0", copy, dataclasses.asdict(Filters()))


def test_the_benchmark_is_whole_named_and_without_pictures_or_paths(tmp_path, benchmark):
    (benchmark.folder / "set.part").mkdir()
    (benchmark.folder / "set.part/left_by_a_kill").touch()
    folder = packed(benchmark)
    assert sorted(path.name for path in folder.rglob("*")) == [
        "amodal_benchmark.jsonl", "amodal_benchmark.provenance.jsonl", "manifest.json",
    ]  # fmt: skip
    assert manifest.wrong(folder) == []
    assert str(tmp_path) not in "".join(path.read_text() for path in folder.iterdir())
    samples = list(read_samples(folder / "amodal_benchmark.jsonl", tmp_path / "coco"))
    assert len(samples) == 3 and all(Path(sample.image).is_file() for sample in samples)
    told = json.loads((folder / "manifest.json").read_text())
    assert told["counts"] == {
        "samples": 3, "images": 3,
        "by_source": {"COCO-Amodal test": {"samples": 1, "images": 1}, "COCO-Amodal val": {"samples": 2, "images": 2}},
    }  # fmt: skip
    assert told["paper"] == {"samples": 11261, "images": 2474}
    assert (told["teachers"], told["terms"], told["version"]) == (["gpt-x"], ["X's terms"], "1.0")
    assert told["prompts"]["expressed"]["labels"] == ["express_1"] and len(told["sources"]) == 2
    assert told["filters"]["occluded_only"] is True and told["licences"]["COCO-Amodal"].startswith("annotations CC BY")


def test_licences_are_those_of_the_records_whatever_layout_they_came_in():
    def record(source: str, licence: str) -> Sample:
        return Sample("a.jpg", "the cup", (0.0, 0.0, 9.0, 9.0), None, None, 9, 9, source=source, licence=licence)

    told = amodal_train.licences([record("COCO-Amodal", "CC BY 4.0"), record("mine", ""), record("mine", "CC0")])
    assert told == {"COCO-Amodal": "CC BY 4.0", "mine": "CC0; unknown: no record states it"}


def test_packing_twice_gives_the_same_files(benchmark):
    first = {path.name: path.read_bytes() for path in packed(benchmark).iterdir()}
    assert {path.name: path.read_bytes() for path in packed(benchmark).iterdir()} == first


def test_pictures_are_copied_on_wish_and_go_when_the_wish_does(benchmark):
    folder = packed(benchmark, copy=True)
    assert len(list((folder / "pictures").iterdir())) == 3 and manifest.wrong(folder) == []
    assert all(Path(sample.image).is_file() for sample in read_samples(folder / "amodal_benchmark.jsonl"))
    assert not (packed(benchmark) / "pictures").exists()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: (f / "amodal_benchmark.jsonl").unlink(), "amodal_benchmark.jsonl is missing"),
        (lambda f: (f / "more.txt").write_text("x"), "more.txt is not in the manifest"),
        (lambda f: (f / "amodal_benchmark.jsonl").open("a").write("\n"), "amodal_benchmark.jsonl: sha256 is"),
    ],
)
def test_a_set_that_was_changed_is_told(benchmark, harm, words):
    folder = packed(benchmark)
    harm(folder)
    assert any(line.startswith(words) for line in manifest.wrong(folder))


def test_counts_that_the_samples_do_not_have_are_told(benchmark):
    folder = packed(benchmark)
    told = json.loads((folder / "manifest.json").read_text())
    told["counts"]["images"] = 2474
    told["sha256"] = manifest.own_digest(told)
    (folder / "manifest.json").write_text(json.dumps(told))
    assert manifest.wrong(folder) == ["images: 3 are there, and the manifest has 2474"]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2, "files": {}}', '{"format": 1, "files": {"../x": {}}}'])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match="no manifest that can be read"):
        manifest.wrong(tmp_path)
    with pytest.raises(ValueError, match="name the folder of a set"):
        manifest.wrong(tmp_path / "other")
