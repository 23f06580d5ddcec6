"""Builds the lifting node's messages from what the core lifted; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.duration import Duration
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import Detection3D, ObjectHypothesis, ObjectHypothesisWithPose
from visualization_msgs.msg import Marker, MarkerArray

from egm_core.lifting import Box3D, corners
from egm_core.lifting.box3d import matrix
from egm_core.pictures.draw import AMODAL, VISIBLE

# Corners of which one number in three differs share an edge.
EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b).bit_count() == 1]
TRANSLUCENT = 0.25


@dataclass(frozen=True)
class Shown:
    """One lifted object for the markers: its name, its range in metres, its boxes."""

    label: str
    range: float
    visible: Box3D
    amodal: Box3D | None


def detection3d(header: Header, flat: Any, box: Box3D) -> Detection3D:
    """Make the 3D detection of a 2D one: same id, class_id and score."""
    message = Detection3D(header=header, id=flat.id)
    message.bbox.center = pose(box)
    message.bbox.size = Vector3(x=box.size[0], y=box.size[1], z=box.size[2])
    axis = matrix(box.rotation)[:, 2]
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = box.doubt**2 * np.outer(axis, axis)
    for given in flat.results:
        hypothesis = ObjectHypothesis(class_id=given.hypothesis.class_id, score=given.hypothesis.score)
        result = ObjectHypothesisWithPose(hypothesis=hypothesis)
        result.pose.pose = pose(box)
        result.pose.covariance = covariance.ravel()
        message.results.append(result)
    return message


def pose(box: Box3D) -> Pose:
    """Make a box's pose."""
    x, y, z = box.center
    turn_x, turn_y, turn_z, turn_w = box.rotation
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=turn_x, y=turn_y, z=turn_z, w=turn_w))


def markers(header: Header, objects: Iterable[Shown], seconds: float) -> MarkerArray:
    """Make markers that replace all earlier ones: edges of visible boxes, translucent amodal ones, a label each."""
    message = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    lifetime = Duration(seconds=seconds).to_msg()

    def add(name: str, number: int, kind: int, tint: Sequence[int], alpha: float = 1.0, **fields: Any) -> None:
        red, green, blue = (value / 255 for value in tint)
        color = ColorRGBA(r=red, g=green, b=blue, a=alpha)
        entry = Marker(header=header, ns=name, id=number, type=kind, color=color, lifetime=lifetime, **fields)
        message.markers.append(entry)

    for number, entry in enumerate(objects):
        points = [Point(x=x, y=y, z=z) for x, y, z in corners(entry.visible).tolist()]
        thin = Vector3(x=max(0.002, 0.004 * entry.range))
        upright = Pose(orientation=Quaternion(w=1.0))
        ends = [points[end] for edge in EDGES for end in edge]
        add("visible", number, Marker.LINE_LIST, VISIBLE, points=ends, scale=thin, pose=upright)
        text = f"{entry.label} {entry.range:.2f} m"
        if entry.amodal is not None:
            size = Vector3(x=entry.amodal.size[0], y=entry.amodal.size[1], z=entry.amodal.size[2])
            add("amodal", number, Marker.CUBE, AMODAL, TRANSLUCENT, scale=size, pose=pose(entry.amodal))
            text += "\nwhole: estimated"
        high = Vector3(z=max(0.02, 0.02 * entry.range))
        add("label", number, Marker.TEXT_VIEW_FACING, (255, 255, 255), scale=high, pose=pose(entry.visible), text=text)
    return message
