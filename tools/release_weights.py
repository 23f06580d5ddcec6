"""Turn a trained model folder into the embedded model: half precision, with its domain and model card kept beside.

    tools/env.sh python tools/release_weights.py --model runs/egm_tiny/sft/final --scenes runs/scenes \\
        --out egm_core/weights/egm_tiny
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from egm_core.domain import Domain
from egm_core.model_folder import load_info, write_info
from egm_core.scenes import store
from egm_core.scenes.vocabulary import VOCABULARY
from egm_core.torchvision_shim import install_schemas

PICTURES = 1500


def main() -> None:
    """Read the command line and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="trained model folder")
    parser.add_argument("--scenes", type=Path, required=True, help="shards of the scenes that it was trained on")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args()
    install_schemas()
    from transformers import AutoModelForImageTextToText, AutoProcessor

    info = load_info(options.model)
    model = AutoModelForImageTextToText.from_pretrained(options.model, dtype=torch.float16)
    options.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(options.out)
    AutoProcessor.from_pretrained(options.model).save_pretrained(options.out)
    shards = store.shards(options.scenes)
    share = -(-PICTURES // len(shards))
    pictures = (scene.image for shard in shards for scene in islice(store.read(shard), share))
    Domain.fit(VOCABULARY, pictures).save(options.out / "domain.json")
    write_info(options.out, replace(info, domain="domain.json", path=None))
    total = sum(file.stat().st_size for file in options.out.iterdir())
    print(f"{options.out}: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
