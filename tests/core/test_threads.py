"""How many threads a process takes, by the control groups that it is in, and how they wait."""

import json
import os
import subprocess
import sys

import pytest

from headstart.threads import available_threads, cpu_quota


@pytest.mark.parametrize(("asked", "fewer"), [("1", True), ("", False), ("many", False), ("0", False)])
def test_a_process_takes_its_share_of_the_cores_or_what_omp_num_threads_leaves_it(monkeypatch, asked, fewer):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    cores = len(os.sched_getaffinity(0))

    assert available_threads() == (1 if fewer else cores)


def groups(folder, membership, **files):
    """A tree of control groups, and the file by which a process says where it is."""
    for name, content in files.items():
        path = folder / "groups" / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "cgroup").write_text(membership)
    return folder / "groups", folder / "cgroup"


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpuDOTmax": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpuDOTmax": "max 100000\n"}, None),
        ("0::/a.slice/b\n", {"aDOTslice__cpuDOTmax": "50000 100000\n", "aDOTslice__b__cpuDOTmax": "max 100000\n"}, 0.5),
        ("0::/unseen/by/the/container\n", {"cpuDOTmax": "200000 100000\n"}, 2.0),
        (
            "4:memory:/m\n3:cpu,cpuacct:/c\n0::/\n",
            {"cpu,cpuacct__c__cpuDOTcfs_quota_us": "300000\n", "cpu,cpuacct__c__cpuDOTcfs_period_us": "100000\n"},
            3.0,
        ),
        ("1:cpu:/c\n", {"cpu__cpuDOTcfs_quota_us": "-1\n", "cpu__cpuDOTcfs_period_us": "100000\n"}, None),
        ("no cgroup file of a known form\n", {"cpuDOTmax": "much\n"}, None),
    ],
)
def test_the_least_quota_of_a_group_and_those_above_it_counts(tmp_path, membership, files, quota):
    assert cpu_quota(*groups(tmp_path, membership, **files)) == quota


def told(program, **variables):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP", "GOMP", "KMP"))}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**environment, **variables}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


ACTIVATE = """
import json, os
from headstart.backend import BackendChoice, activate
from headstart.threads import how_threads_wait, spinning_findings
activate(BackendChoice('torch', 'a test'))
said = [finding.message for threads in (1, 2) for finding in spinning_findings(threads)]
print(json.dumps([os.environ.get('OMP_WAIT_POLICY'), how_threads_wait(), said]))
"""


@pytest.mark.slow
def test_threads_sleep_where_they_wait_unless_the_user_says_otherwise_or_torch_is_there_already():
    assert told(ACTIVATE) == ["PASSIVE", "asleep (OMP_WAIT_POLICY=PASSIVE)", []]
    assert told(ACTIVATE, OMP_WAIT_POLICY="ACTIVE") == ["ACTIVE", "as OMP_WAIT_POLICY=ACTIVE says", []]
    assert told(ACTIVATE, GOMP_SPINCOUNT="9") == [None, "as GOMP_SPINCOUNT=9 says", []]
    said = "torch was loaded before headstart, so that its threads spin where they wait"
    assert told(f"import torch\n{ACTIVATE}") == [None, "spinning", [said]]


@pytest.mark.slow
def test_the_threads_that_a_user_gave_pytorch_stay_unless_a_run_names_its_own():
    program = """
import json, torch
torch.set_num_threads(7)
from headstart.backend import BackendChoice, activate
found = []
for threads in (None, 3, None):
    activate(BackendChoice('torch', 'a test'), threads)
    found.append(torch.get_num_threads())
print(json.dumps(found))
"""
    assert told(program) == [7, 3, 3]
