"""Draws primitives with MuJoCo, without compiling anything: one OpenGL context serves every scene of a process.

Primitives, lights and the camera are written straight into an `mjvScene`, so number, size and colour are free
from scene to scene. `MUJOCO_GL` is set to `egl` unless it is set already.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.scenes.projection import View
from egm_core.scenes.worlds.primitives import MESHES, Kind, Matrix, Primitive, Vector

os.environ.setdefault("MUJOCO_GL", "egl")

TEXTURES = 24
BACKGROUND = 0
_TEXTURE_SIDE = 128
_MAX_PRIMITIVES = 900
# What renderers that nobody closed left behind, by thread. Names of OpenGL objects are per context: MuJoCo would free
# them in whichever context is current, and so destroy another renderer's.
_LEFT: dict[int, list[tuple[Any, Any]]] = {}


class RenderError(RuntimeError):
    """The machine can't render; the message says what to install or set."""


def _import_mujoco() -> Any:
    """Import MuJoCo, and say what is missing where its OpenGL backend can't be loaded."""
    backend = os.environ["MUJOCO_GL"]
    try:
        import mujoco
    except (ImportError, AttributeError, RuntimeError) as error:
        raise RenderError(_remedy(backend, error)) from error
    return mujoco


def _remedy(backend: str, error: BaseException) -> str:
    detail = str(error).splitlines()[0] if str(error) else type(error).__name__
    remedy = "install EGL, for example by `apt install libegl1 libgl1-mesa-dri`"
    if backend != "egl":
        remedy = f"unset MUJOCO_GL to use EGL, and if it is missing, {remedy}"
    return f"scenes need OpenGL, and MUJOCO_GL={backend} failed ({detail}): {remedy}"


@dataclass(frozen=True, eq=False)
class Light:
    """A directional light: where its shadow map is centred, where it shines, its colours (3,).

    `spread` is the half width in metres of the ground that its shadow map covers.
    """

    position: Vector
    direction: Vector
    ambient: Vector
    diffuse: Vector
    specular: Vector
    shadow: bool
    spread: float


@dataclass(frozen=True, eq=False)
class Solid:
    """Primitives that share one value in the segmentation (1..253; 0 is background)."""

    label: int
    primitives: tuple[Primitive, ...]


def procedural_textures() -> NDArray[np.uint8]:
    """Return the fixed bank of grey textures (TEXTURES, 128, 128): plain, cloudy, grained, tiled, speckled."""
    rng = np.random.default_rng(20_000)
    n = _TEXTURE_SIDE
    bank = np.empty((TEXTURES, n, n), dtype=np.uint8)
    for i in range(TEXTURES):
        kind = i % 5
        picture: NDArray[Any]
        if kind == 0:
            picture = np.ones((n, n))
        elif kind == 1:
            coarse = rng.uniform(0.75, 1.0, (int(rng.integers(4, 20)),) * 2)
            picture = cv2.resize(coarse, (n, n), interpolation=cv2.INTER_CUBIC)
        elif kind == 2:
            grain = rng.uniform(0.78, 1.0, (int(rng.integers(12, 48)), 3))
            picture = cv2.resize(grain, (n, n), interpolation=cv2.INTER_LINEAR)
        elif kind == 3:
            cells = int(rng.choice([2, 4]))
            index = np.arange(n) * cells // n
            picture = 1.0 - rng.uniform(0.08, 0.25) * (np.add.outer(index, index) % 2)
        else:
            picture = 1.0 - rng.uniform(0.1, 0.25) * (rng.uniform(size=(n, n)) < 0.12)
        picture = np.clip(picture + rng.normal(0.0, 0.02, (n, n)), 0.0, 1.0)
        bank[i] = (picture * 255).astype(np.uint8)
    return bank


