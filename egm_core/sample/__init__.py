"""One record for grounding data of any origin: generated scenes, robots, RefCOCO, amodal benchmarks.

A file is JSONL or parquet, one record a row, with the fields of `Sample`; `image`, `sent`, `bbox`, `height` and
`width` are required, the others may be left out. Image paths are relative to the file (or absolute); a picture in an
archive, a table or a video has a reference, see `egm_core.pictures.reference`. Boxes are absolute xyxy pixels;
`bbox: null` means that nothing in the image fits the expression, or, beside an amodal box, that nothing of it is seen.
"""

from egm_core.sample.files import read_placed, read_samples, write_samples
from egm_core.sample.record import FIELDS, LARGEST, OVERHANG, Sample, SampleError, from_record

__all__ = [
    "FIELDS",
    "LARGEST",
    "OVERHANG",
    "Sample",
    "SampleError",
    "from_record",
    "read_placed",
    "read_samples",
    "write_samples",
]
