"""The camera that took a picture, as a CameraInfo describes it, and the rays through its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

# How many coefficients each of CameraInfo's models may have; OpenCV takes them in this order.
_MODELS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
}


class LiftError(ValueError):
    """Input that nothing can be lifted with; `reason` is one word for why, the message says it in a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True)
class Camera:
    """A camera in pixels of the picture that it sends: size, focal lengths, centre, and its lens's distortion.

    Without `distortion` the picture is one of a pinhole.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = "plumb_bob"
    distortion: tuple[float, ...] = ()

    def rays(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Give x and y at one metre along the optical axis (N, 2) for pixels (N, 2)."""
        points = np.asarray(pixels, np.float64).reshape(-1, 2)
        if not any(self.distortion):
            return np.asarray((points - (self.cx, self.cy)) / (self.fx, self.fy))
        matrix = np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])
        straighten = cv2.fisheye.undistortPoints if self.model == "equidistant" else cv2.undistortPoints
        return np.asarray(straighten(points[:, None], matrix, np.array(self.distortion))[:, 0], np.float64)


def camera_of(info: Any, rectified: bool = True) -> Camera:
    """Read a sensor_msgs/CameraInfo (or anything with its fields) for the picture that goes with it.

    K, P and the region of interest count the full sensor's pixels, and binning comes after the region (REP-104), so
    both shift and shrink the numbers. `rectified` says that the picture's distortion was taken out: then P holds,
    otherwise K and D. Half a pixel, by which conventions of a pixel's middle differ, is left alone.

    Raises LiftError with the reason no_camera (no focal length: the camera isn't calibrated), unknown_distortion, or
    bad_distortion (not the number of coefficients that its model has).
    """
    roi = info.roi
    across, down = max(1, int(info.binning_x)), max(1, int(info.binning_y))
    # No region, or one of no size, is the full sensor.
    whole = not (roi.width and roi.height)
    width, height = (int(info.width), int(info.height)) if whole else (int(roi.width), int(roi.height))
    left, top = (0, 0) if whole else (int(roi.x_offset), int(roi.y_offset))
    k, p = [float(value) for value in info.k], [float(value) for value in info.p]
    fx, fy, cx, cy = (p[0], p[5], p[2], p[6]) if rectified and p[0] > 0 else (k[0], k[4], k[2], k[5])
    numbers = (fx, fy, cx, cy)
    if not (np.isfinite(numbers).all() and fx > 0 and fy > 0 and width >= across and height >= down):
        raise LiftError(
            "no_camera",
            f"camera_info has focal lengths {fx:g} and {fy:g} for {width}x{height} pixels: calibrate the camera, or"
            " let its driver publish what it knows",
        )
    model = str(info.distortion_model) or "plumb_bob"
    distortion = () if rectified else _distortion(model, [float(value) for value in info.d])
    return Camera(
        width // across, height // down,
        fx / across, fy / down, (cx - left) / across, (cy - top) / down, model, distortion,
    )  # fmt: skip


def _distortion(model: str, given: list[float]) -> tuple[float, ...]:
    """Give a lens's coefficients as OpenCV takes them for a model; none where all are zero."""
    if not any(given):
        return ()
    remedy = "give the rectified picture and set rectified"
    if model not in _MODELS:
        raise LiftError("unknown_distortion", f"distortion_model {model!r} is none of {', '.join(_MODELS)}: {remedy}")
    counts = _MODELS[model]
    wanted = next((count for count in counts if len(given) <= count), counts[-1])
    # Drivers fill a longer array with zeros, such as the T265's fifth coefficient.
    if not np.isfinite(given).all() or len(given) < counts[0] or any(given[wanted:]):
        raise LiftError(
            "bad_distortion",
            f"camera_info's d has {len(given)} coefficients ({', '.join(f'{value:g}' for value in given)}), but "
            f"{model} has {' or '.join(str(count) for count in counts)}: calibrate the camera anew, or {remedy}",
        )
    return (*given[:wanted], *[0.0] * (wanted - len(given)))
