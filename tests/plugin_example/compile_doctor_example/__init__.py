"""A plug-in for compile-doctor: a check, a format and a recipe."""
