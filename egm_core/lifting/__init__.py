"""Lifts boxes to 3D: visible and amodal boxes, a depth image and the camera's numbers give boxes in metres.

camera = camera_of(camera_info)
lifted = lift(visible, amodal, depth, camera)
lifted.visible, lifted.amodal, lifted.range, lifted.reason
"""

from egm_core.lifting.box3d import Box3D, corners, moved
from egm_core.lifting.camera import Camera, LiftError, camera_of
from egm_core.lifting.depth_memory import DepthMemory, SmallDepth, small_depth
from egm_core.lifting.lift import Lifted, lift
from egm_core.lifting.matching import Match, Matching, Missing
from egm_core.lifting.surface import Surface, surface

__all__ = [
    "Box3D", "Camera", "DepthMemory", "LiftError", "Lifted", "Match", "Matching", "Missing", "SmallDepth", "Surface",
    "camera_of", "corners", "lift", "moved", "small_depth", "surface",
]  # fmt: skip
