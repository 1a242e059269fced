"""Calls of the flash_attn package, read from source, and what torch has in their place."""
