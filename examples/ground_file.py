"""Grounds an instruction in one image file, with the embedded model in this process, without ROS.

For example:

    tools/env.sh python examples/ground_file.py photo.jpg "the red mug"
"""

from __future__ import annotations

import sys
from pathlib import Path

from egm_core.engines.local import TransformersEngine
from egm_core.grounder import Grounder
from egm_core.models.folder import load_info, resolve
from egm_core.pictures.pixels import read_image

if len(sys.argv) != 3:
    sys.exit(__doc__)
image, instruction = read_image(Path(sys.argv[1])), sys.argv[2]
folder = resolve("egm_tiny")
with TransformersEngine(folder) as engine:
    engine.wait_ready()
    grounding = Grounder(engine, load_info(folder)).ground(image, instruction)
print(grounding.outcome, grounding.visible, grounding.amodal)
