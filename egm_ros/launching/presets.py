"""What the drivers of common cameras publish, as the launch argument `camera` takes it; read from their sources.

No driver was run for this. Each entry names the repository and the commit that it was read from. Nothing here imports
ROS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """One driver: where its streams are, what is in them, and how it has to be started.

    In the names of topics `{camera}` stands for the camera's name; `camera` is the one that the driver takes by itself.
    `start` is the driver's command, `quality` that of its image and depth topics, `stamps` how those of image and depth
    go together. `rectified` and `slop` are the lifting node's parameters for these topics.
    """

    repository: str
    commit: str
    start: str
    camera: str
    image: str
    encoding: str
    camera_info: str
    frame: str
    rate: str
    quality: str
    rectified: bool
    slop: float = 0.0
    depth: str = ""
    depth_encoding: str = ""
    stamps: str = ""
    compressed_image: str = ""
    note: str = ""

    @property
    def parameters(self) -> dict[str, bool | float]:
        """The lifting node's parameters that go with these topics."""
        return {"rectified": self.rectified} | ({"slop": self.slop} if self.slop else {})

    def holds(self, texts: Mapping[str, str]) -> bool:
        """Say whether these arguments' texts have its image and its camera info, rather than others."""
        return all(
            texts[name] in (text, self.named(text))
            for name, text in (("image", self.image), ("camera_info", self.camera_info))
        )

    def named(self, text: str) -> str:
        """Give a name with that of the camera which the driver takes by itself."""
        return text.replace("{camera}", self.camera)


