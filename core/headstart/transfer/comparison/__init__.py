"""The comparison with controls: the same network from scratch and from its source, on the same split, seeds and budget.

`planning` says which cells there are, `running` runs them in processes of their own, each a run of `headstart fit`;
`analysis` reads what they measured and says what it means, by `paired`.
"""
