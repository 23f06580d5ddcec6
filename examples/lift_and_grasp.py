"""Gives a point to grasp: the middle of what is seen of an object, measured in depth, inside its box in space.

    ros2 launch egm_ros grounding.launch.py lift:=true ...          # publishes lifting/visible and lifting/amodal
    python examples/lift_and_grasp.py --ros-args -r depth:=/camera/depth/image -r camera_info:=/camera/depth/camera_info

With --ask "the red mug" it asks once by the action ~/ground, lifts the answer itself, and ends. No lifting node is
needed then.

It publishes `grasp_point` (geometry_msgs/PointStamped), in the boxes' frame, at the image's stamp. The point lies on
the object's surface. What the gripper does with it (width, approach, collisions) is the robot's own affair.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Point, PointStamped
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection3DArray

from egm_core.lifting import lift
from egm_core.lifting.camera import Camera, LiftError, camera_of
from egm_ros.common.pictures.images import ImageError, decode_depth

# An answer is about an image that is some seconds old, so its depth has to wait for it.
DEPTHS = 150
# Seconds that --ask waits for whatever comes next.
PATIENCE = 60.0


class Grasper(Node):
    """Keeps depth until its boxes come."""

    def __init__(self, listening: bool = True) -> None:
        super().__init__("grasper")
        self.depths: deque[Image] = deque(maxlen=DEPTHS)
        self.info: CameraInfo | None = None
        self.publisher = self.create_publisher(PointStamped, "grasp_point", 5)
        self.create_subscription(Image, "depth", self.on_depth, qos_profile_sensor_data)
        self.create_subscription(CameraInfo, "camera_info", self.on_info, qos_profile_sensor_data)
        if listening:
            self.create_subscription(Detection3DArray, "lifting/visible", self.on_boxes, 5)

    def on_depth(self, image: Image) -> None:
        """Keep an image until its answer comes; the oldest one makes way."""
        self.depths.append(image)

    def on_info(self, info: CameraInfo) -> None:
        """Note the camera."""
        self.info = info

    def on_boxes(self, boxes: Detection3DArray) -> None:
        """Find the point of each box of the lifting node, in the depth image of the very same stamp."""
        seen = self.seen(boxes.header)
        if seen is not None:
            points = surface(*seen)
            for box in boxes.detections:
                center, size = box.bbox.center.position, box.bbox.size
                self.give(boxes.header, box, points, (center.x, center.y, center.z), (size.x, size.y, size.z))

    def ask(self, instruction: str) -> bool:
        """Ask the grounding node once, lift the visible boxes of its answer, and tell whether a point was found."""
        from egm_msgs.action import Ground
        from rclpy.action import ActionClient

        client = ActionClient(self, Ground, "grounding/ground")
        self.wait(lambda: self.depths and self.info, "no depth or camera_info comes: remap depth and camera_info")
        self.wait(
            client.server_is_ready, "there is no ~/ground: does the node run, and is egm_msgs built where it does?"
        )
        sent = client.send_goal_async(Ground.Goal(instruction=instruction, client="lift_and_grasp"))
        self.wait(sent.done, "the node does not take the goal")
        ended = sent.result().get_result_async()
        self.wait(ended.done, "no answer came; see grounding/status")
        answer = ended.result().result
        header = answer.visible.header
        if answer.outcome != Ground.Result.FOUND:
            self.get_logger().warning(f"{answer.outcome} {answer.reason}: {answer.detail}")
            return False
        seen = self.seen(header)
        if seen is None:
            return False
        points, found = surface(*seen), False
        for flat in answer.visible.detections:
            middle, half_x, half_y = flat.bbox.center.position, flat.bbox.size_x / 2, flat.bbox.size_y / 2
            edges = (middle.x - half_x, middle.y - half_y, middle.x + half_x, middle.y + half_y)
            try:
                lifted = lift(edges, None, *seen)
            except LiftError as error:
                self.get_logger().warning(str(error))
                return False
            if lifted.visible is None:
                self.get_logger().warning(f"{flat.id}: cannot be lifted, {lifted.reason}")
            else:
                found |= self.give(header, flat, points, lifted.visible.center, lifted.visible.size)
        return found

    def seen(self, header: Any) -> tuple[NDArray[np.float32], Camera] | None:
        """Give depth in metres, and the camera, of the image with this header; None where they are of no use."""
        depth = next((image for image in self.depths if image.header.stamp == header.stamp), None)
        if depth is None or self.info is None:
            self.get_logger().warning("no depth or camera_info of the boxes' stamp: remap them, or raise DEPTHS")
            return None
        if depth.header.frame_id != header.frame_id:
            self.get_logger().warning("the boxes are in another frame than depth: leave lifting's target_frame empty")
            return None
        try:
            return decode_depth(depth), camera_of(self.info)
        except (ImageError, LiftError) as error:
            self.get_logger().warning(str(error))
            return None

    def give(
        self, header: Any, box: Any, points: NDArray[np.float64], center: Sequence[float], size: Sequence[float]
    ) -> bool:
        """Publish and print the point to grasp inside a box, and tell whether there is one."""
        place = grasp_point(points, center, size)
        if place is None:
            self.get_logger().warning(f"{box.id}: no depth was measured inside its box")
            return False
        self.publisher.publish(PointStamped(header=header, point=Point(x=place[0], y=place[1], z=place[2])))
        label = box.results[0].hypothesis.class_id if box.results else box.id
        print(f"{label!r}: grasp at ({place[0]:.3f}, {place[1]:.3f}, {place[2]:.3f}) m", flush=True)
        return True

    def wait(self, condition: Callable[[], Any], otherwise: str) -> None:
        """Spin until a condition holds, or end with what is wrong."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                sys.exit(otherwise)
            rclpy.spin_once(self, timeout_sec=0.1)


def surface(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float64]:
    """Give the measured points in space (N, 3), x right, y down, z forward."""
    rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
    away = depth[rows, columns].astype(np.float64)
    return np.column_stack([camera.rays(np.column_stack([columns, rows])) * away[:, None], away])


def grasp_point(
    points: NDArray[np.float64], center: Sequence[float], size: Sequence[float]
) -> tuple[float, float, float] | None:
    """Give the measured point that is nearest to the middle of those inside a box; None where there are none."""
    # Lifted boxes stand along the camera's axes. A tenth more, for a thin surface lies on the box's own faces.
    reach = 0.55 * np.array(size) + 0.002
    inside = points[(np.abs(points - np.array(center)) <= reach).all(axis=1)]
    if not len(inside):
        return None
    x, y, z = inside[np.argmin(np.linalg.norm(inside - np.median(inside, axis=0), axis=1))].tolist()
    return x, y, z


def main(arguments: list[str] | None = None) -> int:
    """Listen until told to stop, or ask once; 1 where no point was found then."""
    parser = argparse.ArgumentParser(description="Gives a point to grasp.")
    parser.add_argument("--ask", default="", metavar="WORDS", help="ask for this once, and end (default: listen)")
    words = sys.argv if arguments is None else ["lift_and_grasp", *arguments]
    options = parser.parse_args(remove_ros_args(words)[1:])
    rclpy.init(args=words)
    node = Grasper(listening=not options.ask)
    try:
        if options.ask:
            return int(not node.ask(options.ask))
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
