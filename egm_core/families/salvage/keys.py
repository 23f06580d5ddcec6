"""What the keys of an answer's JSON mean: a box, its sides, a label, whether the object is there, something else."""

from __future__ import annotations

import re

from egm_core.families.parts import Number, Refused
from egm_core.families.salvage.loose import Fields, Text, Value

# The families' own key: its corners may come in any order, for no other layout goes by that name.
OWN_KEY = "bbox2d"
BOX_KEYS = (
    "bbox",
    OWN_KEY,
    "bboxes",
    "box",
    "boxes",
    "boundingbox",
    "boundingboxes",
    "coordinates",
    "coords",
    "bboxcoordinates",
    "boxcoordinates",
    "boundingboxcoordinates",
    "boundingbox2d",
    "visiblebbox",
    "amodalbbox",
)
LABEL_KEYS = ("label", "name", "object", "objectname", "class", "category", "ref", "description")
SIDES = (
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("minx", "miny", "maxx", "maxy"),
    ("left", "top", "right", "bottom"),
    ("topleft", "bottomright"),
    ("upperleft", "lowerright"),
)

# What holds an answer without naming an object.
_HOLDER = re.compile(
    r"answers?|results?|outputs?|responses?|predictions?|detections?|annotations?|instances?|data|items?|objects?"
    r"|targets?|arguments|parameters|args|json|content|final(?:answer|result)?|detectedobjects?|location|grounding"
)
# Numbers beside a box that say how sure the model is.
_SCORE = re.compile(r"(?:label)?conf(?:idence)?|scores?|prob(?:ability)?|certainty|count|index|id")
# What holds numbers that are no corners x0, y0, x1, y1, such as Gemini's box_2d, which puts y first, or texts about it.
_OTHER_SHAPE = re.compile(
    r"3d|point|poly|segm|mask|line|path|size|shape|dimension|colou?r|rgb|hsv|wh$|cx|cent(?:er|re|roid)|yx|^box2d$|score"
    r"|(?:^|object|class|category|track|image)ids?$|rect|roi|crop|zoom|previous|rotat|quat|^angle|^pose|orient|veloc|speed"
    r"|accel|offset|delta|padding|margin|scale|resol|histogram|vector|embed|token|^time|pixel|width|height|area|depth"
    r"|distance|matrix|intrin|image|error|warning|^notes?$|reason|thought|think|^steps?$|exclu|ignore|distract|negative"
    r"|wrong|reject|candidate|^others?"
)
_FLAG = re.compile(
    r"(?:is|object|target)?(?:found|present|visible|exists?|detected|match(?:e[sd])?|inimage)"
    r"|(?:object|match|detection)?count"
)
_STATUS = re.compile(r"status|answer|results?|reason|message|response|found|note|comment|explanation|error")
_NO = ("no", "false", "none", "0")


def plain(key: str) -> str:
    """Give a key without case and punctuation."""
    return re.sub(r"[\W_]", "", key.lower())


def is_other(key: str) -> bool:
    """Tell whether a key names something that is no box."""
    return not is_holder(key) and _OTHER_SHAPE.search(key) is not None


def is_holder(key: str) -> bool:
    """Tell whether a key only holds the answer, and so is no name of an object."""
    return key in BOX_KEYS or _HOLDER.fullmatch(key) is not None


def is_call(key: str) -> bool:
    """Tell whether a key holds what a tool is called with."""
    return key in ("arguments", "parameters", "args")


def is_score(key: str) -> bool:
    """Tell whether a key's number says how sure the model is."""
    return _SCORE.fullmatch(key) is not None


def is_status(key: str) -> bool:
    """Tell whether a key's text says what came of the search."""
    return _STATUS.fullmatch(key) is not None


def are_numbered(keys: list[str]) -> bool:
    """Tell whether keys differ by their numbers alone, as object_1 and object_2 do."""
    return len({re.sub(r"[0-9]+$", "", key) for key in keys}) == 1


def flag(pairs: list[tuple[str, Value]]) -> bool | None:
    """Give what an object says of its being there: False where any word says no, None where it says nothing."""
    said = [_truth(value) for key, value in pairs if _FLAG.fullmatch(key)]
    return None if not said else False not in said


def is_worthless(pairs: list[tuple[str, Value]]) -> bool:
    """Tell whether an object's own score is nought."""
    scores = [v for key, v in pairs if is_score(key) and key not in ("index", "id") and isinstance(v, Number)]
    return any(score.value == 0 for score in scores)


def _truth(value: Value) -> bool:
    if isinstance(value, Text):
        return value.value.strip().lower() not in _NO
    return value.value != 0 if isinstance(value, Number) else value is not False and value is not None


def sides(pairs: list[tuple[str, Value]]) -> list[Value] | None:
    """Give the four sides of a box that keys name each on its own; raises Refused where one is named twice."""
    keys = [key for key, _ in pairs]
    values = dict(pairs)
    for names in SIDES:
        if all(name in values for name in names):
            if any(keys.count(name) > 1 for name in names):
                raise Refused("ambiguous")
            return [part for name in names for part in _parts(values[name])]
    return None


def _parts(value: Value) -> list[Value]:
    if isinstance(value, Fields):
        named = {plain(key): inner for key, inner in value.pairs}
        return [named.get("x"), named.get("y")]
    return value if isinstance(value, list) else [value]
