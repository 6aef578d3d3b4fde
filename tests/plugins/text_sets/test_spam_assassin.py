import io
import tarfile
from collections import Counter
from email.message import EmailMessage

import pytest

from headstart.data.made import stored_folder
from headstart.errors import DataError
from headstart.options import NoOptions
from headstart.registry import load_registry
from headstart.specs import DatasetRequest
from headstart_plugins.text_sets._lines import write_lines
from headstart_plugins.text_sets._mail import text_of
from headstart_plugins.text_sets._spam import FILE, build, grouped, mails_of

WORDS = "you have been chosen among many to receive this offer of a new and better life today"


def mail(subject, text, **others):
    message = EmailMessage()
    message["From"], message["Subject"] = "someone@example.org", subject
    message.set_content(text, **others)
    return message


def test_of_a_mail_the_subject_and_the_plain_text_are_read():
    message = mail("Grüße  aus\tWien", "Schöne Tage!\nBis bald")
    message.add_alternative("<b>Schöne Tage im HTML</b>", subtype="html")
    message.add_attachment(b"\x00\x01", maintype="application", subtype="zip")
    assert text_of(message.as_bytes()) == "Grüße aus Wien\n\nSchöne Tage!\nBis bald"


def test_of_a_mail_that_is_html_alone_what_is_shown_is_read():
    page = "<html><style>p {color: red}</style><p>Caf&eacute; &lt;3</p><!-- x --><SCRIPT>\nlet a\n</script >end</html>"
    assert text_of(mail("Hi", page, subtype="html").as_bytes()).split() == ["Hi", "Café", "<3", "end"]


@pytest.mark.parametrize("charset", ["no-such-encoding", "us-ascii", "utf-8"])
def test_encodings_that_are_wrong_stop_nothing(charset):
    raw = f"Subject: =?{charset}?q?caf=E9?=\nContent-Type: text/plain; charset={charset}\n\n".encode() + b"caf\xe9\n"
    assert text_of(raw) == "café\n\ncafé"


def test_a_mail_without_a_subject_or_text_is_what_there_is():
    assert text_of(b"Subject: alone\n\n") == "alone"
    assert text_of(b"To: you\n\ntext\n") == "text"


def package_of(tmp_path, files):
    path = tmp_path / "package.tgz"
    with tarfile.open(path, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_mails_are_read_from_the_package_sorted_by_their_place(tmp_path):
    names = [f"{side}/0000{number}.{number * 32}" for side, number in (("spam-1", "2"), ("easy-ham-1", "1"))]
    files = {f"data/{name}.txt": mail(name, "text").as_bytes() for name in names}
    files |= {"data/spam-1/cmds": b"no mail", f"data/{names[0]}.json": b"{}", "LICENSE": b"PDDL"}
    mails = mails_of(package_of(tmp_path, files))
    assert [(each.key, each.text) for each in mails] == [(name, f"{name}\n\ntext") for name in sorted(names)]


def test_near_copies_are_one_group_and_all_others_in_none(tmp_path):
    texts = [
        ("easy-ham-1/1", "a letter from a friend who writes about the garden"),
        ("spam-1/1", f"No. 1 {WORDS}"),
        ("spam-1/2", "an offer of another kind, which nobody else has got"),
        ("spam-2/1", f"no 3456, {WORDS.upper()}!"),
    ]
    write_lines(tmp_path / FILE, grouped(texts))
    records = build(DatasetRequest(None, NoOptions(), made=tmp_path))
    assert [(item.key, item.target, item.group) for item in records.items] == [
        ("easy-ham-1/1", "ham", None),
        ("spam-1/1", "spam", "spam-1/1"),
        ("spam-1/2", "spam", None),
        ("spam-2/1", "spam", "spam-1/1"),
    ]
    (finding,) = records.findings
    assert (finding.level, finding.count) == ("note", 2)
    assert finding.message.startswith("2 of 4 e-mails are near-copies")


@pytest.mark.parametrize(
    "line", ["no JSON", "[]", '{"key": "spam-1/9", "text": "x"}', '{"key": 1, "text": "", "group": ""}']
)
def test_a_damaged_line_is_named(tmp_path, line):
    write_lines(tmp_path / FILE, grouped([("spam-1/1", "text"), ("spam-1/2", "other")]))
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write(line)
    with pytest.raises(DataError, match=rf"{FILE}, line 3: cannot be read"):
        build(DatasetRequest(None, NoOptions(), made=tmp_path))


def test_the_real_set_has_its_published_counts():
    folder = stored_folder(load_registry().get("datasets", "text_sets/spam_assassin"))
    if not folder.is_dir():
        pytest.skip("spam_assassin is not made: headstart datasets make spam_assassin")
    items = build(DatasetRequest(None, NoOptions(), made=folder)).items
    assert Counter(item.target for item in items) == {"ham": 4150, "spam": 1896}
    assert all(item.payload.strip() for item in items)
    groups = Counter(item.group for item in items if item.group is not None)
    assert (len(groups), groups.total()) == (500, 1460)
    same = {item.payload: item.group for item in items}
    assert all(same[item.payload] == item.group for item in items)  # exact copies are always in one
