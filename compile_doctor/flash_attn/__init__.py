"""Calls of the flash_attn package in the user's sources, and what torch has in their place; nothing is imported."""
