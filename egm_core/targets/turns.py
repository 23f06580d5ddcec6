"""Whose turn it is: of the targets that a camera's image can be asked about, the one that waits longest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from egm_core.targets.board import Place


@dataclass(frozen=True)
class Turns:
    """The order of turns between all places; images are known by their number on their camera.

    A camera has one image under way at most, about which several targets may be asked together: so the answers of one
    camera keep the order of its images, and no fast camera and no changing target starves another. A target that is
    new is asked about what comes from then on, and about an image that nobody was asked about yet.

    `images` are the numbers of the newest, `taken` of the newest that somebody was asked about, `asked` of those that
    each place was asked about. `last` and `cameras` are the turns that each had last, of `turn` so far.
    """

    places: tuple[Place, ...] = ()
    images: Mapping[str, int] = field(default_factory=dict)
    taken: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[Place, int] = field(default_factory=dict)
    under_way: Mapping[Place, int] = field(default_factory=dict)
    last: Mapping[Place, int] = field(default_factory=dict)
    cameras: Mapping[str, int] = field(default_factory=dict)
    turn: int = 0

    def serving(self, places: Sequence[Place]) -> Turns:
        """Take turns between these places from now on; what stays keeps its turn, and queries under way go on.

        What comes in place of another takes over its turn. What is added waits as long as its camera's others do, and
        where there are none, as if it had just been asked: otherwise one that comes and goes could starve them.
        """
        last, asked = dict(self.last), dict(self.asked)
        for camera in dict.fromkeys(place.camera for place in places):
            new = [place for place in places if place.camera == camera]
            gone = [place for place in self.places if place.camera == camera and place not in new]
            added = [place for place in new if place not in self.places]
            stays = [last[place] for place in new if place in self.places]
            rest = min(stays, default=self.turn)
            for number, place in enumerate(added):
                last[place] = self.last[gone[number]] if number < len(gone) else rest
                asked[place] = self.taken.get(camera, 0)
        return replace(
            self,
            places=tuple(places),
            last={place: last[place] for place in places},
            asked={place: asked[place] for place in places},
        )

    def came(self, camera: str, anew: bool = False) -> Turns:
        """Note a camera's newest image; `anew`: time went back, so that no earlier one is asked about any more."""
        number = self.images.get(camera, 0) + 1
        if not anew:
            return replace(self, images={**self.images, camera: number})
        return replace(self.cleared(camera), images={**self.images, camera: number})

    def able(self) -> tuple[Place, ...]:
        """List the places that can be asked now, in the order of their turns."""
        busy = {place.camera: number for place, number in self.under_way.items()}

        def can(place: Place) -> bool:
            number = busy.get(place.camera, self.images.get(place.camera, 0))
            return place not in self.under_way and number > self.asked[place]

        return tuple(sorted(filter(can, self.places), key=self._rank))

    def busy(self, camera: str) -> bool:
        """Tell whether an image of a camera is under way; it is that one which others are asked about."""
        return any(place.camera == camera for place in self.under_way)

    def begun(self, place: Place) -> Turns:
        """Begin the turn of a place that can be asked; it ends by `ended`."""
        number = next((n for other, n in self.under_way.items() if other.camera == place.camera), None)
        number = self.images[place.camera] if number is None else number
        turn = self.turn + 1
        return replace(
            self,
            under_way={**self.under_way, place: number},
            asked={**self.asked, place: number},
            taken={**self.taken, place.camera: max(number, self.taken.get(place.camera, 0))},
            last={**self.last, place: turn},
            cameras={**self.cameras, place.camera: turn},
            turn=turn,
        )

    def ended(self, place: Place) -> Turns:
        """End a turn, whether or not its target is in force still."""
        return replace(self, under_way={other: n for other, n in self.under_way.items() if other != place})

    def cleared(self, *cameras: str) -> Turns:
        """Forget the images of these cameras (none named: of all), but not what is under way."""
        gone = cameras or tuple(self.images)
        taken = {**self.taken, **{camera: self.images.get(camera, 0) for camera in gone}}
        asked = {place: max(n, taken[place.camera] if place.camera in gone else n) for place, n in self.asked.items()}
        return replace(self, taken=taken, asked=asked)

    def _rank(self, place: Place) -> tuple[int, int, int]:
        return self.last[place], self.cameras.get(place.camera, 0), place.target.sequence
