"""What can be wrong with annotations of boxes."""

from __future__ import annotations

from headstart_plugins._annotations.told import Fault

DROP = "mend the annotations, or leave these boxes out with --set dataset.faulty=drop"

NO_NUMBERS = Fault("box", "whose coordinates are not four finite numbers", DROP, faulty=True)
NO_AREA = Fault("box", "whose stated area is below 0 or not finite", DROP, faulty=True)
NO_CLASS = Fault("box", "without the name of a class", DROP, faulty=True)
UNKNOWN_CLASS = Fault("box", "of a class that the annotations do not name", DROP, faulty=True)
NO_PICTURE = Fault("annotation", "of a picture that the annotations do not list", DROP, faulty=True)
INVERTED = Fault("box", "inverted, with its right before its left or its bottom above its top", DROP, faulty=True)
FLAT = Fault("box", "without area", DROP, faulty=True)
OUTSIDE = Fault("box", "outside of the picture", DROP, faulty=True)
REPEATED = Fault(
    "box",
    "equal to one before it in its picture, class and corners",
    "each counts as an object that has to be found; --set dataset.faulty=drop leaves out all but one",
    "warning",
    faulty=True,
)
STICKS_OUT = Fault(
    "box",
    "sticking out of the picture by more than a pixel",
    "they are scored as they are written, and cut at the border of what is learned from",
    "warning",
)
TINY = Fault("box", "narrower or lower than a pixel", "no network could see them; are their units right?", "warning")
ABSENT = Fault(
    "picture",
    "annotated and not there",
    "say where the pictures are: --set dataset.images=FOLDER; or --set dataset.unreadable=SHARE leaves some out",
    "warning",
)
OTHER_SIZE = Fault(
    "picture",
    "of another size than its annotations state",
    "use the pictures that were annotated; or --set dataset.sizes=adapt scales the boxes, and =ignore takes them as "
    "they are",
)
TURNED = Fault(
    "picture",
    "that EXIF turns, with boxes of the size before that",
    "pictures are read upright: --set dataset.sizes=adapt turns the boxes along; =ignore takes them as they are",
)
MAYBE_TURNED = Fault(
    "picture",
    "that EXIF turns or mirrors, with annotations that do not tell by their size whether they knew of it",
    "look at them in the report: boxes are taken for those of the upright picture",
    "warning",
)
