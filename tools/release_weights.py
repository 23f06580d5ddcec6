"""Turn a trained model folder into the embedded model: half precision, with its domain and model card kept beside.

    tools/env.sh python tools/release_weights.py --model runs/egm_tiny/sft/final --scenes runs/scenes \\
        --out egm_core/weights/egm_tiny [--average runs/egm_tiny/pretrain_more/final]

`--average` takes the mean of the weights and of an earlier stage's (as in WiSE-FT, Wortsman et al. 2022): what tuning
won stays for the most part, and what it lost comes back.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from egm_core.models.domain import Domain
from egm_core.models.folder import load_info, write_info
from egm_core.scenes import Generator
from egm_core.scenes.files import store
from egm_core.scenes.language.vocabulary import VOCABULARY
from egm_core.scenes.truth import WORLDS
from egm_core.torchvision_shim import install_schemas
from egm_core.train.pretrain.average import averaged

PICTURES = 1500
CAMERA = (640, 480)
# What was measured on the weights before, and does not count for the new ones.
AFTERWARDS = (
    "egm evaluate calibrate, and egm evaluate gate: docs/results/deadline.md has all five commands",
    "tools/env.sh python tools/golden.py --write",
    "the figures and pictures: docs/develop/release.md names the pages",
)


def pictures(folder: Path) -> list[list[NDArray[np.uint8]]]:
    """Gather training pictures of each world, and some as a camera would give them: larger, so sharper."""
    shards = store.shards(folder)
    share = -(-PICTURES // len(shards))
    stored = [scene for shard in shards for scene in islice(store.read(shard), share)]
    generator = Generator(max_size=CAMERA)
    large = [generator.scene(scene.seed, size=CAMERA) for scene in stored[: PICTURES // 5]]
    generator.close()
    return [[scene.image for scene in [*stored, *large] if scene.world == world] for world in WORLDS]


def main() -> None:
    """Read the command line and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="trained model folder")
    parser.add_argument("--scenes", type=Path, required=True, help="shards of the scenes that it was trained on")
    parser.add_argument("--average", type=Path, help="model folder of an earlier stage to take the mean with")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args()
    install_schemas()
    from transformers import AutoProcessor

    info = load_info(options.model)
    model = averaged(options.model, options.average, torch.float16)
    options.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(options.out)
    AutoProcessor.from_pretrained(options.model).save_pretrained(options.out)
    Domain.fit(VOCABULARY, pictures(options.scenes)).save(options.out / "domain.json")
    # It learns from scenes alone, whose labels repeat what was asked.
    write_info(options.out, replace(info, domain="domain.json", path=None, stop_at_box=True))
    total = sum(file.stat().st_size for file in options.out.iterdir())
    print(f"{options.out}: {total / 1e6:.1f} MB")
    for step in AFTERWARDS:
        print(f"then: {step}")


if __name__ == "__main__":
    main()
