"""Makes training samples of COCO-Amodal, with expressions and reasoning that you bring.

    python examples/coco_amodal.py COCO_amodal_train2014.json train2014 texts.json data/amodal/train.jsonl

`texts.json` maps "ANNOTATION REGION", such as "17 0", to the expression and the reasoning of that region.
"""

import json
import sys
from pathlib import Path

from egm_core.boxes import clip
from egm_core.sample import Sample, write_samples


def coco_amodal(annotations, images, texts):
    """Give samples of COCO-Amodal; `texts` maps (annotation id, region's index) to (expression, reasoning)."""
    content = json.loads(Path(annotations).read_text())
    about = {image["id"]: image for image in content["images"]}
    for annotation in content["annotations"]:
        image = about[annotation["image_id"]]
        for index, region in enumerate(annotation["regions"]):
            if region.get("isStuff") or (annotation["id"], index) not in texts:
                continue
            sent, reasoning = texts[annotation["id"], index]
            x, y = region["segmentation"][0::2], region["segmentation"][1::2]
            box = clip((min(x), min(y), max(x), max(y)), image["width"], image["height"])
            # The record stands for the amodal query alone, so its visible box is not asked for.
            yield Sample(f"{images}/{image['file_name']}", sent, box, box, None, image["height"], image["width"],
                         amodal_reasoning=reasoning, source="coco_amodal", task="amodal")  # fmt: skip


if __name__ == "__main__":
    annotations, images, texts, out = sys.argv[1:]
    known = {tuple(map(int, key.split())): tuple(value) for key, value in json.loads(Path(texts).read_text()).items()}
    write_samples(Path(out), coco_amodal(annotations, images, known))
