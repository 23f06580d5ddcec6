"""ROS 2 nodes around egm_core: grounding, camera, overlay."""

import os

# OpenCV reads this when it is imported: a few bytes that claim to be a gigapixel picture must not take a node down.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**26))
