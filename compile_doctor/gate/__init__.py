"""The pre-merge gate: configured targets are run, held against their baselines, and pass, regress or stay inconclusive.

`config` reads pyproject.toml, `check_targets` runs, `decide` compares, `outcome` is what a format shows.
"""
