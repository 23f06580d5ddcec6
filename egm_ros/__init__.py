"""ROS 2 nodes around egm_core: grounding, camera, overlay."""

import os
import sys

from egm_ros.common import (
    early,
    parent,  # noqa: F401  parent notes whose child this process is
)

# Python's word for the program while it looks for the module of `python -m`: one of this package is about to run.
if sys.argv[:1] == ["-m"]:
    early.end_quietly()

# OpenCV reads this when it is imported: a few bytes that claim to be a gigapixel picture must not take a node down.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**26))
