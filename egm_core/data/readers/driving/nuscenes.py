"""nuScenes: the boxes of road users in space, as amodal boxes in the cameras' pictures.

What is seen of an object is not known, so the samples ask for the amodal box only. The share that is seen is that of
all six pictures together, in four steps; the middle of a step stands in the sample.
"""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Iterator
from pathlib import Path

import numpy as np

from egm_core.data.readers.driving import cameras as known
from egm_core.data.readers.driving.nuscenes_tables import Picture, Thing, cameras, pictures, things
from egm_core.data.readers.driving.projection import Camera, corners, seen_boxes
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.named import Found, Shown, Source, add_names, samples
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

NAME = "nuScenes"
STATED = r"nuscenes|v1\.0-(?:trainval|mini|test)"
LICENCE = "CC BY-NC-SA 4.0, behind registration: not for commercial use"
# Steps of 0-40, 40-60, 60-80 and 80-100 %.
SHARES = {0: None, 1: 0.2, 2: 0.5, 3: 0.7, 4: 0.9}
NAMES = {
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "child",
    "human.pedestrian.construction_worker": "construction worker",
    "human.pedestrian.personal_mobility": "person on a small vehicle",
    "human.pedestrian.police_officer": "police officer",
    "human.pedestrian.stroller": "stroller",
    "human.pedestrian.wheelchair": "wheelchair",
    "movable_object.pushable_pullable": "pushable object",
    "movable_object.trafficcone": "traffic cone",
    "static_object.bicycle_rack": "bicycle rack",
    "vehicle.bus.bendy": "articulated bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.construction": "construction vehicle",
    "vehicle.emergency.ambulance": "ambulance",
    "vehicle.emergency.police": "police car",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--tables", type=Path, required=True, help="folder of the tables, such as v1.0-trainval")
    add_images(parser, what="the folder that TABLES is in")
    parser.add_argument(
        "--cameras",
        choices=known.CAMERAS,
        nargs="+",
        default=["CAM_FRONT"],
        metavar="CAMERA",
        help=f"whose images: {', '.join(known.CAMERAS)}",
    )
    parser.add_argument(
        "--least-visibility",
        type=int,
        choices=(1, 2, 3, 4),
        default=1,
        help="least visibility of objects: 1 all, 2 from 40 %%, 3 from 60 %%, 4 from 80 %%",
    )
    add_names(parser, occluded=False)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples, picture by picture."""
    found = Pictures.below(options.images or options.tables.parent, tally)
    source = Source(NAME, options.split, stated(options.tables, STATED, LICENCE), None)
    shown = pictures(options.tables, options.cameras)
    if not shown:
        raise Place(str(options.tables)).error(f"no key frame of {', '.join(options.cameras)} in sample_data.json")
    views = cameras(options.tables, shown)
    there = things(options.tables, {one.sample for one in shown})
    for one in shown:
        path = known.find(found, one.file)
        images: dict[Hashable, Shown] = {one.token: Shown(path, one.width, one.height)}
        seen = list(objects(one, views[one.token], there.get(one.sample, []), options.least_visibility))
        yield from samples(seen, images, {}, source, options, tally)


def objects(picture: Picture, camera: Camera, there: list[Thing], least: int = 1) -> Iterator[Found]:
    """Give the objects of a key frame that are in a picture."""
    if not there:
        return
    spaces = [np.array([getattr(one, name) for one in there]) for name in ("translation", "size", "rotation")]
    for thing, box in zip(there, seen_boxes(corners(*spaces), camera), strict=True):
        if box is None:
            continue
        low = 0 < thing.visibility < least
        yield Found(
            thing.place,
            picture.token,
            thing.token,
            box,
            None,
            SHARES[thing.visibility],
            name=NAMES.get(thing.category, thing.category.rpartition(".")[2]),
            category=thing.category,
            unseen=True,
            left_out="objects that are less visible than asked for (--least-visibility)" if low else "",
        )


KIND = Kind(
    "nuscenes",
    "nuScenes: boxes of road users in space, as amodal boxes in the cameras' images",
    LICENCE,
    arguments,
    read,
    "--tables nuscenes/v1.0-trainval --cameras CAM_FRONT --least-visibility 2",
)
