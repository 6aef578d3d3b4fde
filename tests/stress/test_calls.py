"""The rig hears every call that the kernel sees: else its kills, faults and losses would leave some out."""

import pytest
from rig.calls import Calls
from rig.kernel import as_seen, can_trace, seen_of_one_save
from rig.kills import calls_of_one_save


@pytest.mark.skipif(not can_trace(), reason="strace is not installed, or may not trace here")
def test_the_kernel_sees_the_same_calls_in_the_same_order(tmp_path):
    heard = as_seen(calls_of_one_save(tmp_path / "heard"))
    seen = seen_of_one_save(tmp_path / "seen")

    assert heard == seen
    assert {kind for kind, _ in heard} >= {"create", "mkdir", "write", "fsync", "rename", "unlink", "rmdir"}


def test_a_commit_is_in_the_order_that_survives(tmp_path):
    """Files, the manifest last, the folder, its new name, the folder above; only then is an old one removed."""
    order = [
        (kind, name) for kind, name in as_seen(calls_of_one_save(tmp_path / "made")) if kind in ("fsync", "rename")
    ]
    assert order[-7:] == [
        ("fsync", "first.safetensors"),
        ("fsync", "weights.safetensors"),
        ("fsync", "manifest.json"),
        ("fsync", ".step.5.*"),
        ("rename", ".step.5.*"),
        ("fsync", "."),
        ("rename", "step.3"),
    ]


def test_nothing_is_heard_outside_the_folder_or_afterwards(tmp_path):
    heard = []
    (tmp_path / "inside").mkdir()
    with Calls(tmp_path / "inside", heard.append):
        (tmp_path / "outside.txt").write_text("a")
        (tmp_path / "inside" / "a.txt").write_text("ab")
    (tmp_path / "inside" / "b.txt").write_text("a")
    assert [(call.kind, call.path, call.data) for call in heard] == [
        ("create", "a.txt", b""),
        ("write", "a.txt", b"ab"),
    ]
