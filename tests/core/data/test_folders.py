import pytest

from headstart.data.folders import subfolders, walk
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
    assert [p.name for p in subfolders(tree)] == ["a", "b"]


def test_a_link_to_a_file_inside_is_followed(tree):
    (tree / "a" / "again").symlink_to("../b/1")
    assert tree / "a" / "again" in walk(tree).files


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("..", "to a folder"),
        (".", "to a folder"),
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