def _model_xml(width: int, height: int, shadow_size: int, samples: int) -> str:
    meshes, geoms = [], []
    for name, (vertices, faces) in MESHES.items():
        corners = " ".join(f"{value:.5f}" for value in vertices.ravel())
        triangles = " ".join(str(value) for value in faces.ravel())
        meshes.append(f'<mesh name="{name}" vertex="{corners}" face="{triangles}"/>')
        geoms.append(f'<geom type="mesh" mesh="{name}" contype="0" conaffinity="0"/>')
    side = _TEXTURE_SIDE
    for i in range(TEXTURES):
        repeat = (1, 2, 4)[i % 3]
        meshes.append(
            f'<texture name="t{i}" type="2d" builtin="flat" width="{side}" height="{side}" rgb1="1 1 1"/>'
            f'<material name="m{i}" texture="t{i}" texrepeat="{repeat} {repeat}"/>'
        )
    return (
        f'<mujoco><visual><global offwidth="{width}" offheight="{height}"/>'
        f'<quality shadowsize="{shadow_size}" offsamples="{samples}" numslices="20" numstacks="10"/>'
        '<map shadowclip="1" shadowscale="0.6"/></visual>'
        f"<asset>{''.join(meshes)}</asset><worldbody>{''.join(geoms)}</worldbody></mujoco>"
    )


def _leave(thread: int, context: Any, gl: Any) -> None:
    _LEFT.setdefault(thread, []).append((context, gl))


def _free(context: Any, gl: Any) -> None:
    context.make_current()
    gl.free()
    context.free()


def _free_what_was_left(thread: int) -> None:
    for context, gl in _LEFT.pop(thread, []):
        _free(context, gl)