PRESETS: dict[str, Preset] = {
    "realsense": Preset(
        repository="IntelRealSense/realsense-ros",
        commit="ee94dc926f26a5cb6e74b96cf44fa725107600a2",
        start="ros2 launch realsense2_camera rs_launch.py align_depth.enable:=true",
        camera="camera",
        image="/camera/{camera}/color/image_raw",
        encoding="rgb8",
        camera_info="/camera/{camera}/color/camera_info",
        depth="/camera/{camera}/aligned_depth_to_color/image_raw",
        depth_encoding="16UC1",
        frame="{camera}_color_optical_frame",
        rate="the device's default profile",
        quality="the system's default, reliable in most",
        stamps="the same: with aligned depth the driver sends sets of frames",
        rectified=True,
        note="The colour image is as the lens draws it, but its coefficients are not those of OpenCV's model, so K"
        " alone is used.",
    ),
    "zed": Preset(
        repository="stereolabs/zed-ros2-wrapper",
        commit="33dfefa07087281d309f9ddf471ab804a3e8474c",
        start="ros2 launch zed_wrapper zed_camera.launch.py camera_model:=zed2i",
        camera="zed",
        image="/{camera}/zed_node/rgb/color/rect/image",
        encoding="bgra8",
        camera_info="/{camera}/zed_node/rgb/color/rect/camera_info",
        depth="/{camera}/zed_node/depth/depth_registered",
        depth_encoding="32FC1",
        frame="{camera}_left_camera_frame_optical",
        rate="30 Hz, of a ZED 2i 60",
        quality="reliable, last 10",
        stamps="the same: that of the grab",
        rectified=True,
        note="Wrappers before 5.1 have the image on /zed/zed_node/rgb/image_rect_color: give image and camera_info.",
    ),
    "oak": Preset(
        repository="luxonis/depthai-ros",
        commit="9132443a85381f118e75d8583df3d9e764a91b7a",
        start="ros2 launch depthai_ros_driver camera.launch.py",
        camera="oak",
        image="/{camera}/rgb/image_rect",
        encoding="bgr8",
        camera_info="/{camera}/rgb/camera_info",
        depth="/{camera}/stereo/image_raw",
        depth_encoding="16UC1",
        frame="{camera}_rgb_camera_optical_frame",
        rate="30 Hz",
        quality="reliable, last 10",
        stamps="each sensor's own, unless the driver's parameters rgb.i_synced and stereo.i_synced are both true",
        rectified=True,
        # Half of the time from one image to the next.
        slop=0.017,
        note="The image is the one that the driver's launch file rectifies (rectify_rgb, true by default).",
    ),
    "usb_cam": Preset(
        repository="ros-drivers/usb_cam",
        commit="772b25f4e2e8f94f54501a32d36c3bffca56141d",
        start="ros2 launch usb_cam camera.launch.py",
        camera="camera1",
        image="/{camera}/image_raw",
        compressed_image="/{camera}/image_compressed",
        encoding="rgb8",
        camera_info="/{camera}/camera_info",
        frame="camera",
        rate="30 Hz",
        quality="reliable, last 100",
        rectified=False,
        note="`ros2 run usb_cam usb_cam_node_exe` sends yuv422_yuy2 on /image_raw instead: give image and camera_info.",
    ),
    "argus": Preset(
        repository="NVIDIA-ISAAC-ROS/isaac_ros_argus_camera",
        commit="ec75c57ab5b7c3d7ee38aa773c08afd3e4ff43d0",
        start="ros2 launch isaac_ros_argus_camera isaac_ros_argus_camera_mono.launch.py",
        camera="left",
        image="/{camera}/image_raw",
        encoding="rgb8",
        camera_info="/{camera}/camera_info",
        frame="camera_optical",
        rate="the sensor mode's",
        quality="reliable, last 1",
        rectified=False,
        note="The stereo launch file sends `right` as well.",
    ),
    "nuscenes": Preset(
        repository="clynamen/nuscenes2bag",
        commit="9f3585acbf7a0530c50e866de36d7253eb4d949f",
        start="rosrun nuscenes2bag nuscenes2bag --scene_number 0061 --dataroot DATA --out bags &&"
        " rosbags-convert --src bags/61.bag --dst scene && ros2 bag play --clock scene",
        camera="cam_front",
        image="/{camera}/raw",
        encoding="bgr8",
        camera_info="",
        frame="{camera}",
        rate="the data set's 12 Hz",
        quality="reliable, of ros2 bag play",
        rectified=True,
        note="Give use_sim_time:=true. The bags have no camera info and no depth. The MCAP files of nuscenes2mcap are"
        " for egm ground --bag alone: their images are Foxglove's own messages, which no ROS node takes.",
    ),
    "droid": Preset(
        repository="droid-dataset/droid",
        commit="1548722f199772a43217c0d4c811c639be66e380",
        start="ros2 launch zed_wrapper zed_camera.launch.py camera_model:=zed2 publish_svo_clock:=true"
        " svo_path:=recordings/SVO/SERIAL.svo",
        camera="zed",
        image="/{camera}/zed_node/rgb/color/rect/image",
        encoding="bgra8",
        camera_info="/{camera}/zed_node/rgb/color/rect/camera_info",
        depth="/{camera}/zed_node/depth/depth_registered",
        depth_encoding="32FC1",
        frame="{camera}_left_camera_frame_optical",
        rate="HD720 at 60 Hz was recorded",
        quality="reliable, last 10",
        stamps="the same: that of the recording",
        rectified=True,
        note="DROID's raw recordings are SVO files of ZED cameras, which the driver of the entry zed plays; the hand's"
        " camera is a zedm. Give use_sim_time:=true.",
    ),
}
# The arguments that a preset stands for.
STREAMS = ("image", "camera_info", "depth")


def filled(texts: Mapping[str, str], several: bool, compressed: bool) -> dict[str, str]:
    """Give the arguments' texts with the preset's names for the streams that none is given for.

    `several`: the cameras have names, which then are the driver's. What is given by hand holds.
    """
    preset = PRESETS.get(texts.get("camera", ""))
    if preset is None:
        return dict(texts)
    names = {name: getattr(preset, name) for name in STREAMS}
    # An image that is named by hand has its compressed ones beside it.
    if compressed and not texts.get("image"):
        names["compressed_image"] = preset.compressed_image
    if not several:
        names = {name: preset.named(text) for name, text in names.items()}
    return dict(texts) | {name: text for name, text in names.items() if text and not texts.get(name)}
