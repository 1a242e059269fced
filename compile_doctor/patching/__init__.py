"""Patch recipes: what is known to be wrong in which torch, and workarounds that are proven, visible and reversible."""
