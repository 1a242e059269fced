"""Torch's reasons in a few words: the cause at the bottom of the chain, and of a compiler its first error."""

from __future__ import annotations

import subprocess

from torch._inductor.exc import CppCompileError

from compile_doctor.probe.parity.judge import why


def raised(error, cause):
    try:
        raise error from cause
    except type(error) as found:
        return found


def test_a_compiler_s_first_error_and_no_name_of_a_file():
    command = ["g++", "/tmp/torchinductor_me/3q/c3qif7.main.cpp", "-O3"]
    output = (
        "/tmp/torchinductor_me/3q/c3qif7.main.cpp: In lambda function:\n"
        "/tmp/torchinductor_me/3q/c3qif7.main.cpp:1216:4: error: expected primary-expression before ‘)’ token\n"
    )
    inner = raised(CppCompileError(command, output), subprocess.CalledProcessError(1, command, output.encode()))
    outer = raised(RuntimeError("backend='inductor' raised"), inner)
    assert why(outer, []) == "C++ compiler: expected primary-expression before ‘)’ token"


def test_the_cause_at_the_bottom_of_the_chain():
    inner = raised(RuntimeError("LoweringException"), IndexError("tuple index out of range"))
    assert why(raised(RuntimeError("backend='inductor' raised"), inner), []) == "IndexError: tuple index out of range"
