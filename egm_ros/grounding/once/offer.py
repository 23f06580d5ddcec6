"""Offers all that is asked once: ~/ground_once everywhere, the action and its service where egm_msgs is built."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import CallbackGroup

from egm_ros.common.mail import Mail
from egm_ros.common.nodes.base import BaseNode
from egm_ros.grounding.cameras import Camera
from egm_ros.grounding.once.beside import Beside
from egm_ros.grounding.once.ground_once import GroundOnce
from egm_ros.grounding.present import Present
from egm_ros.grounding.telling import diagnostics

REMEDY = (
    "~/ground and ~/ground_image are not offered, for egm_msgs is missing ({}): colcon build --base-paths ."
    " src/egm_ros/interfaces --packages-select egm_msgs in the workspace (in a checkout: make setup), source it, and"
    " start the node again"
)


def offer(
    node: BaseNode,
    present: Present,
    mail: Mail,
    view: Callable[[Camera], diagnostics.InputView],
    services: CallbackGroup,
) -> None:
    """Offer it, and say what is not offered and how to get it; `view` tells how a camera's images come."""
    beside = Beside(node, present, mail, view)
    GroundOnce(node, present, mail, beside, services)
    try:
        from egm_ros.grounding.once.ground_action import GroundAction
        from egm_ros.grounding.once.ground_image import ImageService
    except ImportError as error:
        if not (error.name or "").startswith("egm_msgs"):
            raise
        node.notices.once("egm_msgs", REMEDY.format(error), "info")
        return
    GroundAction(node, beside, services)
    ImageService(node, beside, services)
