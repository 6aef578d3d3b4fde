"""Prompts in two kinds of French: those that both have, coded alike, held out by prompt."""

import io
from collections import defaultdict

import numpy as np
import pytest

from headstart.errors import UsageError
from headstart.specs import DatasetRequest, MakeRequest
from headstart_plugins.sound_sets._prompts import build, make

soundfile = pytest.importorskip("soundfile")


def packages(root, shared=60):
    """Prompts as Debian's packages have them: headerless GSM, some in only one of the two."""
    generator = np.random.default_rng(0)
    for folder, own in (("fr_CA_f_June", "only-here"), ("fr", "only-there")):
        for name in (*(f"digits/{number}" for number in range(shared)), own, "silence/1"):
            stream = io.BytesIO()
            soundfile.write(stream, generator.uniform(-0.3, 0.3, 1_600), 8_000, format="RAW", subtype="GSM610")
            path = root / "usr/share/asterisk/sounds" / folder / f"{name}.gsm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stream.getvalue())
    return root


def test_prompts_that_both_have_are_kept_in_one_codec_and_loudness(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    make(MakeRequest(folder, packages(tmp_path / "root")))
    records = build(DatasetRequest(None, None, made=folder)).items
    assert len(records) == 120
    sides, labels = defaultdict(set), defaultdict(set)
    for record in records:
        sides[record.group].add(record.split)
        labels[record.group].add(record.target)
        info = soundfile.info(record.payload)
        assert (info.samplerate, info.subtype) == (8_000, "GSM610")
    assert all(len(found) == 1 for found in sides.values())
    assert all(found == {"fr_CA", "fr_FR"} for found in labels.values())
    assert {record.split for record in records} == {"train", "val", "test"}


def test_too_few_shared_prompts_are_refused(tmp_path):
    with pytest.raises(UsageError, match="has 9 prompts that fr_CA_f_June and fr share"):
        make(MakeRequest(tmp_path, packages(tmp_path / "root", shared=9)))
