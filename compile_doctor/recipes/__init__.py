"""Recipes, version-specific workarounds: read from YAML, matched to findings, applied at import, reverted, verified.

The recipes themselves are in `recipes/` and `patches/` at the top of the repository; a wheel has them in `shipped/`.
Only `engine` and `changes` change attributes of other packages.
"""
