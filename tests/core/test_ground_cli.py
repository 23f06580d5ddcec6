"""`python -m egm_core.ground`, with both families, in process and against the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from checkpoints import ABSENT, FOUND
from numpy.typing import NDArray

from egm_core.ground import main
from egm_core.models.folder import load_info, write_info
from egm_core.pictures.pixels import read_image


@pytest.fixture
def picture(tmp_path: Path, noise: NDArray[np.uint8]) -> str:
    file = tmp_path / "picture.png"
    cv2.imwrite(str(file), noise)
    return str(file)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main([*arguments, "--threads", "1"])
    out = capsys.readouterr().out
    return status, json.loads(out) if out else {}


@pytest.mark.parametrize("name", ["qwen", "internvl"])
def test_prints_json_and_draws(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], picture: str, tmp_path: Path, name: str
) -> None:
    folder = request.getfixturevalue(f"memorising_{name}")
    drawn = tmp_path / "drawn.png"
    status, found = run(capsys, picture, FOUND, "--model", str(folder), "--draw", str(drawn))
    assert status == 0
    assert (found["outcome"], found["model"], found["width"], found["height"]) == ("found", folder.name, 128, 96)
    assert found["visible"] == pytest.approx([25.6, 28.8, 51.2, 57.6])
    assert found["amodal"] == pytest.approx([19.2, 28.8, 51.2, 57.6])
    assert found["score_available"] is True
    before, after = read_image(Path(picture)), read_image(drawn)
    assert after.shape == before.shape
    assert 0 < (before != after).any(axis=2).mean() < 0.7


def test_every_match_is_found_listed_and_drawn(
    capsys: pytest.CaptureFixture[str], picture: str, tmp_path: Path, listing_qwen: Path
) -> None:
    folder, drawn = str(listing_qwen), tmp_path / "drawn.png"
    # The words that ask for every match are the prompt's own, and not sent again.
    status, found = run(capsys, picture, f"every {FOUND}", "--model", folder, "--draw", str(drawn))
    assert (status, found["outcome"], found["left_out"], len(found["objects"])) == (0, "found", 0, 2)
    visible, amodal = ([each[task] for each in found["objects"]] for task in ("visible", "amodal"))
    assert [box[0] for box in visible] == pytest.approx([25.6, 64.0])
    assert [box[2] - box[0] for box in amodal] == pytest.approx([32.0, 38.4])
    assert all(0.5 < each["score"] <= 1 and 0.5 < each["amodal_score"] <= 1 for each in found["objects"])
    shown = (read_image(Path(picture)) != read_image(drawn)).any(axis=2)
    assert shown[:, 20:58].any() and shown[:, 62:100].any()
    assert run(capsys, picture, f"every {ABSENT}", "--model", folder)[1]["outcome"] == "absent"
    # The grammar for several leaves room for as many entries where thinking is forbidden, too.
    direct = run(capsys, picture, FOUND, "--model", folder, "--max-objects", "all", "--no-reasoning")[1]
    assert (len(direct["objects"]), direct["reasoning"], direct["calibrated"]) == (2, "", [])


@pytest.mark.parametrize("name", ["qwen", "internvl"])
def test_asks_a_server(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], picture: str, name: str
) -> None:
    folder, url = request.getfixturevalue(f"memorising_{name}"), request.getfixturevalue(f"served_{name}")
    wait_for(url)
    status, found = run(capsys, picture, ABSENT, "--engine-url", url, "--model", str(folder))
    assert (status, found["outcome"]) == (0, "absent")
    family = load_info(folder).family
    status, found = run(capsys, picture, FOUND, "--engine-url", url, "--family", family)
    assert (status, found["outcome"], found["amodal"]) == (0, "found", None)
    status, found = run(capsys, picture, FOUND, "--engine-url", url, "--family", family, "--force-amodal")
    assert found["amodal"] == pytest.approx([19.2, 28.8, 51.2, 57.6])
    assert "amodal_forced" in found["warnings"][0]


def wait_for(url: str) -> None:
    from egm_core.engines.openai import OpenAIEngine

    with OpenAIEngine(url) as engine:
        engine.wait_ready(120)


def test_without_reasoning(capsys: pytest.CaptureFixture[str], picture: str, memorising_qwen: Path) -> None:
    status, found = run(capsys, picture, FOUND, "--model", str(memorising_qwen), "--no-reasoning", "--visible-only")
    assert (status, found["outcome"], found["reasoning"], found["raw_amodal"]) == (0, "found", "", None)


def test_a_model_that_talks_nonsense_is_an_error(
    capsys: pytest.CaptureFixture[str], picture: str, random_qwen: Path
) -> None:
    status, found = run(capsys, picture, FOUND, "--model", str(random_qwen), "--constrain", "off")
    assert (status, found["outcome"], found["visible"]) == (1, "error", None)
    assert found["reason"]


def test_an_undeclared_model_gives_no_amodal_box_unless_forced(
    capsys: pytest.CaptureFixture[str], picture: str, memorising_qwen: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "visible_only"
    folder.mkdir()
    for file in memorising_qwen.iterdir():
        if file.name != "egm.json":
            (folder / file.name).symlink_to(file)
    write_info(folder, load_info(memorising_qwen, tasks=("visible",)))
    status, found = run(capsys, picture, FOUND, "--model", str(folder))
    assert (status, found["amodal"], found["warnings"]) == (0, None, [])
    status, found = run(capsys, picture, FOUND, "--model", str(folder), "--force-amodal")
    assert found["amodal"] is not None
    assert "visible_only" not in found["model"]
    assert "amodal_forced" in found["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.png", FOUND), "nowhere.png is not there"),
        (("{picture}", FOUND, "--model", "/nowhere/model"), "/nowhere/model"),
        (("{picture}", "  ", "--model", "{model}"), "instruction is empty"),
        (("{picture}", FOUND, "--engine-url", "http://127.0.0.1:9"), "--family"),
        (("{picture}", FOUND, "--engine-url", "nonsense", "--family", "qwen3_vl"), "http://host:port"),
        (("{broken}", FOUND), "not a picture"),
        (("{picture}", FOUND, "--model", "{model}", "--draw", "/nowhere/x.png"), "no folder /nowhere"),
        (("{picture}", FOUND, "--model", "{model}", "--draw", "x.txt"), "ends in .png or .jpg"),
        (("{picture}", FOUND, "--model", "{model}", "--draw", "x"), "ends in .png or .jpg"),
        (("{picture}", FOUND, "--model", "{model}", "--draw", "x.exr"), "ends in .png or .jpg"),
    ],
)
def test_a_call_that_cannot_be_served_says_why(
    capsys: pytest.CaptureFixture[str],
    picture: str,
    memorising_qwen: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture at all")
    names = {"picture": picture, "model": str(memorising_qwen), "broken": str(broken)}
    try:
        status = main([argument.format(**names) for argument in arguments])
    except SystemExit as end:  # argparse's own way
        status = end.code
    assert status == 2
    assert words in capsys.readouterr().err


@pytest.fixture
def photograph(photographs: Path) -> str:
    return str(sorted(photographs.glob("driving/images/*.jpg"))[0])


def test_on_a_photograph_the_embedded_model_doubts_itself(capsys: pytest.CaptureFixture[str], photograph: str) -> None:
    status, said = run(capsys, photograph, "the giraffe")
    assert (status, said["calibrated"], said["score"]) == (0, [], said["raw_score"])
    doubts = " ".join(said["warnings"])
    assert all(doubt in doubts for doubt in ("unknown_words: giraffe", "image_unlike_training"))
    assert said["outcome"] == "absent" or "label_differs" in doubts or "giraffe" in said["raw_visible"]
    status, said = run(capsys, photograph, "the giraffe", "--out-of-domain", "absent")
    assert (status, said["outcome"], said["reason"], said["visible"]) == (0, "absent", "out_of_domain", None)


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-VL-7B-Instruct", "OpenGVLab/InternVL3-8B"])
def test_a_server_with_a_model_of_another_family_is_refused(
    capsys: pytest.CaptureFixture[str], memorising_qwen: Path, picture: str, name: str
) -> None:
    url = ("--engine-url", "http://127.0.0.1:9", "--engine-model", name)
    assert main([picture, FOUND, *url, "--model", str(memorising_qwen)]) == 2
    assert name in capsys.readouterr().err


def test_the_family_comes_from_the_served_name_or_is_asked_for(
    capsys: pytest.CaptureFixture[str], picture: str
) -> None:
    url = ("--engine-url", "http://127.0.0.1:9", "--timeout", "5")
    status, said = run(capsys, picture, FOUND, *url, "--engine-model", "nvidia/EGM-8B")
    assert (status, said["model"], said["outcome"]) == (1, "nvidia/EGM-8B", "error")
    assert main([picture, FOUND, *url, "--engine-model", "mine"]) == 2
    assert "set it to qwen3_vl, qwen3_5, internvl3_5 or internvl3" in capsys.readouterr().err


def test_runs_as_a_module_without_torch_when_a_server_answers(
    served_qwen: str, memorising_qwen: Path, picture: str, tmp_path: Path
) -> None:
    wait_for(served_qwen)
    (tmp_path / "torch.py").write_text("raise ImportError('torch must not be needed here')")
    (tmp_path / "transformers.py").write_text("raise ImportError('transformers must not be needed here')")
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{root}"}
    command = [sys.executable, "-m", "egm_core.ground", picture, FOUND, "--engine-url", served_qwen]
    done = subprocess.run(
        [*command, "--model", str(memorising_qwen)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "found"
