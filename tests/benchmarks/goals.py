"""The floor and the goal of each row: what the project promised of its speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ratios import Ratio


@dataclass(frozen=True)
class Goal:
    """`floor` must be reached, `goal` is hoped for; `higher` says which way is better."""

    what: str
    floor: float
    goal: float
    higher: bool = True

    def reaches(self, value: float, mark: float) -> bool:
        """Whether `value` is at least as good as `mark`."""
        return value >= mark if self.higher else value <= mark


GOALS: Mapping[str, Goal] = {
    "P1": Goal("cold run to the accuracy of ten frozen epochs, PyTorch", 20, 45),
    "P1j": Goal("cold run to the accuracy of ten frozen epochs, JAX", 30, 65),
    "P1c": Goal("cold run, beside somebody who caches by hand", 1, 3),
    "P2": Goal("second run, cache present", 80, 200),
    "P3": Goal("feature extraction", 0.85, 0.97),
    "P4": Goal("full fine-tuning step, PyTorch", 0.9, 1.1),
    "P4j": Goal("full fine-tuning step, JAX", 0.45, 0.8),
    "P5": Goal("top quarter of the cost unfrozen, an epoch", 1.8, 3),
    "P6": Goal("head epochs on cached features", 5, 30),
    "P7": Goal("start of the command line", 0.25, 0.1, higher=False),
    "P8": Goal("peak anonymous memory at ten times the pictures", 1.2, 1.03, higher=False),
    "L0": Goal("beside other work, over threads that sleep", 1.15, 1.1, higher=False),
    "L1": Goal("one picture: seconds over import keras and 0.5 s", 1, 0.95, higher=False),
    "L1m": Goal("one picture: memory over import keras and 100 MB", 1, 0.95, higher=False),
    "L4": Goal("many answers by one process, beside reading and the engine by hand", 0.8, 0.9),
    "L4m": Goal("peak anonymous memory of ten times the answers", 1.1, 1.05, higher=False),
    "M1": Goal("a training step of a translator, PyTorch", 0.8, 1),
    "M1j": Goal("a training step of a translator, JAX, beside PyTorch", 0.5, 0.7),
    "M2": Goal("sentences a second, beside transformers, PyTorch", 1.5, 3),
    "M2j": Goal("sentences a second, beside transformers on PyTorch, JAX", 1.5, 3),
    "M2c": Goal("sentences a second, beside CTranslate2, PyTorch", 0.4, 0.7),
    "M2cj": Goal("sentences a second, beside CTranslate2, JAX", 0.4, 0.7),
    "M3": Goal("peak anonymous memory at ten times the pairs of sentences", 1.1, 1.03, higher=False),
    "T1": Goal("texts through a frozen encoder, PyTorch", 0.9, 1),
    "T1j": Goal("texts through a frozen encoder, JAX", 0.9, 1),
    "T2": Goal("full fine-tuning step on text, PyTorch", 0.9, 1.1),
    "T2j": Goal("full fine-tuning step on text, JAX", 0.6, 0.8),
    "T3": Goal("cold probe on texts, whole process", 1, 2),
    "T4": Goal("peak anonymous memory at ten times the texts", 1.1, 1.03, higher=False),
    "A1": Goal("seconds of sound through Whisper's encoder, PyTorch", 0.85, 1),
    "A1j": Goal("seconds of sound through Whisper's encoder, JAX", 0.85, 1),
    "A2": Goal("log-mel features, over librosa's, PyTorch", 1, 3),
    "A2j": Goal("log-mel features, over librosa's, JAX", 1, 3),
    "A3": Goal("files to embeddings of voices, over Resemblyzer, PyTorch", 1, 3),
    "A3j": Goal("files to embeddings of voices, over Resemblyzer, JAX", 1, 3),
    "A4": Goal("recordings read and resampled, over the network that hears them, PyTorch", 1, 3),
    "A4j": Goal("recordings read and resampled, over the network that hears them, JAX", 1, 3),
    "A5": Goal("greedy transcripts, over transformers, PyTorch", 1, 2),
    "A5j": Goal("greedy transcripts, over transformers on PyTorch, JAX", 1, 2),
    "A6": Goal("peak anonymous memory at ten times the clips", 1.1, 1.03, higher=False),
    "D1": Goal("full fine-tuning step of a detector, PyTorch", 0.9, 1),
    "D1j": Goal("full fine-tuning step of a detector, JAX", 0.4, 0.7),
    "D2": Goal("picture files to boxes, PyTorch", 0.5, 1),
    "D2j": Goal("picture files to boxes, JAX", 0.5, 1),
    "D3": Goal("COCO's measures, over pycocotools", 1.1, 1, higher=False),
    "D3b": Goal("1,000 resamples of COCO's measures, over five evaluations", 1.1, 1, higher=False),
    "D4": Goal("peak anonymous memory at ten times the pictures with boxes", 1.1, 1.05, higher=False),
    "S1": Goal("full fine-tuning step on masks, PyTorch", 0.9, 1),
    "S1j": Goal("full fine-tuning step on masks, JAX", 0.4, 0.7),
    "S2": Goal("picture files to masks, PyTorch", 0.5, 1),
    "S2j": Goal("picture files to masks, JAX", 0.5, 1),
    "S3": Goal("scoring of masks, over bincount by hand", 1.1, 1, higher=False),
    "S3b": Goal("scoring of masks, as a share of an evaluation", 0.2, 0.1, higher=False),
    "S4": Goal("peak anonymous memory at ten times the pictures with masks", 1.1, 1.05, higher=False),
    "S4g": Goal("peak anonymous memory of 1,000 pictures with masks, over 2 GiB", 1, 0.95, higher=False),
    "R1": Goal("rank five sources and fit the best, over an epoch each", 5, 10),
    "R1v": Goal("the same with VGG16 among them", 5, 10),
    "C1": Goal("the runs of a comparison two at once, over one at a time", 1.4, 1.7),
    "R2": Goal("rank them again, cache present, over an epoch each", 30, 60),
    "P8d": Goal("peak anonymous memory at ten times the samples of dense outputs", 1.05, 1.02, higher=False),
}


def verdict(ratio: Ratio) -> str:
    """Which mark its median reaches, "goal" or "floor"; "MISSED"; "beside" where it counts for no row."""
    goal = GOALS.get(ratio.row)
    if goal is None or not ratio.counts:
        return "beside"
    if not ratio.holds or not goal.reaches(ratio.median, goal.floor):
        return "MISSED"
    return "goal" if goal.reaches(ratio.median, goal.goal) else "floor"
