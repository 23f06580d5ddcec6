"""The service ~/ground_once: one question about every camera's newest image, beside the stream."""

from __future__ import annotations

from rclpy.callback_groups import CallbackGroup
from rclpy.task import Future
from std_srvs.srv import Trigger

from egm_core.targets.board import Place
from egm_ros.common.mail import Mail
from egm_ros.common.nodes.base import BaseNode
from egm_ros.grounding.once import one_shot
from egm_ros.grounding.once.beside import Beside
from egm_ros.grounding.present import Present
from egm_ros.interface import grounding as interface


class GroundOnce:
    """Answers the service; `mail` brings answers to the executor's thread."""

    def __init__(self, node: BaseNode, present: Present, mail: Mail, beside: Beside, services: CallbackGroup) -> None:
        self._present, self._mail, self._beside = present, mail, beside
        node.create_service(Trigger, interface.GROUND_ONCE.name, self._on_call, callback_group=services)

    async def _on_call(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Ask once about every camera's newest image; the executor does everything else while the engine works."""
        way = self._present.asking.way
        crowded = way is not None and way.crowded
        answers = [self._begun(place, crowded) for place in self._present.orders.once]
        response.success, response.message = one_shot.written([await answer for answer in answers])
        return response

    def _begun(self, place: Place, crowded: bool) -> Future:
        """Begin to ask about a camera's newest image; gives the entry to come."""
        present, settings = self._present, self._present.settings
        camera, way = present.cameras.get(place.camera), present.asking.way
        obstacle = self._beside.obstacle(place.target.instruction, place.camera, crowded)
        if obstacle is None and way is not None and camera is not None and camera.newest is not None:
            return one_shot.ask(place, camera.topic, way, camera.newest, present.age, self._mail.post, settings)
        answer, topic = Future(), present.topic(place.camera)
        obstacle = obstacle or one_shot.failure("internal_error", "the node is active, and asks nothing")
        answer.set_result(one_shot.entry(place.camera, topic, settings.model, place.target, obstacle))
        return answer
