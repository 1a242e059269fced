"""The parts of the HTML formats: for each section a template, and a module that makes what the template shows.

Templates escape every text by themselves. What a module passes as markup comes from `code.py`, which escapes too.
"""
