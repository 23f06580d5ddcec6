"""Gives a point to grasp: the middle of what is seen of an object, measured in depth, inside its box in space.

    ros2 launch egm_ros grounding.launch.py lift:=true ...          # publishes lifting/visible and lifting/amodal
    python examples/lift_and_grasp.py --ros-args -r depth:=/camera/depth/image -r camera_info:=/camera/depth/camera_info

It publishes `grasp_point` (geometry_msgs/PointStamped), in the boxes' frame, at the image's stamp. The point lies on
the object's surface. What the gripper does with it (width, approach, collisions) is the robot's own affair.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Point, PointStamped
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection3D, Detection3DArray

from egm_core.lifting.camera import Camera, LiftError, camera_of
from egm_ros.common.pictures.images import ImageError, decode_depth

# An answer is about an image that is some seconds old, so its depth has to wait for it.
DEPTHS = 150


class Grasper(Node):
    """Keeps depth until its boxes come."""

    def __init__(self) -> None:
        super().__init__("grasper")
        self.depths: deque[Image] = deque(maxlen=DEPTHS)
        self.info: CameraInfo | None = None
        self.publisher = self.create_publisher(PointStamped, "grasp_point", 5)
        self.create_subscription(Image, "depth", self.on_depth, qos_profile_sensor_data)
        self.create_subscription(CameraInfo, "camera_info", self.on_info, qos_profile_sensor_data)
        self.create_subscription(Detection3DArray, "lifting/visible", self.on_boxes, 5)

    def on_depth(self, image: Image) -> None:
        """Keep an image until its answer comes; the oldest one makes way."""
        self.depths.append(image)

    def on_info(self, info: CameraInfo) -> None:
        """Note the camera."""
        self.info = info

    def on_boxes(self, boxes: Detection3DArray) -> None:
        """Find the point of each box, in the depth image of the very same stamp."""
        depth = next((image for image in self.depths if image.header.stamp == boxes.header.stamp), None)
        if depth is None or self.info is None:
            self.get_logger().warning("no depth or camera_info of the boxes' stamp: remap them, or raise DEPTHS")
            return
        if depth.header.frame_id != boxes.header.frame_id:
            self.get_logger().warning("the boxes are in another frame than depth: leave lifting's target_frame empty")
            return
        try:
            points = surface(decode_depth(depth), camera_of(self.info))
        except (ImageError, LiftError) as error:
            self.get_logger().warning(str(error))
            return
        for box in boxes.detections:
            place = grasp_point(points, box)
            if place is None:
                self.get_logger().warning(f"{box.id}: no depth was measured inside its box")
                continue
            self.publisher.publish(PointStamped(header=boxes.header, point=Point(x=place[0], y=place[1], z=place[2])))
            label = box.results[0].hypothesis.class_id if box.results else box.id
            print(f"{label!r}: grasp at ({place[0]:.3f}, {place[1]:.3f}, {place[2]:.3f}) m", flush=True)


def surface(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float64]:
    """Give the measured points in space (N, 3), x right, y down, z forward."""
    rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
    away = depth[rows, columns].astype(np.float64)
    return np.column_stack([camera.rays(np.column_stack([columns, rows])) * away[:, None], away])


def grasp_point(points: NDArray[np.float64], box: Detection3D) -> tuple[float, float, float] | None:
    """Give the measured point that is nearest to the middle of those inside a box; None where there are none."""
    center, size = box.bbox.center.position, box.bbox.size
    # Lifted boxes stand along the camera's axes. A tenth more, for a thin surface lies on the box's own faces.
    reach = 0.55 * np.array([size.x, size.y, size.z]) + 0.002
    inside = points[(np.abs(points - (center.x, center.y, center.z)) <= reach).all(axis=1)]
    if not len(inside):
        return None
    x, y, z = inside[np.argmin(np.linalg.norm(inside - np.median(inside, axis=0), axis=1))].tolist()
    return x, y, z


def main(arguments: Any = None) -> None:
    """Listen until told to stop."""
    rclpy.init(args=arguments)
    node = Grasper()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
