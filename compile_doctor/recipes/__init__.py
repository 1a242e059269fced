"""Recipes, version-specific workarounds: read from YAML, matched to findings, applied at import, reverted, verified.

The recipes themselves lie in `recipes/` and `patches/` at the top of the repository; a wheel has them in `shipped/`.
`engine` and `changes` are the only code that changes somebody else's attributes.
"""
