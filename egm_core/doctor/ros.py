"""The ROS 2 of this process, as its environment tells it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from egm_core.doctor.facts import Ros

FAST, CYCLONE = "rmw_fastrtps_cpp", "rmw_cyclonedds_cpp"
# rclpy is there, and nothing says of which distribution.
WHEELS = "from wheels"
PROFILES = {
    FAST: ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"),
    CYCLONE: ("CYCLONEDDS_URI",),
}


def look(environment: Mapping[str, str], importable: bool) -> Ros:
    """Read what is set; `importable` says that rclpy is there, sourced or from wheels."""
    distribution = environment.get("ROS_DISTRO", "")
    if not distribution and not importable:
        return Ros(middleware="", domain=environment.get("ROS_DOMAIN_ID", "") or "0")
    middleware = environment.get("RMW_IMPLEMENTATION", "") or FAST
    profile = next((environment[name] for name in PROFILES.get(middleware, ()) if environment.get(name)), "")
    file = profile.removeprefix("file://")
    # Cyclone takes the configuration itself as well as a file.
    inline = file.lstrip().startswith("<")
    return Ros(
        distribution=distribution or WHEELS,
        middleware=middleware if environment.get("RMW_IMPLEMENTATION") else f"{middleware} (default)",
        profile="set in the variable" if inline else file,
        profile_missing=bool(file) and not inline and not Path(file).is_file(),
        domain=environment.get("ROS_DOMAIN_ID", "") or "0",
        discovery=_discovery(environment),
    )


def _discovery(environment: Mapping[str, str]) -> str:
    if environment.get("ROS_LOCALHOST_ONLY") == "1":
        return "localhost"
    return (environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or "subnet").lower()
