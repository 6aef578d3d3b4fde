"""Which annotated box each detection found: COCO's rule, Pascal VOC's, and across classes, for many pictures at once.

Own code: pictures as they come, merging, a thousand resamples and the worst errors all need the matches of each picture
in arrays, which neither pycocotools nor faster-coco-eval hands out; both want all pictures as dicts at once. With these
steps of many pictures at a time it takes less time as well: 5,000 pictures with 7 boxes and 20 detections in 80 classes
0.4 s, pycocotools 2.0.11 17 s, faster-coco-eval 1.8.0 2.9 s (one thread). pycocotools is the reference in tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

IOU_LIMITS = np.linspace(0.5, 0.95, 10)
"""Least intersection over union of a match, (limit,): 0.5 to 0.95 in steps of 0.05, with COCO's own rounding."""
AREAS = ("all", "small", "medium", "large")
AREA_RANGES = np.array([[0.0, 1e10], [0.0, 32.0**2], [32.0**2, 96.0**2], [96.0**2, 1e10]])
"""Square pixels from and to, both included, of each of `AREAS`: an area of exactly 1,024 is small and medium."""
MOST_LOOKED_AT = 100
"""Detections of one class in one picture; of more, the surest are looked at."""
FALSE, TRUE, LEFT_OUT = 0, 1, 2
"""What VOC's rule says about a detection; difficult truth is left out."""


