"""vLLM reads a picture once: the amodal question and the thought after the first box find it in its prefix cache."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from server import IN_ITS_ENVIRONMENT, MARKS, PYTHON, serving

from egm_core.engines.openai import OpenAIEngine
from egm_core.grounder import Grounder
from egm_core.models.folder import EMBEDDED, load_info, resolve
from egm_core.scenes import Generator
from egm_core.servers.faster import FASTER
from egm_core.servers.known import SERVERS
from egm_core.servers.named import Order

pytestmark = MARKS
BLOCK = 32
FAR = 600.0


def counted(url: str) -> dict[str, float]:
    """Read how many tokens of prompts vLLM was asked about, and how many of them its cache had."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(r"^vllm:(prefix_cache_queries|prefix_cache_hits)_total\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_a_picture_is_read_once(tmp_path: Path) -> None:
    folder = resolve(EMBEDDED)
    info = load_info(folder)
    generator = Generator()
    images = [np.asarray(generator.scene(510_300_000 + n).image, np.uint8) for n in range(3)]
    generator.close()
    shares = {}
    with serving(folder, tmp_path, "--block-size", str(BLOCK), "--enable-prefix-caching") as engine:
        assert isinstance(engine, OpenAIEngine)
        url = engine.url
        visible, both = (Grounder(engine, info, tasks=tasks) for tasks in (("visible",), ("visible", "amodal")))
        visible.ground(cv2.flip(images[0], 1), "the red mug")
        ways = {
            "visible": lambda image: visible.ground(image, "the largest thing"),
            "both": lambda image: both.ground(image, "the largest thing"),
            "deadline": lambda image: visible.ground(image, "the second thing from the left", deadline=FAR),
        }
        for image, (way, ask) in zip(images, ways.items(), strict=True):
            before = counted(url)
            found = ask(image)
            after = counted(url)
            new = {name: after[name] - before[name] for name in after}
            shares[way] = new["prefix_cache_hits"] / new["prefix_cache_queries"]
            print(f"{way}: {new}, thought {found.thought!r}")
    # Of a picture that is new nothing is there; of two questions about it the second one's blocks are.
    assert shares["visible"] < 0.2
    assert shares["both"] == pytest.approx(0.45, abs=0.1)
    assert shares["deadline"] == pytest.approx(0.45, abs=0.1)


def test_its_own_parser_takes_our_settings_for_speed() -> None:
    settings = [each for each in FASTER if each.engine == "vllm"]
    asked = [each.command(SERVERS["vllm"], Order("MODEL", 8000, "NAME"))[2:] for each in settings]
    program = (
        "import json, sys; from vllm.entrypoints.launchers.cli_args import make_arg_parser\n"
        "from vllm.utils.argparse_utils import FlexibleArgumentParser\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    found = make_arg_parser(FlexibleArgumentParser()).parse_args(words)\n"
        "    print('TOLD', json.dumps([found.speculative_config, found.quantization]))"
    )
    words = [PYTHON, "-c", program, json.dumps(asked)]
    ended = subprocess.run(words, env={**os.environ, **IN_ITS_ENVIRONMENT}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = [json.loads(line[5:]) for line in ended.stdout.splitlines() if line.startswith("TOLD")]
    assert len(told) == len(settings)
    for each, (speculative, quantisation) in zip(settings, told, strict=True):
        wanted = json.loads(each.words[1]) if "--speculative-config" in each.words else None
        assert (speculative, quantisation) == (wanted, "fp8" if each.name == "fp8" else None)
