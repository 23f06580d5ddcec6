"""Every family that `--family` lists, through `egm evaluate refer` and a server that answers as that vendor does."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from vendor_server import VENDORS, Vendor, relative, serving, tagged

from egm_core.command.evaluate import main
from egm_core.families.vendors import names
from egm_core.sample import Sample, write_samples

OURS = {
    **dict.fromkeys(("qwen3_vl", "qwen3_5"), Vendor("served-qwen", relative)),
    **dict.fromkeys(("internvl3", "internvl3_5"), Vendor("served-internvl", tagged)),
}
CHOSEN = {"auto": VENDORS["gemini"], "gpt": VENDORS["gpt_5_2"]}
SERVERS = {**VENDORS, **OURS, **CHOSEN}


@pytest.mark.parametrize("name", names())
def test_each_is_asked_scored_and_written(tmp_path, name, capsys):
    image = np.full((300, 400, 3), 200, np.uint8)
    image[40:160, 60:260] = (20, 20, 220)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    box = (60.0, 40.0, 260.0, 160.0)
    write_samples(tmp_path / "s.jsonl", [Sample(str(tmp_path / "a.png"), "the red one", box, box, 1.0, 300, 400)])
    vendor = replace(SERVERS[name], bodies=[], sizes=[])
    with serving(vendor) as server:
        words = ["--engine-url", server.url, "--engine-model", vendor.model, "--family", name]
        status = main(["refer", str(tmp_path / "s.jsonl"), *words, "--json", str(tmp_path / "out.json")])
    assert status == 0, capsys.readouterr().err
    data = json.loads((tmp_path / "out.json").read_text())
    assert [row["outcome"] for row in data["rows"]] == ["found"], data["rows"]
    assert data["rows"][0]["iou"] > 0.95
    assert "{sent}" in data["prompt"]
