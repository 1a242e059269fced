"""Imports torch._inductor.codecache, which loading a package uses, before it is used."""

import importlib


def load_aoti(original):
    def with_codecache(*args, **named):
        # At the call: it is a large import, which only a program that loads a package needs.
        importlib.import_module("torch._inductor.codecache")
        return original(*args, **named)

    return with_codecache
