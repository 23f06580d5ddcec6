"""The settings that get large images through each middleware."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from egm_ros.common.pictures.shared_memory import VARIABLES, profile_for

CONFIG = Path(__file__).resolve().parents[4] / "config"
MIDDLEWARES = ("", "rmw_fastrtps_cpp", "rmw_cyclonedds_cpp", "rmw_zenoh_cpp")


@pytest.mark.parametrize("middleware", MIDDLEWARES)
def test_every_file_that_is_named_is_there_and_can_be_read(middleware: str) -> None:
    settings = profile_for(middleware, str(CONFIG), {})
    assert settings
    for value in settings.values():
        if value.endswith(".xml"):
            ElementTree.parse(value.removeprefix("file://"))


def test_fast_dds_gets_its_profile_by_both_names() -> None:
    assert {*profile_for("", "/share", {})} == {*VARIABLES}


def test_what_is_set_already_is_kept() -> None:
    assert profile_for("rmw_cyclonedds_cpp", "/share", {"CYCLONEDDS_URI": "<own/>"}) == {
        "CYCLONEDDS_URI": "<own/>,file:///share/cyclonedds_large.xml"
    }
    own = {"ZENOH_CONFIG_OVERRIDE": 'mode="client"', "ZENOH_SHM_ALLOC_SIZE": "1000"}
    assert profile_for("rmw_zenoh_cpp", "/share", own) == {
        "ZENOH_CONFIG_OVERRIDE": 'mode="client";transport/shared_memory/enabled=true',
        "ZENOH_SHM_ALLOC_SIZE": "1000",
    }


def test_a_middleware_that_nobody_wrote_a_profile_for_has_none() -> None:
    assert profile_for("rmw_connextdds", "/share", {}) == {}
