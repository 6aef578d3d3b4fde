import pytest

from headstart.data.folders import walk
from headstart.errors import DataError


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "root"
    for name in ("b/2", "b/1", "a/c/3", "0", ".git/config", "b/.cache"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("x")
    return root


def test_files_are_sorted_and_hidden_entries_are_listed_and_not_entered(tree):
    found = walk(tree)
    assert [p.relative_to(tree).as_posix() for p in found.files] == ["0", "a/c/3", "b/1", "b/2"]
    assert [p.relative_to(tree).as_posix() for p in found.hidden] == [".git", "b/.cache"]
    assert [p.relative_to(tree).as_posix() for p in found.folders] == ["a", "a/c", "b"]


@pytest.mark.parametrize(
    "name", ["__MACOSX", "lost+found", "@eaDir", "$RECYCLE.BIN", "System Volume Information", ".ipynb_checkpoints"]
)
def test_folders_that_systems_and_tools_keep_are_listed_and_not_entered(tree, name):
    (tree / "a" / name).mkdir()
    (tree / "a" / name / "4").write_text("x")
    assert tree / "a" / name in walk(tree).hidden
    assert len(walk(tree).files) == 4


@pytest.mark.parametrize("name", ["Thumbs.db", "thumbs.db", "desktop.ini", ".DS_Store", "._1"])
def test_files_that_systems_keep_are_hidden(tree, name):
    (tree / "a" / name).write_text("x")
    assert tree / "a" / name in walk(tree).hidden
    assert len(walk(tree).files) == 4


def test_a_link_to_a_file_inside_is_followed(tree):
    (tree / "a" / "again").symlink_to("../b/1")
    assert tree / "a" / "again" in walk(tree).files


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("..", "to a folder that it lies in .*so that it loops"),
        (".", "to a folder that it lies in .*so that it loops"),
        ("../..", "to a folder that it lies in .*so that it loops"),
        ("../b", "to a folder"),
        ("../../outside", "to a folder"),
        ("../../outside/secret", "leaves"),
        ("link", "to nothing or to itself"),
        ("gone", "to nothing or to itself"),
    ],
)
def test_links_that_loop_leave_or_lead_nowhere_are_refused_by_name(tree, target, said):
    (tree / "a" / "link").symlink_to(target)
    with pytest.raises(DataError, match=f"a/link: symbolic link.*{said}"):
        walk(tree)


def test_a_root_that_is_itself_a_link_is_fine(tree, tmp_path):
    (tmp_path / "alias").symlink_to(tree)
    assert len(walk(tmp_path / "alias").files) == 4


def test_links_are_followed_where_that_is_asked_for(tree):
    (tree / "a" / "folder").symlink_to("../../outside")
    (tree / "a" / "file").symlink_to("../../outside/secret")
    (tree / "a" / "twin").symlink_to("../b")
    found = {p.relative_to(tree).as_posix() for p in walk(tree, links="follow").files}
    assert found == {"0", "a/c/3", "a/file", "a/folder/secret", "a/twin/1", "a/twin/2", "b/1", "b/2"}


@pytest.mark.parametrize("target", ["..", "../../..", "gone"])
def test_links_that_loop_or_lead_nowhere_are_refused_even_then(tree, target):
    (tree / "a" / "c" / "link").symlink_to(target)
    with pytest.raises(DataError, match=r"a/c/link: symbolic link.*(loops|to nothing)"):
        walk(tree, links="follow")


def test_two_links_that_lead_to_each_other_s_folders_are_a_loop(tree, tmp_path):
    (tree / "a" / "out").symlink_to("../../outside")
    (tmp_path / "outside" / "back").symlink_to(tree / "a")
    with pytest.raises(DataError, match=r"a/out/back: symbolic link.*loops"):
        walk(tree, links="follow")
