import io
import tarfile
from collections import Counter

import pytest

from headstart.data.made import stored_folder
from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, MakeRequest
from headstart_plugins.text_sets import MovieOptions
from headstart_plugins.text_sets._movies import FILE, build, make, sentences_of

TABLE = "1\t2.5\tGood.\r\n2\t-0.5\tBad.\r\n3\t0.4\tSo so.\r\n4\t-3.9\tAwful; ''really''.\r\n"


def packed(files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def opened(folder, **options):
    return build(DatasetRequest(None, MovieOptions(**options), made=folder))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / FILE).write_bytes(TABLE.encode())
    return tmp_path


def test_the_table_is_taken_out_of_the_archive_in_the_package(tmp_path):
    inner = packed({"hutto_ICWSM_2014/_README_.txt": b"read me", f"hutto_ICWSM_2014/{FILE}": TABLE.encode()})
    top = "vaderSentiment-3.3.2"
    package = tmp_path / "package.tar.gz"
    package.write_bytes(
        packed({f"{top}/setup.py": b"1 / 0", f"{top}/additional_resources/hutto_ICWSM_2014.tar.gz": inner})
    )
    assert sentences_of(package) == TABLE.encode()
    package.write_bytes(packed({f"{top}/setup.py": b"1 / 0"}))
    with pytest.raises(DataError, match=f"does not hold {FILE}"):
        sentences_of(package)


def test_classes_are_the_sign_of_decided_ratings(folder):
    records = opened(folder)
    assert [(item.key, item.payload, item.target) for item in records.items] == [
        ("sentence-00001", "Good.", "positive"),
        ("sentence-00002", "Bad.", "negative"),
        ("sentence-00004", "Awful; ''really''.", "negative"),
    ]
    assert [(finding.level, finding.count) for finding in records.findings] == [("note", 1)]
    assert records.targets == "targets/class"


def test_ratings_are_numbers_of_every_sentence(folder):
    records = opened(folder, target="rating")
    assert [float(item.target) for item in records.items] == [2.5, -0.5, 0.4, -3.9]
    assert (records.targets, records.findings) == ("targets/number", ())


@pytest.mark.parametrize("row", ["5\tgood", "x\t1\tgood", "5\tfine\tgood", "5\t4.1\tgood", "5\tnan\tgood"])
def test_a_damaged_row_is_named(folder, row):
    (folder / FILE).write_text(TABLE + row, encoding="utf-8", newline="")
    with pytest.raises(DataError, match=rf"{FILE}, row 5: "):
        opened(folder)


def assert_published(folder):
    assert Counter(item.target for item in opened(folder).items) == {"negative": 5076, "positive": 4996}
    rated = opened(folder, target="rating").items
    assert len(rated) == 10605
    assert len({item.key for item in rated}) == 10605
    assert rated[2].payload == "Effective but too tepid biopic"


def test_the_real_set_has_its_published_counts():
    folder = stored_folder(load_registry().get("datasets", "text_sets/movie_sentences"))
    if not folder.is_dir():
        pytest.skip("movie_sentences is not made: headstart datasets make movie_sentences")
    assert_published(folder)


@pytest.mark.slow
def test_the_real_set_is_made_by_pip(tmp_path):
    make(MakeRequest(tmp_path))
    assert_published(tmp_path)
