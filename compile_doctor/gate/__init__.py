"""The pre-merge gate runs the configured targets and compares each with its baseline: pass, regression or inconclusive.

`config` reads pyproject.toml, `check_targets` runs the targets, `decide` compares, `outcome` is what formats show.
"""
