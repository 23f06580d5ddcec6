"""Says when large images will not get through: Fast DDS needs more shared memory for them than it takes by itself.

Measured at 60 Hz, 1080p, best effort: 6 images a second arrived by default, 50 with config/fastdds_shm.xml.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

# What one segment holds by default; an image above it travels through the network stack in fragments.
DEFAULT_SEGMENT = 512 * 1024
VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")

# Shared memory of Zenoh, by the keys of its configuration.
ZENOH = "transport/shared_memory/enabled=true"


def profile_for(middleware: str, folder: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that get large images through a middleware, with the files of a folder; none if unknown.

    What the environment says of its own already is kept. Only that of Fast DDS was measured.
    """
    if middleware == "rmw_cyclonedds_cpp":
        own = environment.get("CYCLONEDDS_URI", "")
        return {"CYCLONEDDS_URI": ",".join(filter(None, (own, f"file://{folder}/cyclonedds_large.xml")))}
    if middleware == "rmw_zenoh_cpp":
        own = environment.get("ZENOH_CONFIG_OVERRIDE", "")
        size = environment.get("ZENOH_SHM_ALLOC_SIZE", str(2**26))
        return {"ZENOH_CONFIG_OVERRIDE": ";".join(filter(None, (own, ZENOH))), "ZENOH_SHM_ALLOC_SIZE": size}
    if middleware in ("", "rmw_fastrtps_cpp", "rmw_fastrtps_dynamic_cpp"):
        return dict.fromkeys(VARIABLES, f"{folder}/fastdds_shm.xml")
    return {}


def advice(image_bytes: int) -> str:
    """Say what to do so that images of this size get through; empty where nothing needs to be done."""
    if image_bytes <= DEFAULT_SEGMENT or not _fast_dds():
        return ""
    segment = active_segment()
    if segment >= 2 * image_bytes:
        return ""
    return (
        f"images of {image_bytes / 1e6:.1f} MB get lost in Fast DDS's {segment / 1e6:.1f} MB of shared memory: set "
        f"{VARIABLES[1]} to {profile_path()} for every process that sends or receives them"
    )


def active_segment() -> int:
    """Give the size in bytes of the shared-memory segment that Fast DDS is told to use in this process."""
    if os.environ.get("FASTDDS_BUILTIN_TRANSPORTS", "").startswith("LARGE_DATA"):
        return 2**31
    for variable in VARIABLES:
        path = Path(os.environ.get(variable, ""))
        if path.is_file():
            sizes = re.findall(r"<segment_size>\s*([0-9]+)\s*</segment_size>", path.read_text(errors="replace"))
            if sizes:
                return max(map(int, sizes))
    return DEFAULT_SEGMENT


def profile_path() -> str:
    """Name the profile file that comes with this package."""
    checkout = Path(__file__).resolve().parents[3] / "config" / "fastdds_shm.xml"
    if checkout.is_file():
        return str(checkout)
    return "share/egm_ros/config/fastdds_shm.xml of the installation"


def _fast_dds() -> bool:
    from rclpy.utilities import get_rmw_implementation_identifier

    return bool(get_rmw_implementation_identifier().startswith("rmw_fastrtps"))