class Renderer:
    """An OpenGL context with an offscreen buffer of at most `max_size` (width, height), for the thread that makes it.

    Keep one for a process's whole life: contexts that come and go leak memory, and a process forked after one
    exists hangs, so start worker processes before it (or by spawning). What isn't closed is freed with the thread's
    next renderer or scene.
    """

    def __init__(self, max_size: tuple[int, int], shadow_size: int = 1024, samples: int = 4) -> None:
        """Open the context. Raises RenderError, naming the remedy, where the machine has no EGL."""
        self._mj = mj = _import_mujoco()
        self.max_size = max_size
        self._thread = threading.get_ident()
        _free_what_was_left(self._thread)
        try:
            self._context = mj.GLContext(*max_size)
            self._context.make_current()
            self._model = mj.MjModel.from_xml_string(_model_xml(*max_size, shadow_size, samples))
            for i, picture in enumerate(procedural_textures()):
                start = self._model.tex_adr[i]
                self._model.tex_data[start : start + picture.size * 3] = np.repeat(picture.ravel(), 3)
            self._gl = mj.MjrContext(self._model, mj.mjtFontScale.mjFONTSCALE_100)
        except (RuntimeError, AttributeError, ImportError, mj.FatalError) as error:
            raise RenderError(_remedy(os.environ["MUJOCO_GL"], error)) from error
        mj.mjr_setBuffer(mj.mjtFramebuffer.mjFB_OFFSCREEN, self._gl)
        self._scene = mj.MjvScene(self._model, maxgeom=_MAX_PRIMITIVES)
        self._geoms = self._scene.geoms
        self._frames = {name: self._mesh_frame(i) for i, name in enumerate(MESHES)}
        self._rectangle = mj.MjrRect(0, 0, *max_size)
        self._leave = weakref.finalize(self, _leave, self._thread, self._context, self._gl)
        self._leave.atexit = False

    def close(self) -> None:
        """Free the context; nothing can be rendered with this renderer afterwards."""
        self._leave.detach()
        _free(self._context, self._gl)

    def _mesh_frame(self, index: int) -> tuple[int, Matrix, Vector]:
        """Return a mesh's data id and the pose that undoes MuJoCo's recentring to inertial axes."""
        turn = np.zeros(9)
        self._mj.mju_quat2Mat(turn, self._model.mesh_quat[index])
        return 2 * index, turn.reshape(3, 3), self._model.mesh_pos[index].copy()

    def load(self, view: View, solids: Sequence[Solid], lights: Sequence[Light]) -> None:
        """Take over a scene: the following calls draw it."""
        if view.width > self.max_size[0] or view.height > self.max_size[1]:
            raise ValueError(
                f"a scene of {view.width}x{view.height} does not fit the renderer's buffer of "
                f"{self.max_size[0]}x{self.max_size[1]}: pass a larger max_size"
            )
        if threading.get_ident() != self._thread:
            raise RenderError("a renderer draws only in the thread that made it: make the Generator in this thread")
        _free_what_was_left(self._thread)
        # Another renderer of this process may have been used since.
        self._context.make_current()
        self._rectangle = self._mj.MjrRect(0, 0, view.width, view.height)
        self._view = view
        count = 0
        for solid in solids:
            for primitive in solid.primitives:
                self._write(count, primitive, solid.label)
                count += 1
        self._scene.ngeom = count
        half = view.near * view.height / (2 * view.focal)
        for camera in self._scene.camera:
            camera.pos[:] = view.position
            camera.forward[:] = view.rotation[2]
            camera.up[:] = -view.rotation[1]
            camera.frustum_near, camera.frustum_far = view.near, view.far
            camera.frustum_bottom, camera.frustum_top = -half, half
            camera.frustum_center = camera.frustum_width = 0.0
        self._scene.nlight = len(lights)
        for target, light in zip(self._scene.lights, lights, strict=False):
            if light.shadow:
                self._gl.shadowClip = light.spread
            target.pos[:] = light.position
            target.dir[:] = light.direction / np.linalg.norm(light.direction)
            target.type = int(self._mj.mjtLightType.mjLIGHT_DIRECTIONAL)
            target.ambient[:], target.diffuse[:] = light.ambient, light.diffuse
            target.specular[:] = light.specular
            target.castshadow, target.headlight, target.texid = int(light.shadow), 0, -1
            target.attenuation[:] = (1.0, 0.0, 0.0)
            target.cutoff, target.exponent = 45.0, 10.0

    def _write(self, index: int, primitive: Primitive, label: int) -> None:
        geom = self._geoms[index]
        color = np.array([*primitive.color, 1.0], dtype=np.float32)
        if primitive.kind is Kind.MESH:
            data, turn, offset = self._frames[primitive.mesh]
            stretch = primitive.rotation * np.array(primitive.size)
            center = primitive.position + stretch @ offset
            self._mj.mjv_initGeom(geom, int(Kind.MESH), np.ones(3), center, (stretch @ turn).ravel(), color)
            geom.dataid = data
        else:
            size = np.array(primitive.size)
            turn = np.ascontiguousarray(primitive.rotation).ravel()
            self._mj.mjv_initGeom(geom, int(primitive.kind), size, primitive.position, turn, color)
        geom.segid = label
        geom.matid = primitive.texture
        geom.emission = primitive.emission
        geom.specular = primitive.specular
        geom.shininess = 0.4
        geom.category = int(self._mj.mjtCatBit.mjCAT_DYNAMIC)

    def _flags(self, segment: bool, shadow: bool) -> None:
        flag, flags = self._mj.mjtRndFlag, self._scene.flags
        flags[:] = 0
        flags[flag.mjRND_CULL_FACE] = 1
        flags[flag.mjRND_SEGMENT] = flags[flag.mjRND_IDCOLOR] = int(segment)
        flags[flag.mjRND_SHADOW] = int(shadow)

    def image(self) -> NDArray[np.uint8]:
        """Return the loaded scene's picture (H, W, 3), RGB."""
        self._flags(segment=False, shadow=True)
        picture = np.empty((self._view.height, self._view.width, 3), dtype=np.uint8)
        self._mj.mjr_render(self._rectangle, self._scene, self._gl)
        self._mj.mjr_readPixels(picture, None, self._rectangle, self._gl)
        return np.ascontiguousarray(picture[::-1])

    def labels(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the loaded scene's labels (H, W) and depths in metres (H, W)."""
        self._flags(segment=True, shadow=False)
        height, width = self._view.height, self._view.width
        code = np.empty((height, width, 3), dtype=np.uint8)
        raw = np.empty((height, width), dtype=np.float32)
        self._mj.mjr_render(self._rectangle, self._scene, self._gl)
        self._mj.mjr_readPixels(code, raw, self._rectangle, self._gl)
        first = code[::-1, :, 0]
        labels = np.where(first > 0, first - np.uint8(1), np.uint8(BACKGROUND)).astype(np.uint8)
        return labels, self._metres(raw[::-1])

    def _metres(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Undo the projection of a depth buffer, in which 0 is the near plane and 1 the far one."""
        near, far = self._view.near, self._view.far
        return (near * far / (far - raw.astype(np.float64) * (far - near))).astype(np.float32)
