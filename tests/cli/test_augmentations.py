"""A contact sheet: a picture of data and of what augmentations make of it, without a backend."""

import io
import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFont

from headstart.data.targets import build_target_kind
from headstart.data.views import Mixed
from headstart.registry import load_registry
from headstart.runs.contact_sheet import _labels, _read_some, _spread
from headstart.specs import Change, Drawn, DrawsSheets, InputRequest, Mix, Record, Shown
from headstart_cli.main import run_arguments
from headstart_plugins._contact_sheet import packed
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import ImageKind
from headstart_plugins.image._build import build as build_image
from headstart_plugins.image._sheet import contact_sheet, in_words

KINDS = {name: build_target_kind(load_registry(), name) for name in ("class", "number")}


@pytest.fixture
def sheet(tmp_path, capsys):
    def draw(*arguments):
        out = tmp_path / "sheet.png"
        assert (
            run_arguments(["augmentations", "show", "digits", *arguments, "--image-size", "40", "--out", str(out)]) == 0
        )
        assert capsys.readouterr().out.strip() == str(out)
        return np.asarray(Image.open(out))

    return draw


def test_a_sheet_has_a_row_a_sample_and_a_column_a_view(sheet):
    small, wide, tall = (
        sheet("light", "--samples", str(samples), "--views", str(views)).shape
        for samples, views in ((1, 1), (1, 3), (4, 1))
    )
    assert small[2] == 3
    assert (wide[1] - small[1]) % 2 == 0
    assert wide[1] - small[1] >= 2 * 120
    assert wide[0] == small[0]
    assert tall[0] - small[0] >= 3 * 120
    assert tall[1] == small[1]


def test_views_are_those_of_the_seed_and_the_augmentation(sheet):
    first = sheet("light", "--samples", "2", "--views", "2")
    assert np.array_equal(first, sheet("light", "--samples", "2", "--views", "2"))
    assert not np.array_equal(first, sheet("light", "--samples", "2", "--views", "2", "--seed", "1"))
    assert not np.array_equal(first, sheet("cutmix", "--samples", "2", "--views", "2"))
    set_ = ("--set", "augmentation.light.shift=0.4")
    assert not np.array_equal(first, sheet("light", "--samples", "2", "--views", "2", *set_))


