"""Parses TARGET strings (`model.py:attr`, `package.module:attr`, `example:NAME`) without importing anything."""
