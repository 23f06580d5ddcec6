"""Judges what a query's result is worth at the moment of publishing it, and says so everywhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from std_msgs.msg import Float32

from egm_ros.common import messages
from egm_ros.common.nodes.base import BaseNode
from egm_ros.grounding.asking.outcomes import Result, judge
from egm_ros.grounding.present import Present
from egm_ros.grounding.telling import reports
from egm_ros.grounding.telling.status import Status
from egm_ros.grounding.telling.story import Story
from egm_ros.grounding.telling.tally import Answers
from egm_ros.interface import grounding as interface
from egm_ros.interface.topic import Topic

LATENCIES = (interface.QUEUE_MS, interface.INFERENCE_MS, interface.TOTAL_MS)


class Judging:
    """Publishes the boxes, the times and the state of each answer; the executor's thread alone calls it."""

    def __init__(self, node: BaseNode, present: Present, status: Status, story: Story) -> None:
        self._node, self._present, self._status, self._story = node, present, status, story
        self._latency: Mapping[Topic, Any] = {}

    def begin(self, latency: Mapping[Topic, Any]) -> None:
        """Count anew, and publish the times with these."""
        self._latency = latency
        self._present.answers = Answers()

    def end(self) -> list[Any]:
        """Give the publishers back."""
        ended, self._latency = list(self._latency.values()), {}
        return ended

    def conclude(self, result: Result) -> None:
        """Publish what a query's result is worth now; the orders cannot change between judging and publishing."""
        present = self._present
        now, place, header = time.monotonic(), result.place, result.frame.message.header
        name, target = place
        if name in present.cameras and present.cameras[name].lap != result.frame.lap:
            result = replace(result, reason="time_went_back")
        age = present.age(result.frame)
        verdict = judge(result, present.orders.void_of(place), now - result.started, age, present.settings)
        grounding = verdict.grounding
        total_ms = 1000.0 * (now - result.frame.arrived)
        if verdict.outcome in ("found", "absent") and grounding is not None:
            present.cameras[name].publish(messages.detections(header, target.sequence, target.instruction, grounding))
            times = (result.queue_ms, grounding.engine_ms, total_ms)
            for part, value in zip(LATENCIES, times, strict=True):
                self._latency[part].publish(Float32(data=value))
        present.states = reports.concluded(present.states, result, verdict, now)
        repairs, thought = (grounding.repairs, grounding.thought) if grounding else ((), "")
        present.answers.concluded(
            now, verdict.kind, verdict.message, repairs, verdict.doubtful, thought, verdict.missed
        )
        line, seconds = present.orders.line_of(place), total_ms / 1000.0
        self._story.concluded(now, present.topic(name), result, verdict, seconds, age, line)
        values = reports.answer_values(result, verdict, total_ms, age)
        boxes = self._node.resolve_topic_name(interface.VISIBLE.of(name))
        values |= reports.target_values(result, verdict, present.orders.known, present.states, boxes)
        self._status.report(reports.answer_level(verdict), verdict.message, values, name)
