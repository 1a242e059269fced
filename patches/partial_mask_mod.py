"""Counts the arguments of a functools.partial to find whether it is a mask_mod or a score_mod, without inspect.signature.

Dynamo cannot trace inspect.signature of a partial.
"""

import functools
import types


def _mask_mod(b, h, q_idx, kv_idx): ...


def _score_mod(score, b, h, q_idx, kv_idx): ...


def get_mod_type(original):
    def of_a_partial(fn):
        # Plain functions only: a method's code counts self too.
        if isinstance(fn, functools.partial) and isinstance(fn.func, types.FunctionType):
            code, defaults = fn.func.__code__, fn.func.__defaults__ or ()
            names = code.co_varnames[len(fn.args) : code.co_argcount - len(defaults)]
            left = sum(1 for name in names if name not in fn.keywords)
            # torch itself decides which they are, from functions with the same number of parameters.
            if left == 4:
                return original(_mask_mod)
            if left == 5:
                return original(_score_mod)
        return original(fn)

    return of_a_partial
