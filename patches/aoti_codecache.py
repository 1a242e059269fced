"""The module that loading a package asks for the device is imported first."""

import importlib


def load_aoti(original):
    def with_codecache(*args, **named):
        # At the call: it is a large import, which a program that loads no package should not pay for.
        importlib.import_module("torch._inductor.codecache")
        return original(*args, **named)

    return with_codecache
