"""TARGET strings: `model.py:attr`, `package.module:attr`, `example:NAME` → a file, a module and an attribute. Nothing is imported."""