@dataclass(frozen=True)
class PlacedBoxes:
    """Annotated boxes of several pictures: `pictures` (box,) int64, `corners` (box, 4) float64 in pixels, `classes`
    (box,) int64, `areas` (box,) float64 in square pixels, `crowd` and `difficult` (box,) bool."""

    pictures: np.ndarray
    corners: np.ndarray
    classes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray

    def taken(self, rows: np.ndarray) -> PlacedBoxes:
        """Some of them, in the order of `rows`."""
        return PlacedBoxes(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class PlacedDetections:
    """Detections in several pictures: `pictures` and `classes` (box,) int64, `corners` (box, 4), `scores` (box,)."""

    pictures: np.ndarray
    corners: np.ndarray
    classes: np.ndarray
    scores: np.ndarray

    def taken(self, rows: np.ndarray) -> PlacedDetections:
        """Some of them, in the order of `rows`."""
        return PlacedDetections(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Pairs:
    """Detections beside the truth of their group: rows of both, and `overlap` (pair,) float64 in [0, 1]."""

    found: np.ndarray
    truth: np.ndarray
    overlap: np.ndarray

    def taken(self, chosen: np.ndarray) -> Pairs:
        """Some of them: rows, or a mask."""
        return Pairs(self.found[chosen], self.truth[chosen], self.overlap[chosen])


@dataclass(frozen=True)
class Matched:
    """What COCO's rule says: bit `t` of a number is the limit `IOU_LIMITS[t]`, columns are `AREAS`.

    `hits` (detection, area) uint16: it found a truth that counts. `ignored` likewise: it counts for nothing. `partner`
    (detection,) int64 is the truth it took at the first limit, in all areas, or -1.
    """

    hits: np.ndarray
    ignored: np.ndarray
    partner: np.ndarray


def pack(flags: np.ndarray) -> np.ndarray:
    """Bits (...) uint16 of `flags` (..., limit) bool."""
    bits: np.ndarray = flags @ (1 << np.arange(flags.shape[-1], dtype=np.uint16))
    return bits


def unpack(bits: np.ndarray) -> np.ndarray:
    """Flags (..., limit) bool of `bits` (...) uint16, a limit of `IOU_LIMITS` each."""
    flags: np.ndarray = (bits[..., None] >> np.arange(len(IOU_LIMITS), dtype=np.uint16)) & 1 > 0
    return flags


def sizes_of(corners: np.ndarray) -> np.ndarray:
    """Square pixels (box,) of boxes with `corners` (box, 4)."""
    area: np.ndarray = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return area


def overlaps(found: np.ndarray, truth: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Intersection over union (pair,) of corners (pair, 4) each; over the detection alone where `crowd` (pair,).

    In the operations of pycocotools (`bbIou`), which knows left, top, width and height: the same bits. No overlap of
    positive area is 0, so that a box of zero width is not found even by its equal.
    """
    origin = np.maximum(found[:, :2], truth[:, :2])
    found_size, truth_size = found[:, 2:] - found[:, :2], truth[:, 2:] - truth[:, :2]
    shared = np.minimum(found[:, :2] + found_size, truth[:, :2] + truth_size) - origin
    inside = (shared > 0).all(axis=1)
    shared_area, found_area = shared.prod(axis=1), found_size.prod(axis=1)
    whole = np.where(crowd, found_area, found_area + truth_size.prod(axis=1) - shared_area)
    share: np.ndarray = np.divide(shared_area, whole, out=np.zeros(len(whole)), where=inside)
    return share


def pairs_of(found_groups: np.ndarray, truth_groups: np.ndarray, found: PlacedDetections, truth: PlacedBoxes) -> Pairs:
    """Every detection with every truth of its group; both sorted by their groups (box,), ascending."""
    first = np.searchsorted(truth_groups, found_groups, "left")
    counts = np.searchsorted(truth_groups, found_groups, "right") - first
    left = np.repeat(np.arange(len(found_groups)), counts)
    right = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    return Pairs(left, right, overlaps(found.corners[left], truth.corners[right], truth.crowd[right]))


def take_turns(
    pairs: Pairs, groups: np.ndarray, near: np.ndarray, first: np.ndarray, shared: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each detection, in its turn, takes the truth of greatest overlap that is free, under several settings at once.

    `groups` (detection,) are ascending, and detections of a group stand in the order of their turns; groups do not
    touch one another, so that a turn of all groups is one step. `near` (pair, setting) says which pairs may match. A
    truth that `first` (truth, setting) marks goes before any that it does not; of equal overlaps the later truth is
    taken, as pycocotools does. What is `shared` (truth,) stays free. Gives the rows of detections that have a pair, and
    the truth each took (row, setting) int64, -1 for none.
    """
    order = np.lexsort((pairs.truth, pairs.overlap, pairs.found))
    rows, starts = np.unique(pairs.found[order], return_index=True)
    owners = groups[rows]
    turns = np.arange(len(rows)) - np.searchsorted(owners, owners, "left")
    by_turn = np.argsort(turns, kind="stable")
    lengths = np.diff(np.append(starts, len(order)))[by_turn]
    begins = np.cumsum(lengths) - lengths
    order = order[np.arange(len(order)) + np.repeat(starts[by_turn] - begins, lengths)]
    truth, near = pairs.truth[order], near[order]
    behind = len(order) + 1
    # The place of a pair says which is better: the last of a detection's wins, those that go first beyond all others.
    places = np.where(near, np.arange(1, behind)[:, None] + behind * first[truth], 0)
    taken = np.full((len(rows), near.shape[1]), -1)
    busy = np.zeros((len(shared), near.shape[1]), bool)
    cuts = np.searchsorted(turns[by_turn], np.arange(turns.max(initial=-1) + 2))
    for begin, end in pairwise(cuts):
        low, high = begins[begin], begins[end - 1] + lengths[end - 1]
        best = np.maximum.reduceat(
            np.where(busy[truth[low:high]], 0, places[low:high]), begins[begin:end] - low, axis=0
        )
        row, setting = np.nonzero(best)
        winner = truth[best[row, setting] % behind - 1]
        taken[begin + row, setting] = winner
        closed = ~shared[winner]
        busy[winner[closed], setting[closed]] = True
    return rows[by_turn], taken


def match_coco(found: PlacedDetections, truth: PlacedBoxes, ranks: np.ndarray, classes: int) -> Matched:
    """COCO's matching of detections sorted by picture, class and falling score with truth sorted by picture and class.

    Within a class and picture the surest detection chooses first, among truth that counts before truth that does not:
    crowds, and areas out of range (as stated, whatever the box is). `ranks` (detection,) are places within class and
    picture; from `MOST_LOOKED_AT` on they are out, which whoever counts leaves out as well. Checked against
    `COCOeval.evaluateImg` of pycocotools 2.0.11.
    """
    groups = found.pictures * classes + found.classes
    looked_at = np.flatnonzero(ranks < MOST_LOOKED_AT)
    pairs = pairs_of(groups[looked_at], truth.pictures * classes + truth.classes, found.taken(looked_at), truth)
    pairs = pairs.taken(pairs.overlap >= IOU_LIMITS[0])
    pairs = Pairs(looked_at[pairs.found], pairs.truth, pairs.overlap)
    areas, limits = len(AREAS), len(IOU_LIMITS)
    near = np.tile(pairs.overlap[:, None] >= np.minimum(IOU_LIMITS, 1 - 1e-10), (1, areas))
    counts = inside_ranges(truth.areas) & ~truth.crowd[:, None]
    rows, taken = take_turns(pairs, groups, near, np.repeat(counts, limits, axis=1), truth.crowd)
    taken = taken.reshape(len(rows), areas, limits)
    matched = taken >= 0
    good = matched & counts[taken, np.arange(areas)[:, None]]
    outside = ~inside_ranges(sizes_of(found.corners))
    hits = np.zeros((len(found.scores), areas), np.uint16)
    ignored = outside * np.uint16((1 << limits) - 1)
    hits[rows] = pack(good)
    ignored[rows] = pack(np.where(matched, ~good, outside[rows][:, :, None]))
    partner = np.full(len(found.scores), -1)
    partner[rows] = taken[:, 0, 0]
    return Matched(hits, ignored, partner)


def inside_ranges(areas: np.ndarray) -> np.ndarray:
    """(box, range) bool: which of `AREA_RANGES` hold the `areas` (box,)."""
    inside: np.ndarray = (areas[:, None] >= AREA_RANGES[:, 0]) & (areas[:, None] <= AREA_RANGES[:, 1])
    return inside


def match_voc(found: PlacedDetections, truth: PlacedBoxes, classes: int) -> np.ndarray:
    """Pascal VOC's matching, (detection,) uint8: FALSE, TRUE or LEFT_OUT; sorted as for `match_coco`.

    A detection's best box (the first of equals) is the only one it can find; who finds it first is right and all others
    are wrong, unless it is difficult (VOCevaldet.m of the development kit; Everingham et al. 2010, IJCV 88:303-338,
    section 4.2). The kit adds 1 to widths because its corners are pixels; ours lie between them and need none. A crowd,
    which VOC does not know, is as difficult.
    """
    verdicts = np.full(len(found.scores), FALSE, np.uint8)
    pairs = pairs_of(found.pictures * classes + found.classes, truth.pictures * classes + truth.classes, found, truth)
    order = np.lexsort((-pairs.truth, pairs.overlap, pairs.found))
    last = order[np.flatnonzero(np.diff(pairs.found[order], append=-1))]
    best = pairs.taken(last[pairs.overlap[last] >= IOU_LIMITS[0]])
    left_out = (truth.difficult | truth.crowd)[best.truth]
    _, firsts = np.unique(best.truth, return_index=True)  # the surest of each truth: pairs go by falling score
    verdicts[best.found[firsts]] = TRUE
    verdicts[best.found[left_out]] = LEFT_OUT
    return verdicts
