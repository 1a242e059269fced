"""Attention: its call sites, what was lowered, executed and bounded at each, why a call ran dense, and the sizes of `--tokens`."""
