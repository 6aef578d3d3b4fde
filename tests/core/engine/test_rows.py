"""On PyTorch, gradients of a few rows of a table: the same updates as of all its rows, and the others left alone."""

import keras
import numpy as np
import pytest

from headstart.engine.train.optimizer import GroupedOptimizer, Rules, Schedule
from headstart.engine.train.update_rules import Adam, Sgd

pytestmark = pytest.mark.backend
torch = pytest.importorskip("torch")
ROWS, WIDTH = 40, 3


@pytest.fixture(autouse=True)
def _on_torch():
    if keras.backend.backend() != "torch":
        pytest.skip("PyTorch's update")


def gradients(step, rows, *, sparse):
    """Of a table, `rows` of it, and of a bias."""
    rng = np.random.default_rng(step)
    table = np.zeros((ROWS, WIDTH), np.float32)
    table[rows] = rng.normal(size=(len(rows), WIDTH))
    bias = torch.from_numpy(rng.normal(size=WIDTH).astype("float32"))
    full = torch.from_numpy(table)
    places = torch.tensor([rows])
    return [
        torch.sparse_coo_tensor(places, full[rows], full.shape, check_invariants=True).coalesce() if sparse else full,
        bias,
    ]


def trained(batches, update, rules, *, sparse, reload_at=None):
    from headstart.engine.torch.step import InPlaceUpdate

    rng = np.random.default_rng(0)
    named = {
        "embeddings/0/embeddings": keras.Variable(rng.normal(size=(ROWS, WIDTH)).astype("float32")),
        "embeddings/1/bias": keras.Variable(rng.normal(size=WIDTH).astype("float32")),
    }
    optimizer = GroupedOptimizer(named, {"embeddings": 0.1}, Schedule(20), update=update, rules=rules)
    apply = InPlaceUpdate(optimizer)
    for step, rows in enumerate(batches):
        if step == reload_at:
            apply = InPlaceUpdate(optimizer)
        apply(gradients(step, rows, sparse=sparse))
    return [each.value.detach().clone() for each in named.values()] + [*optimizer.first, *optimizer.second]


@pytest.mark.parametrize(
    ("update", "rules"),
    [
        (Adam(), Rules()),
        (Adam(), Rules(weight_decay=0.1, clip=0.5)),
        (Adam(), Rules(weight_decay=0.1, l2_sp=0.1, average=0.9)),
        (Sgd(0.9), Rules(weight_decay=0.1)),
    ],
)
@pytest.mark.parametrize("batches", [[[1, 5], [5, 7], [2], [1]], [[1], [*range(5, 30)], [2, 33]]])
def test_the_update_of_some_rows_is_that_of_all(update, rules, batches):
    """In the second case the rows met become too many to be gathered. A loop that is set up anew goes on to the bit."""
    expected = trained(batches, update, rules, sparse=False)
    given = trained(batches, update, rules, sparse=True)
    for ours, theirs in zip(given, expected, strict=True):
        assert theirs.std() > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    again = trained(batches, update, rules, sparse=True, reload_at=2)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(again, given, strict=True))


def test_rows_that_nothing_flows_to_are_not_met():
    """As of padding that is masked. The kernel's last few numbers are rounded in their own way (PyTorch 2.13), so that
    a row more among those gathered would change bits of others, and moments do not tell a resumed loop of it."""
    from headstart.engine.torch.rows import Rows, chosen

    table = torch.arange(ROWS * WIDTH, dtype=torch.float32).reshape(ROWS, WIDTH)
    few = torch.sparse_coo_tensor(
        torch.tensor([[0, 3, 7]]), torch.tensor([[0.0] * 3, [1, 0, 0], [0, 2, 0]]), table.shape, check_invariants=True
    ).coalesce()
    met = torch.zeros(ROWS, dtype=torch.bool)
    rows = chosen(Rows(table, torch.zeros_like(table), torch.zeros_like(table), few), met)
    assert met.nonzero()[:, 0].tolist() == rows.places.tolist() == [3, 7]
    assert torch.equal(rows.gradient, few.to_dense()[[3, 7]])
    assert torch.equal(rows.value, table[[3, 7]])


def test_norms_and_sums_of_gradients_see_the_rows():
    from headstart.engine.torch.rows import added
    from headstart.engine.torch.step import all_finite, norm_of

    full, few = (gradients(0, [3, 9], sparse=sparse) for sparse in (False, True))
    torch.testing.assert_close(norm_of(few), norm_of(full))
    more = added(few, gradients(1, [9, 4], sparse=True))
    assert torch.equal(more[0].to_dense(), full[0] + gradients(1, [9, 4], sparse=False)[0])
    for one, other in ((few, full), (full, few)):  # PyTorch refuses the first order
        assert torch.equal(added(one, other)[0], 2 * full[0])
    assert all_finite(few)
    broken = torch.sparse_coo_tensor(
        torch.tensor([[1]]), torch.full((1, WIDTH), np.nan), (ROWS, WIDTH), check_invariants=True
    )
    assert not all_finite([broken.coalesce()])
