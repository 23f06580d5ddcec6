"""The service ~/ground_image: one question about an image that comes with it, beside the stream."""

from __future__ import annotations

from egm_msgs.srv import GroundImage
from rclpy.callback_groups import CallbackGroup
from rclpy.task import Future
from std_msgs.msg import Header

from egm_ros.common.nodes.base import BaseNode
from egm_ros.grounding.once.beside import Answer, Beside
from egm_ros.grounding.once.one_shot import failure
from egm_ros.grounding.once.question import Question
from egm_ros.interface import grounding as interface

NO_IMAGE = "the request has no image; give one, or ask ~/ground, which takes the newest of a camera"


class ImageService:
    """Answers the service."""

    def __init__(self, node: BaseNode, beside: Beside, services: CallbackGroup) -> None:
        self._beside = beside
        node.create_service(GroundImage, interface.GROUND_IMAGE.name, self._on_call, callback_group=services)

    async def _on_call(self, request: GroundImage.Request, response: GroundImage.Response) -> GroundImage.Response:
        question, coming = Question.of(request), Future()
        if question.image is None:
            return Answer(question, failure("bad_image", NO_IMAGE), Header(), 0.0).into(response)
        self._beside.ask(question, coming.set_result)
        return (await coming).into(response)
