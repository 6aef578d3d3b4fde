"""The contract of datasets over every built-in one. Each needs a sample of its own, so each has a class by hand."""

import gzip
import json
import shutil
import string
import struct
import wave
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from headstart.testing import DatasetContract
from headstart_plugins._made_sets.coco_files import Box, Picture, write_side

from ..debian import debian_package
from .built_ins import built_ins, covered, word_pieces


def write_pictures(folder, classes, each=4):
    """PNG files of noise, `folder`/class/number.png."""
    generator = np.random.default_rng(len(classes))
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = generator.integers(0, 256, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def idx(array):
    return struct.pack(f">{1 + array.ndim}I", 0x800 | array.ndim, *array.shape) + array.tobytes()


class TestDigits(DatasetContract):
    name = "digits/digits"


class TestFashionMnist(DatasetContract):
    name = "fashion_mnist/fashion_mnist"

    def reference(self, folder):
        generator = np.random.default_rng(0)
        for prefix, count in (("train", 40), ("t10k", 20)):
            pictures = generator.integers(0, 256, (count, 28, 28), np.uint8)
            (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(pictures))
            labels = (np.arange(count) % 10).astype(np.uint8)
            (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
        return folder


class TestImageFolder(DatasetContract):
    name = "files/image_folder"

    def reference(self, folder):
        return write_pictures(folder / "photos", ("cat", "dog", "owl"))


class TestImageFolderInAnArchive(DatasetContract):
    name = "files/image_folder"

    def reference(self, folder):
        write_pictures(folder / "photos", ("cat", "dog", "owl"))
        return shutil.make_archive(str(folder / "photos"), "zip", folder, "photos")


class Texts:
    """Twelve reviews in two classes."""

    def assets(self, folder):
        return word_pieces(folder)

    def reviews(self):
        words = (("good", "pos"), ("bad", "neg"))
        return [(f"the film was {word} {number}", label) for number in range(6) for word, label in words]


class TestTextFolder(Texts, DatasetContract):
    name = "files/text_folder"

    def reference(self, folder):
        for number, (text, label) in enumerate(self.reviews()):
            (folder / label).mkdir(exist_ok=True)
            (folder / label / f"{number}.txt").write_text(text, "utf-8")
        return folder


class TestManifestOfTexts(Texts, DatasetContract):
    name = "files/manifest"

    def reference(self, folder):
        lines = [f"{text},{label}" for text, label in self.reviews()]
        (folder / "table.csv").write_text("\n".join(["review,label", *lines]) + "\n", encoding="utf-8")
        return folder / "table.csv"


class TestManifestOfPairs(Texts, DatasetContract):
    name = "files/manifest"

    def reference(self, folder):
        rows = [{"text": text, "text2": text[4:], "label": label} for text, label in self.reviews()]
        (folder / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return folder / "table.jsonl"


class TestParquet(DatasetContract):
    name = "files/parquet"
    requires = ("pyarrow",)

    def reference(self, folder):
        import pyarrow.parquet

        write_pictures(folder / "photos", ("cat", "dog", "owl"))
        files = sorted((folder / "photos").rglob("*.png"))
        images = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
        table = pyarrow.table({"image": images, "label": [file.parent.name for file in files]})
        pyarrow.parquet.write_table(table, folder / "photos.parquet")
        return folder / "photos.parquet"


class TestImageFolderWithItsOwnSplit(DatasetContract):
    name = "files/image_folder"
    options = {"horizontal_flip": False}

    def reference(self, folder):
        for classes, split in ((("cat", "dog"), "train"), (("cat", "dog"), "test")):
            write_pictures(folder / split, classes, each=5 if split == "train" else 3)
        # The two sides were drawn alike: equal pictures on both would be refused, so one side is inverted.
        for file in (folder / "test").rglob("*.png"):
            Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
        return folder


class Boxes(DatasetContract):
    """Twelve pictures with a box each, of two classes, 24 x 20 pixels."""

    def pictures(self, folder):
        write_pictures(folder, ("pictures",), each=12)
        return [(f"{number}.png", ("cat", "dog")[number % 2], number) for number in range(12)]

    def coco(self, folder):
        boxes = [
            {"id": number, "image_id": number, "category_id": ("cat", "dog").index(label), "bbox": [number, 2, 9, 8]}
            for _, label, number in self.pictures(folder)
        ]
        images = [{"id": number, "file_name": f"{number}.png", "width": 24, "height": 20} for number in range(12)]
        categories = [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]
        document = {"images": images, "annotations": boxes, "categories": categories}
        (folder / "boxes.json").write_text(json.dumps(document), encoding="utf-8")
        return folder


class TestBoxFolder(Boxes):
    name = "box_files/box_folder"

    def reference(self, folder):
        return self.coco(folder)


class TestCoco(Boxes):
    name = "box_files/coco"

    def reference(self, folder):
        return self.coco(folder) / "boxes.json"


class TestVoc(Boxes):
    name = "box_files/voc"

    def reference(self, folder):
        for name, label, number in self.pictures(folder):
            box = f"<xmin>{number + 1}</xmin><ymin>3</ymin><xmax>{number + 9}</xmax><ymax>10</ymax>"
            text = f"<annotation><object><name>{label}</name><bndbox>{box}</bndbox></object></annotation>"
            (folder / "pictures" / name).with_suffix(".xml").write_text(text, encoding="utf-8")
        return folder


class TestYolo(Boxes):
    name = "box_files/yolo"

    def reference(self, folder):
        for name, label, number in self.pictures(folder):
            text = f"{('cat', 'dog').index(label)} 0.5 0.5 0.25 {(number + 1) / 20}\n"
            (folder / "pictures" / name).with_suffix(".txt").write_text(text, encoding="utf-8")
        (folder / "data.yaml").write_text("train: pictures\nnames: [cat, dog]\n", encoding="utf-8")
        return folder


class TestTableOfBoxes(Boxes):
    name = "box_files/table"

    def reference(self, folder):
        rows = [f"pictures/{name},{label},{number},2,{number + 9},10" for name, label, number in self.pictures(folder)]
        (folder / "boxes.csv").write_text("\n".join(["path,label,left,top,right,bottom", *rows]), encoding="utf-8")
        return folder / "boxes.csv"


class Masks(DatasetContract):
    """Twelve pictures of 24 x 20 pixels, each with a mask of three classes and void."""

    def pictures(self, folder, name, masks):
        """Below `folder`/`name` and `folder`/`masks`; what they are called."""
        write_pictures(folder, (name,), each=12)
        (folder / masks).mkdir()
        for number in range(12):
            values = np.zeros((20, 24), np.uint8)
            values[:, number : number + 8], values[:5], values[-1] = 1, 2, 255
            Image.fromarray(values).save(folder / masks / f"{number}.png")
        return [f"{number}.png" for number in range(12)]


class TestMasks(Masks):
    name = "mask_files/masks"

    def reference(self, folder):
        self.pictures(folder, "pictures", "masks")
        (folder / "classes.txt").write_text("ground\nthing\nsky\n", encoding="utf-8")
        return folder


class TestTableOfMasks(Masks):
    name = "mask_files/masks"
    options = {"classes": ("ground", "thing", "sky")}

    def reference(self, folder):
        rows = [f"p/{name},m/{name},g{number}" for number, name in enumerate(self.pictures(folder, "p", "m"))]
        (folder / "set.csv").write_text("\n".join(["path,mask,group", *rows]), encoding="utf-8")
        return folder / "set.csv"


class TestVocMasks(Masks):
    name = "mask_files/voc_masks"

    def reference(self, folder):
        self.pictures(folder, "JPEGImages", "SegmentationClass")
        return folder


class TestCocoMasks(Boxes):
    name = "mask_files/coco_masks"

    def reference(self, folder):
        file = self.coco(folder) / "boxes.json"
        document = json.loads(file.read_text(encoding="utf-8"))
        for each in document["annotations"]:
            left, top, width, height = each.pop("bbox")
            right, bottom = left + width, top + height
            each["segmentation"] = [[left, top, right, top, right, bottom, left, bottom]]
        file.write_text(json.dumps(document), encoding="utf-8")
        return file


class TestManifest(DatasetContract):
    name = "files/manifest"

    def reference(self, folder):
        write_pictures(folder / "photos", ("cat", "dog"), each=5)
        lines = [f"photos/{name}/{number}.png,{name},{number}" for name in ("cat", "dog") for number in range(5)]
        (folder / "table.csv").write_text("\n".join(["path,label,group", *lines]) + "\n", encoding="utf-8")
        return folder / "table.csv"


class TextSetContract(DatasetContract):
    """Texts are read by the tokenizer of some weights; this one knows letters and digits alone."""

    requires = ("tokenizers",)

    def assets(self, folder):
        signs = string.ascii_lowercase + string.digits
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{sign}" for sign in signs)]
        (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
        return {"vocab.txt": folder / "vocab.txt"}


def write_sounds(folder, names):
    """A tone each, from 200 Hz on, as WAV files of half a second at 16 kHz."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tone = np.sin(2 * np.pi * (200 + 10 * number) * np.arange(8_000) / 16_000)
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
            file.writeframes(np.rint(12_000 * tone).astype("<i2").tobytes())
    return folder


@pytest.mark.skipif(find_spec("soundfile") is None, reason="needs the extra sound")
class Sounds(DatasetContract):
    """Sounds are read by packages of an extra."""


class TestAudioFolder(Sounds):
    name = "files/audio_folder"

    def reference(self, folder):
        return write_sounds(folder / "clips", [f"{label}/{number}.wav" for label in "ab" for number in range(5)])


class AccentsContract(Sounds):
    """Tones in the places of the clips that an engine speaks."""

    def reference(self, folder):
        rows, names = ["path,accent,voice,text,split"], []
        for number, accent in enumerate(("en-gb-scotland", "en-us") * 9):
            side = ("train", "val", "test")[number // 2 % 3]
            names.append(f"{accent}/{number}.wav")
            rows.append(f"{names[-1]},{accent},{side}1,Sentence {number // 2}.,{side}")
        (write_sounds(folder / "made", names) / "clips.csv").write_text("\n".join(rows), encoding="utf-8")
        return folder / "made"


class TestAccents(AccentsContract):
    name = "sound_sets/accents"


class TestOtherAccents(AccentsContract):
    name = "sound_sets/other_accents"


class TestPromptsFr(Sounds):
    name = "sound_sets/prompts_fr"

    def reference(self, folder):
        return write_sounds(folder / "made", [f"{accent}/{n}.wav" for accent in ("fr_CA", "fr_FR") for n in range(20)])


class TestMovieSentences(TextSetContract):
    name = "text_sets/movie_sentences"

    def reference(self, folder):
        rated = enumerate([2.0, -1.5, 0.2, 3.5, -0.5, 1.0, -2.5, 0.5], start=1)
        rows = [f"{number}\t{rating}\tSentence number {number} of a review." for number, rating in rated]
        (folder / "movieReviewSnippets_GroundTruth.txt").write_text("\r\n".join(rows), encoding="utf-8", newline="")
        return folder


class TestDebianSections(TextSetContract):
    name = "text_sets/debian_sections"
    options = {"sections": ["games", "perl"]}

    def source(self, folder):
        stanzas = [
            f"Package: {section}-{number}\nSection: {section}\nDescription: what number {number} of {section} does\n"
            for section in ("games", "perl", "net")
            for number in range(6)
        ]
        (folder / "available.txt").write_text("\n".join(stanzas), encoding="utf-8")
        return folder / "available.txt"


class TestSpamAssassin(TextSetContract):
    name = "text_sets/spam_assassin"

    def reference(self, folder):
        mails = [
            {
                "key": f"{side}-1/{number}",
                "text": f"{side} mail {number}",
                "group": f"{side}-1/0" if number < 2 else None,
            }
            for side in ("easy-ham", "spam")
            for number in range(8)
        ]
        lines = [json.dumps(mail) + "\n" for mail in mails]
        (folder / "mails.jsonl").write_text("".join(lines), encoding="utf-8")
        return folder


class DetectionSetContract(DatasetContract):
    """Twelve pictures of noise, each with boxes of both classes but the last, which is empty."""

    def reference(self, folder):
        generator = np.random.default_rng(0)
        for side in ("train", "val", "test"):
            (folder / side).mkdir()
            pictures = []
            for number in range(4):
                pixels = generator.integers(0, 256, (40, 60, 3), np.uint8)
                Image.fromarray(pixels).save(folder / side / f"{number}.png")
                boxes = (Box("one", (1, 2, 11, 12), 100), Box("two", (30, 0, 60, 20), 600)) if number < 3 else ()
                pictures.append(Picture(f"{number}.png", 60, 40, boxes, side))
            about = {"classes": ("one", "two"), "tile": 60, "overlap": 0, "kept": 0.5, "stamps": []}
            write_side(folder, side, pictures, about)
        return folder


class TestDeepforest(DetectionSetContract):
    name = "detection_sets/deepforest"


class TestStampScenes(DetectionSetContract):
    name = "detection_sets/stamp_scenes"


class SegmentationSetContract(DetectionSetContract):
    """The same pictures, each with a mask."""

    def reference(self, folder):
        super().reference(folder)
        for number, file in enumerate(sorted(folder.glob("*/*.png"))):
            place = folder / "masks" / file.parent.name / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            values = np.zeros((40, 60), np.uint8)
            values[:10, : 5 + number] = 1
            Image.fromarray(values).save(place)
        (folder / "masks" / "classes.txt").write_text("ground\nthing\n", encoding="utf-8")
        about = {"tile": 60, "overlap": 0, "nuclei": 12}
        (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
        return folder


class TestStampMasks(SegmentationSetContract):
    name = "segmentation_sets/stamp_masks"


class TestNuclei(SegmentationSetContract):
    name = "segmentation_sets/nuclei"


PAIRS = [
    (f"this is sentence {number} of {side}", f"esta frase {number} da parte {side}")
    for number in range(8)
    for side in "ab"
]


class TestParallel(TextSetContract):
    name = "parallel_files/parallel"

    def reference(self, folder):
        for language, texts in zip(("en", "gl"), zip(*PAIRS, strict=True), strict=True):
            (folder / f"corpus.{language}").write_text("\n".join(texts), encoding="utf-8")
        return folder


class TestTmx(TextSetContract):
    name = "parallel_files/tmx"

    def reference(self, folder):
        units = "".join(
            f'<tu><tuv xml:lang="en"><seg>{source}</seg></tuv><tuv xml:lang="gl"><seg>{target}</seg></tuv></tu>'
            for source, target in PAIRS
        )
        text = f'<tmx version="1.4"><header srclang="en"/><body>{units}</body></tmx>'
        (folder / "memory.tmx").write_text(text, encoding="utf-8")
        return folder / "memory.tmx"


class Messages(TextSetContract):
    requires = ("polib", "tokenizers")

    def catalogue(self):
        import polib

        catalogue = polib.POFile()
        catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Language": "gl"}
        catalogue.extend(polib.POEntry(msgid=source, msgstr=target) for source, target in PAIRS)
        return catalogue


class TestCatalogues(Messages):
    name = "parallel_files/catalogues"

    def reference(self, folder):
        self.catalogue().save(str(folder / "app.po"))
        return folder


class TestLibreOffice(Messages):
    name = "parallel_sets/libreoffice"
    code = "gl"

    def source(self, folder):
        content = self.catalogue().to_binary()
        place = "./usr/lib/libreoffice/program/resource/gl/LC_MESSAGES/app.mo"
        return debian_package(folder / "messages.deb", {place: content, "./usr/share/doc/readme": b"no"})


class TestUdhr(TextSetContract):
    name = "parallel_sets/udhr"
    code = "glg"

    def reference(self, folder):
        pairs = [[f"article-{number:02d}.1", *pair] for number, pair in enumerate(PAIRS)]
        written = {"source": "eng", "target": "glg", "others": [], "pairs": pairs, "apart": []}
        (folder / "pairs.json").write_text(json.dumps(written), encoding="utf-8")
        return folder


def test_every_built_in_dataset_has_its_contract():
    assert covered(globals(), DatasetContract) == {spec.name for spec in built_ins("datasets")}