def test_a_name_still_shows_one_offer_with_flags_on_either_side(capsys):
    for arguments in (("mixup", "--json"), ("--json", "mixup")):
        assert run_arguments(["augmentations", *arguments]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["name"] == "image_augmentations/mixup"
        assert document["mixes"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["digits", "mixupp"], "did you mean image_augmentations/mixup?"),
        (["digitz", "mixup"], "digitz"),
        (["digits", "mixup", "none"], "contradict each other"),
        (["digits", "mixup", "--samples", "900"], "900 samples with 5 views are 5,400 pictures"),
        (["digits", "mixup", "--set", "augmentation.mixup.alpha=9"], "augmentation.mixup.alpha"),
    ],
)
def test_what_cannot_be_drawn_is_exit_2_with_a_reason_and_no_file(tmp_path, capsys, arguments, said):
    out = tmp_path / "sheet.png"
    assert run_arguments(["augmentations", "show", *arguments, "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_what_a_dataset_does_not_allow_is_said(tmp_path, capsys):
    out = tmp_path / "sheet.png"
    arguments = ["digits", "trivial_augment", "--samples", "1", "--views", "1", "--image-size", "16", "--out", str(out)]
    assert run_arguments(["augmentations", "show", *arguments]) == 0
    told = capsys.readouterr().err
    assert "leaves out colour_inversion, rotation: digits does not say" in told
    assert "--set" not in told  # digits has no such options


@pytest.fixture
def pictures(tmp_path):
    """Two folders of ten pictures, the brightness of each is its own."""
    for label in ("dark", "light"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(10):
            shade = 20 * number + (10 if label == "light" else 0)
            Image.new("RGB", (40, 40), (shade, shade, 255 - shade)).save(tmp_path / "data" / label / f"{number}.png")
    return tmp_path / "data"


def show(*arguments):
    return run_arguments(["augmentations", "show", *map(str, arguments), "--image-size", "40", "--views", "1"])


def test_what_a_folder_may_say_is_allowed_and_named_until_it_does(pictures, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    assert show(pictures, "trivial_augment", "--out", out) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "where it does, add --set dataset.colour_inversion=true --set dataset.rotation=true" in told
    allowed = ("--set", "dataset.colour_inversion=true", "--set", "dataset.rotation=true")
    assert show(pictures, "trivial_augment", *allowed, "--out", out) == 0
    assert capsys.readouterr().err == ""


def test_what_the_user_said_of_a_symmetry_is_heeded_without_a_word(pictures, tmp_path, capsys):
    refused = [f"--set=dataset.{name}=false" for name in ("horizontal_flip", "rotation", "colour_inversion")]
    assert show(pictures, "trivial_augment", *refused[:2], "--out", tmp_path / "sheet.png") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "leaves out colour_inversion: " in told
    assert show(pictures, "trivial_augment", *refused, "--out", tmp_path / "sheet.png") == 0
    assert capsys.readouterr().err == ""


def test_files_that_cannot_be_read_are_told_and_others_take_their_place(pictures, tmp_path, capsys):
    for number in range(3):
        (pictures / "dark" / f"{number}.png").write_bytes(b"no picture")
    out = tmp_path / "sheet.png"
    assert show(pictures, "light", "--samples", "17", "--out", out) == 0
    told = capsys.readouterr().err
    assert [told.count(f"dark/{number}.png") for number in range(3)] == [1, 1, 1]
    heights = [Image.open(out).height]
    assert show(pictures, "light", "--samples", "16", "--out", out) == 0
    heights.append(Image.open(out).height)
    assert heights[0] > heights[1]  # all that can be read are shown


def test_the_pool_is_filled_past_what_cannot_be_read(pictures):
    kind = build_image(InputRequest({"size": [40, 40]}, ImageOptions()))
    records = [Record(f"{n}", path, "a") for n, path in enumerate(sorted(pictures.rglob("*.png")))]
    records[0].payload.write_bytes(b"")
    found = _read_some(records, kind, 4)
    assert len(found.items) >= 4
    assert [each.where for each in found.skipped] == ["0"]


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "notes.png"])
def test_no_file_of_the_users_is_replaced(pictures, tmp_path, capsys, name):
    mine = tmp_path / name
    if name == "notes.png":
        mine.write_text("no picture at all")
    else:
        Image.new("RGB", (8, 8)).save(mine)
    before = mine.read_bytes()
    assert show(pictures, "light", "--out", mine) == 2
    assert str(mine) in capsys.readouterr().err.replace("\n", "")
    assert mine.read_bytes() == before


def test_a_sheet_is_a_png_file_by_its_name(pictures, tmp_path, capsys):
    out = tmp_path / "sheet.jpg"
    assert show(pictures, "light", "--out", out) == 2
    told = capsys.readouterr().err.replace("\n", " ")
    assert "sheet.jpg is no PNG file" in told
    assert "such as sheet.png" in told
    assert not out.exists()


@pytest.mark.parametrize("there", [True, False])
def test_no_link_is_replaced(pictures, tmp_path, capsys, there):
    target, link = tmp_path / "sheet.png", tmp_path / "link.png"
    if there:
        assert show(pictures, "light", "--out", target) == 0
    link.symlink_to(target)
    assert show(pictures, "light", "--out", link) == 2
    assert str(link) in capsys.readouterr().err.replace("\n", "")
    assert link.is_symlink()
    assert target.exists() == there


def test_a_file_without_a_suffix_is_no_folder(pictures, tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    assert show(pictures, "light", "--out", mine) == 2
    assert "is no PNG file" in capsys.readouterr().err.replace("\n", " ")
    assert mine.read_text() == "mine"


def test_a_sheet_of_its_own_is_replaced(pictures, tmp_path):
    out = tmp_path / "new" / "sheet.png"
    assert show(pictures, "light", "--samples", "1", "--out", out) == 0
    small = Image.open(out).height
    assert show(pictures, "light", "--samples", "2", "--out", out) == 0
    assert Image.open(out).height > small


def moved(across, down=(0.0, 1.0, 0.0)):
    return Drawn((Change("matrix", (across, down, (0.0, 0.0, 1.0))),))


@pytest.mark.parametrize("mirror", [1.0, -1.0])
@pytest.mark.parametrize("shift", [0.2, -0.1])
def test_a_shift_is_told_as_it_is_seen(mirror, shift):
    """A bar in the middle lies where the caption says, in percent of the width."""
    kind = build_image(InputRequest({"size": [100, 100]}, ImageOptions()))
    bar = np.zeros((100, 100, 3), np.uint8)
    bar[:, 48:52] = 255
    drawn = moved((mirror, 0.0, shift))
    seen = kind.transform({"image": bar}, drawn.changes)["image"][:, :, 0].mean(axis=0)
    place = (seen * (np.arange(100) + 0.5)).sum() / seen.sum()
    assert in_words(drawn)[-1] == f"shift {round(place - 50):+} +0 %"


def test_every_change_is_told(pictures, tmp_path):
    """However many lines it takes: erasing and mixing come last."""
    notes = ("shift +1 +2 %", "brightness 0.50", "saturation 0.50", "contrast 0.50", "erased: noise", "cut and mixed")
    tensors = {"image": np.zeros((40, 40, 3), np.uint8)}
    sheets = (
        contact_sheet([[Shown(tensors, ("a",)), Shown(tensors, ("a",), notes=some)]], ("", ""))
        for some in (notes[:1], notes)
    )
    one, all_of_them = (Image.open(io.BytesIO(sheet.data)) for sheet in sheets)
    assert all_of_them.height >= one.height + 3 * 16


def test_where_nothing_can_be_read_the_reasons_are_given(tmp_path, capsys):
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "1.png").write_bytes(b"no picture")
    assert show(tmp_path / "data", "light", "--out", tmp_path / "sheet.png") == 3
    told = capsys.readouterr().err
    assert "a/1.png" in told
    assert "b/1.png" in told


def test_a_folder_gets_the_picture_by_its_usual_name(pictures, tmp_path, capsys):
    for out in (tmp_path, tmp_path / "new"):
        assert show(pictures, "light", "--out", out) == 0
        assert capsys.readouterr().out.strip() == str(out / "augmentations.png")
        assert (out / "augmentations.png").is_file()


def test_a_huge_picture_of_the_users_is_refused_as_any_other(pictures, tmp_path, capsys):
    mine = tmp_path / "huge.png"
    header = struct.pack(">II5B", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    mine.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert show(pictures, "light", "--out", mine) == 2
    told = capsys.readouterr().err
    assert "headstart did not write it" in told.replace("\n", " ")
    assert "Warning" not in told


def test_no_framework_is_loaded_for_it(tmp_path):
    code = (
        "import sys; from headstart_cli.main import run_arguments; "
        "code = run_arguments(['augmentations', 'show', 'digits', 'mixup', '--samples', '1', '--image-size', '16', "
        f"'--out', {str(tmp_path / 'sheet.png')!r}]); "
        "print(code, sorted({'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_samples_are_of_one_target_after_the_other_and_of_the_training_split_where_there_is_one():
    records = [Record(f"{number:02}", None, target) for number, target in enumerate("aaaabbc")]
    assert [record.target for record in _spread(records, KINDS["class"])] == list("abcabaa")
    given = [Record(f"{n}", None, "a", split=split) for n, split in enumerate(("test", "train", "val", "train"))]
    assert [record.key for record in _spread(given, KINDS["class"])] == ["1", "3"]


def test_the_first_of_many_numbers_are_spread_over_all_of_them():
    """As text, -0.5 and -1.5 and their like come first."""
    numbers = [f"{(number - 50) / 2}" for number in range(100)]
    records = [Record(text, None, text) for text in numbers]
    found = [float(record.target) for record in _spread(records, KINDS["number"])]
    assert sorted(found) == sorted(map(float, numbers))
    assert sorted(found[:4]) == [-25.0, -9.0, 7.0, 23.0]
    assert sum(number < 0 for number in found[:64]) == pytest.approx(32, abs=4)


def test_notes_that_are_wider_than_a_picture_are_broken_not_cut():
    font = ImageFont.load_default(12)
    note = "affine 1.00 -0.09 0.09 0.97"
    lines = packed(note.split(" "), " ", font, 120)
    assert " ".join(lines) == note
    assert len(lines) == 2
    assert all(font.getlength(line) <= 120 for line in lines)


def test_labels_of_mixtures_have_their_shares():
    words = ("cat", "dog", "cat")
    mixed = Mixed(np.array([1, 1, 0]), np.array([0.3, 1.0, 0.5], np.float32))
    assert _labels(words, 0, None) == ("cat",)
    assert [_labels(words, place, mixed) for place in range(3)] == [("cat: 30 %", "dog: 70 %"), ("dog",), ("cat",)]


def test_what_was_drawn_is_told_in_words_of_the_picture():
    erased = Change("erase", ((0, 0, 1, 1), "noise", 0))
    cases = {
        Drawn(): (),
        moved((-1.0, 0.0, 0.1)): ("mirrored", "shift +10 +0 %"),
        moved((np.cos(0.5), -np.sin(0.5), 0.0), (np.sin(0.5), np.cos(0.5), 0.0)): ("turn -29°",),
        moved((1.0, 0.3, 0.0)): ("shear -0.30",),
        moved((0.8, 0.0, 0.0), (0.0, 1.25, 0.0)): ("zoom 1.25 x 0.80",),
        Drawn((Change("posterize", 3), Change("invert"))): ("posterize 3 bits", "invert"),
        Drawn((erased,), mix=Mix(0.1, 0.5)): ("erased: noise", "mixed"),
        Drawn(mix=Mix(0.1, 0.5, (0, 0, 1, 1))): ("cut and mixed",),
    }
    assert [in_words(drawn) for drawn in cases] == list(cases.values())


def test_a_sheet_says_which_samples_have_no_label(pictures, tmp_path, monkeypatch):
    shown, drawn = [], ImageKind.sheet
    monkeypatch.setattr(ImageKind, "sheet", lambda kind, rows, titles: shown.extend(rows) or drawn(kind, rows, titles))
    lines = [f"data/dark/{number}.png,{'' if number % 2 else 'a|b'}" for number in range(10)]
    (tmp_path / "table.csv").write_text("\n".join(["path,labels", *lines]))
    assert show(tmp_path / "table.csv", "light", "--samples", "4", "--out", tmp_path / "sheet.png") == 0
    assert [row[0].labels for row in shown] == [("no label",), ("a|b",)] * 2


def test_a_sheet_is_the_input_kinds_own():
    """The kind renders what it is given: another draw, other words below the same pixels."""
    kind = build_image(InputRequest({"size": [40, 40]}, ImageOptions()))
    assert isinstance(kind, DrawsSheets)
    tensors = {"image": np.full((40, 40, 3), 90, np.uint8)}
    plain, told, noted = (
        kind.sheet([[Shown(tensors, ("cat",)), Shown(tensors, ("cat",), drawn, notes)]], ("as it is", "epoch 1"))
        for drawn, notes in ((Drawn(), ()), (moved((-1.0, 0.0, 0.0)), ()), (Drawn(), ("mirrored",)))
    )
    assert plain.media_type == "image/png"
    assert plain.data != told.data
    assert told.data == noted.data
