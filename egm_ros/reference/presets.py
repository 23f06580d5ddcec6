"""The reference page of the drivers that the launch argument `camera` knows."""

from __future__ import annotations

from egm_ros.launching.presets import PRESETS, Preset
from egm_ros.reference.markdown import code, page, section, table

SUMMARY = """\
`ros2 launch egm_ros grounding.launch.py camera:=NAME` takes the topics of a driver. Each entry was read from the
driver's source at the commit that it names. Synthetic streams of these names and types were played to the nodes. No
driver was run. `nuscenes` and `droid` are data sets: their entries say how a recording of them is played. None was.

`image`, `camera_info` and `depth` that are given by hand replace those of the driver. With `cameras`, its names stand
for `{camera}`. Without, the driver's own name does."""


def presets() -> str:
    """Make the page."""
    names = table(
        ("`camera`", "`{camera}` by itself", "Image", "Camera info", "Depth"),
        (
            tuple(map(code, (name, entry.camera, entry.image, entry.camera_info, entry.depth)))
            for name, entry in PRESETS.items()
        ),
    )
    return page(
        "Drivers of cameras",
        SUMMARY,
        section("Topics", names),
        *(section(f"{name}", _driver(entry)) for name, entry in PRESETS.items()),
    )


def _driver(entry: Preset) -> str:
    address = f"https://github.com/{entry.repository}/tree/{entry.commit}"
    facts = {
        "Read from": f"[{entry.repository}]({address}) at {code(entry.commit[:12])}",
        "Start the driver": code(entry.start),
        "Encoding": ", depth ".join(filter(None, (code(entry.encoding), code(entry.depth_encoding)))),
        "Compressed images": code(entry.compressed_image or f"{entry.image}/compressed"),
        "Frame": code(entry.frame),
        "Rate": entry.rate,
        "Quality of service": entry.quality,
        "Stamps of image and depth": entry.stamps,
        "Lifting node": ", ".join(code(f"{name}: {str(value).lower()}") for name, value in entry.parameters.items()),
        "Note": entry.note,
    }
    return table(("Of the driver", "Value"), ((name, text) for name, text in facts.items() if text))
