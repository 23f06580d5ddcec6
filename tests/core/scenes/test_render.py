"""The renderer: depth in metres, labels, threads, and machines that can't render."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from egm_core.scenes import Generator, RenderError
from egm_core.scenes.projection import View, look_at
from egm_core.scenes.render import Light, Renderer, Solid, procedural_textures
from egm_core.scenes.worlds.primitives import Primitive, about_x, block, cylinder, mesh, sphere

LIGHT = Light(np.array([0, 0, 3.0]), np.array([0, 0, -1.0]), np.full(3, 0.7), np.full(3, 0.3), np.zeros(3), False, 2.0)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer((200, 160))


def camera(position: tuple[float, float, float], width: int = 200, height: int = 160) -> View:
    return look_at(np.array(position), np.zeros(3), 180.0, width, height, 0.05, 20.0)


def test_depth_is_in_metres_along_the_optical_axis(renderer: Renderer) -> None:
    view = camera((0.3, -1.2, 0.9))
    renderer.load(view, [Solid(7, (block((3, 3, 0.1), (0, 0, -0.1), (0.5, 0.5, 0.5)),))], [LIGHT])
    labels, depth = renderer.labels()
    assert labels.shape == depth.shape == (160, 200)
    for u, v in ((10, 150), (100, 80), (190, 100)):
        point = view.ground_point(u + 0.5, v + 0.5)
        assert point is not None and labels[v, u] == 7
        expected = view.rotation[2] @ (np.array([*point, 0.0]) - view.position)
        assert depth[v, u] == pytest.approx(expected, rel=2e-3)


def test_labels_are_the_nearest_solids(renderer: Renderer) -> None:
    view = camera((0.0, -2.0, 0.0))
    near: Primitive = sphere(0.1, (0, -0.5, 0), (1, 0, 0))
    far = block((0.4, 0.1, 0.4), (0, 0.5, 0), (0, 0, 1))
    renderer.load(view, [Solid(1, (far,)), Solid(253, (near,))], [LIGHT])
    labels, _ = renderer.labels()
    assert labels[80, 100] == 253 and labels[80, 75] == 1 and labels[2, 2] == 0
    image = renderer.image()
    assert image[80, 100, 0] > 100 > image[80, 100, 2] and image[80, 75, 2] > 100 > image[80, 75, 0]


def test_shapes_point_the_right_way_up(renderer: Renderer) -> None:
    """MuJoCo recentres meshes to their inertial axes; drawn, they must stand where they were put."""
    view = camera((0.0, -2.0, 0.0))
    renderer.load(view, [Solid(1, (mesh("spike", (0.3, 0.3, 0.5), (0, 0, -0.25), (1, 0, 0)),))], [LIGHT])
    labels, _ = renderer.labels()
    widths = (labels == 1).sum(axis=1)
    rows = np.flatnonzero(widths)
    assert widths[rows[0] + 2] * 3 < widths[rows[-1] - 2]
    assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(80, abs=4)
    renderer.load(view, [Solid(1, (cylinder(0.05, 0.4, (0, 0, 0), (1, 0, 0), about_x(np.pi / 2)),))], [LIGHT])
    labels, _ = renderer.labels()
    ys, xs = np.nonzero(labels == 1)
    assert np.ptp(xs) == pytest.approx(np.ptp(ys), abs=2), "a cylinder along the line of sight shows its round end"


def test_textures_are_the_same_in_every_process() -> None:
    first, again = procedural_textures(), procedural_textures()
    assert np.array_equal(first, again) and first.std() > 5


def test_another_thread_is_refused_with_the_remedy(generator: Generator) -> None:
    caught: list[BaseException] = []

    def draw() -> None:
        try:
            generator.scene(1)
        except RenderError as error:
            caught.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert len(caught) == 1 and "in this thread" in str(caught[0])


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"MUJOCO_GL": "egl", "__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent"}, "apt install libegl1"),
        ({"MUJOCO_GL": "nonsense"}, "unset MUJOCO_GL"),
    ],
)
def test_a_machine_that_cannot_render_is_told_so_in_one_line(changes: dict[str, str], remedy: str, tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "egm_core.scenes", "show", "--out", str(tmp_path / "x.png"), "--scenes", "1"],
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("egm_core.scenes show: ")]
    assert done.returncode == 1 and len(lines) == 1
    assert changes["MUJOCO_GL"] in lines[0] and remedy in lines[0] and "Traceback" not in done.stderr
    assert not (tmp_path / "x.png").exists()


def test_the_package_imports_without_mujoco() -> None:
    code = "import sys; sys.modules['mujoco'] = None; import egm_core.scenes, egm_core.scenes.files.store"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_renderer_that_nobody_closed_takes_nothing_from_another() -> None:
    """Freed in another context, its names of buffers were the other's: every later picture of that one was empty."""
    kept, dropped = Renderer((200, 160)), Renderer((200, 160))
    view = camera((0.0, -2.0, 0.0))
    ball = [Solid(9, (sphere(0.4, (0, 0, 0), (1, 0, 0)),))]
    dropped.load(view, ball, [LIGHT])
    kept.load(view, ball, [LIGHT])
    before, _ = kept.labels()
    del dropped
    gc.collect()
    assert (kept.labels()[0] == before).all(), "the collector may run between two calls"
    kept.load(view, ball, [LIGHT])
    assert (before == 9).sum() > 1000 and (kept.labels()[0] == before).all()
    kept.close()


def test_a_renderer_dropped_by_another_thread_takes_nothing_from_this_one() -> None:
    kept = Renderer((200, 160))
    view, ball = camera((0.0, -2.0, 0.0)), [Solid(9, (sphere(0.4, (0, 0, 0), (1, 0, 0)),))]

    def make_and_drop() -> None:
        Renderer((200, 160)).load(view, ball, [LIGHT])
        gc.collect()

    other = threading.Thread(target=make_and_drop)
    other.start()
    other.join()
    kept.load(view, ball, [LIGHT])
    assert (kept.labels()[0] == 9).sum() > 1000
    kept.close()
