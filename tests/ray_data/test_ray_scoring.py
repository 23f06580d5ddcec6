"""Scoring on Ray Data: the same as without, through a kill, and with servers that are gone.

Runs where Ray is; `make test-ray` builds an environment that has it. The tests begin a Ray of their own each time;
EGM_RAY_ADDRESS names a cluster to use instead, whose nodes have egm_core on their PYTHONPATH.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scoring_run import asked, killed_and_resumed, scored, servers, write_config, write_data

pytest.importorskip("ray.data", reason="needs Ray; make test-ray has it")

from egm_core.train.configuration import ConfigurationError, load
from egm_core.train.select.stage import SelectConfig, select

ADDRESS = os.environ.get("EGM_RAY_ADDRESS", "local")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_20000_samples_survive_a_kill(tmp_path: Path) -> None:
    # Under way at a kill: the blocks of 256 that two actors hold, and those that they have done but not handed over.
    print(killed_and_resumed(tmp_path, 20_000, lost_at_most=8 * 256, ray=ADDRESS, ray_actors=2, concurrency=32))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_when_all_servers_are_gone_the_error_names_each(tmp_path: Path) -> None:
    write_data(tmp_path, 20)
    urls = ["http://127.0.0.1:9", "http://127.0.0.1:10"]
    config = load(SelectConfig, write_config(tmp_path, urls, ray=ADDRESS, patience=0.3))
    with pytest.raises(ConfigurationError, match=r"no server is left .*127\.0\.0\.1:9: Connect.*127\.0\.0\.1:10"):
        select(config)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_store_goes_on_without_ray_and_problems_come_back(tmp_path: Path) -> None:
    write_data(tmp_path, 600)
    (tmp_path / "torn.png").write_bytes(b"no picture")
    data = (tmp_path / "data.jsonl").read_text()
    torn = data.splitlines()[0].replace("a.png", "torn.png") + "\n"
    (tmp_path / "data.jsonl").write_text(data + torn)
    with servers(2) as urls:
        path = write_config(tmp_path, urls, missing_share=0.5)
        select(load(SelectConfig, path, [f"ray={ADDRESS}"]))
        first = (tmp_path / "run/samples.jsonl").read_bytes()
        assert '"sent": "thing 0", "why": ' in (tmp_path / "run/left_out.jsonl").read_text()
        before = scored(tmp_path)
        count = sum(map(asked, urls))
        select(load(SelectConfig, path))
        assert len(before) == 600 and scored(tmp_path) == before and sum(map(asked, urls)) == count
    assert (tmp_path / "run/samples.jsonl").read_bytes() == first
