"""Runs the node as a process: python -m egm_ros.camera."""

import sys

from egm_ros.camera.node import main

sys.exit(main())
