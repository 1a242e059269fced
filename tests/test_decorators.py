"""What a decorator's wrapper called, as a stack shows it: the label of a frame that is named `wrapper`. No torch."""

from __future__ import annotations

import pytest

from compile_doctor.model.stacks import Frame
from compile_doctor.source.decorators import decorated

FILE, USER = "/site-packages/lib/generic.py", "/work/net.py"
SOURCES = {
    FILE: """import functools


def counted(function):
    @functools.wraps(function)
    def wrapper(self, *args):
        try:
            return function(
                self,
                *args,
            )
        finally:
            self.calls += 1

    return wrapper


def with_options(**options):
    def decorate(func):
        def wrapper(self, x):
            x = prepare(x)
            with options["context"]:
                return func(self, x)

        return wrapper

    return decorate


def prepare(x):
    return x.item()


def plain(function, x):
    return function(x)
""",
    USER: "class Net:\n    @counted\n    @with_options()\n    def forward(self, x):\n        return x.item()\n",
}
FORWARD = Frame(USER, 5, "forward")
COUNTED, OPTIONS = Frame(FILE, 6, "wrapper"), Frame(FILE, 20, "wrapper")


@pytest.mark.parametrize("line", [8, 9, 11])
def test_the_function_below_a_wrapper_is_the_decorated_one(line):
    assert decorated(SOURCES, [Frame(FILE, line, "wrapper"), FORWARD], COUNTED) == FORWARD


def test_wrappers_of_wrappers_are_passed():
    stack = [Frame(USER, 1, "<module>"), Frame(FILE, 8, "wrapper"), Frame(FILE, 23, "wrapper"), FORWARD]
    assert decorated(SOURCES, stack, COUNTED) == FORWARD
    assert decorated(SOURCES, stack[2:], OPTIONS) == FORWARD


def test_another_wrapper_of_the_same_name_is_another_one():
    assert decorated(SOURCES, [Frame(FILE, 8, "wrapper"), FORWARD], OPTIONS) is None


def test_what_a_wrapper_calls_besides_is_not_what_it_wraps():
    below = Frame(FILE, 30, "prepare")
    assert decorated(SOURCES, [Frame(FILE, 21, "wrapper"), below], OPTIONS) is None
    assert decorated(SOURCES, [Frame(FILE, 12, "wrapper"), below], COUNTED) is None, "the line of the finally"


def test_a_function_that_takes_another_as_its_own_argument_is_no_wrapper():
    assert decorated(SOURCES, [Frame(FILE, 34, "plain"), FORWARD], Frame(FILE, 33, "plain")) is None


def test_a_stack_that_ends_in_the_wrapper_or_a_source_that_is_unknown_show_nothing():
    assert decorated(SOURCES, [Frame(FILE, 8, "wrapper")], COUNTED) is None
    assert decorated({}, [Frame(FILE, 8, "wrapper"), FORWARD], COUNTED) is None
