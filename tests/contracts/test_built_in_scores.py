"""The contract of transfer scores over every built-in one."""

import subprocess
import sys

from headstart.testing import ScoreDeclared, ScoreMeasured

from .built_ins import built_ins, contract_of, covered

for offer in built_ins("scores"):
    made = contract_of(offer, ScoreMeasured)
    globals()[made.__name__] = made
del made


class TestProbe(ScoreDeclared):
    """Of the others it is asked below, in one process."""

    name = "scores/probe"


def test_no_module_that_builds_a_score_imports_a_framework():
    modules = sorted({spec.build.partition(":")[0] for spec in built_ins("scores")})
    assert len(modules) > 5
    code = f"import sys, {', '.join(modules)}; print({{'keras', 'jax', 'torch', 'tensorflow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_built_in_score_has_its_contract():
    assert covered(globals(), ScoreMeasured) == {spec.name for spec in built_ins("scores")}
