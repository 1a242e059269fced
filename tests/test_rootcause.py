"""From a chain of wrapped compile errors to the one line that says what is wrong."""

from __future__ import annotations

from helpers import MODEL

from compile_doctor.analysis.root_cause import COMPILE_ERRORS, root_cause
from compile_doctor.model.evidence import Failure
from compile_doctor.model.stacks import ErrorLink, Frame

INDUCTOR = "/venv/lib/python3.11/site-packages/torch/_inductor/graph.py"
DYNAMO = "/venv/lib/python3.11/site-packages/torch/_dynamo/exc.py"
MINE = Frame(MODEL, 12, "forward", "y = attend(x)")
TORCHS = (
    Frame("/venv/lib/python3.11/site-packages/torch/_dynamo/eval_frame.py", 1, "compile_wrapper"),
    Frame(INDUCTOR, 2, "run"),
)
VERBOSE = (
    "\n\nSet TORCHDYNAMO_VERBOSE=1 for the internal stack trace (please do this especially if you're reporting a bug)\n"
)
USER_CODE = f'''

from user code:
   File "{MODEL}", line 12, in forward
    y = attend(x)
  File "{MODEL}", line 5, in attend
    return x @ x
  File "/venv/lib/python3.11/site-packages/torch/nn/functional.py", line 99, in linear
    return out
{VERBOSE}'''


def made(*links: tuple[str, str], stack=()) -> Failure:
    return Failure(
        "compiled",
        tuple(ErrorLink(kind, text, stack if number == 0 else ()) for number, (kind, text) in enumerate(links)),
        "Traceback …",
    )


COMPILER_SAYS = f"""\
C++ compile error

Command:
g++ /tmp/torchinductor_me/ab/cabc.main.cpp -D TORCH_INDUCTOR_CPP_WRAPPER -O3 -Werror=return-type -o /tmp/x.so

Output:
In file included from /tmp/torchinductor_me/ab/cabc.main.cpp:1:
/tmp/torchinductor_me/ab/cabc.main.cpp: In function 'void kernel()':
/tmp/torchinductor_me/ab/cabc.main.cpp:42:31: warning: unused variable 'a'
/tmp/torchinductor_me/ab/cabc.main.cpp:88:20: error: expected primary-expression before ')' token
   88 |     for(int64_t x = ; )
/tmp/torchinductor_me/ab/cabc.main.cpp:90:1: error: expected '}}' at end of input
{VERBOSE}"""


def test_a_cpp_compile_error_is_its_first_error_line():
    cause = root_cause(
        made(
            ("torch._inductor.exc.InductorError", f"CppCompileError: {COMPILER_SAYS}"),
            ("torch._inductor.exc.CppCompileError", COMPILER_SAYS),
        )
    )
    assert cause.type == "torch._inductor.exc.CppCompileError"
    assert (
        cause.message
        == "/tmp/torchinductor_me/ab/cabc.main.cpp:88:20: error: expected primary-expression before ')' token"
    )


def test_a_cpp_compile_error_under_something_that_followed_it():
    cause = root_cause(
        made(
            ("torch._inductor.exc.CppCompileError", COMPILER_SAYS),
            ("subprocess.CalledProcessError", "Command '['g++']' returned 1"),
        )
    )
    assert "88:20: error:" in cause.message


def test_a_fatal_error_of_the_compiler():
    text = "C++ compile error\n\nOutput:\n/tmp/a.cpp:1:10: fatal error: omp.h: No such file or directory\ncompilation terminated.\n"
    assert root_cause(made(("torch._inductor.exc.CppCompileError", text))).message.endswith(
        "fatal error: omp.h: No such file or directory"
    )


def test_a_lowering_exception_is_what_it_wraps():
    inner = (
        "ValueError: not enough values to unpack (expected 4, got 2)\n  target: flex_attention\n  args[0]: TensorBox(…)"
    )
    cause = root_cause(made(("torch._inductor.exc.InductorError", f"LoweringException: {inner}")))
    assert cause.message == "ValueError: not enough values to unpack (expected 4, got 2)"


def test_a_backend_that_raises():
    failure = made(
        ("torch._dynamo.exc.BackendCompilerFailed", "backend='mine' raised:\nKeyError: 'placeholder'" + USER_CODE),
        ("KeyError", "'placeholder'"),
    )
    cause = root_cause(failure)
    assert (cause.type, cause.message) == ("KeyError", "'placeholder'")


def test_a_fake_tensor_error_is_what_the_operator_said():
    got = "RuntimeError('a and b must have same reduction dim, but got [4, 8] X [4, 8].')"
    text = f"Dynamo failed to run FX node with fake tensors: call_function <built-in function matmul>(*(FakeTensor(…),), **{{}}): got {got}{USER_CODE}"
    cause = root_cause(made(("torch._dynamo.exc.TorchRuntimeError", text)))
    assert cause.message == got
    assert cause.frame == Frame(MODEL, 5, "attend", "return x @ x")


def test_fullgraph_says_why_it_could_not():
    text = (
        "Data-dependent branching\n  Explanation: Detected data-dependent branching.\n  Hint: Use `torch.cond`.\n"
        + USER_CODE
    )
    cause = root_cause(made(("torch._dynamo.exc.Unsupported", text)))
    assert (cause.message, cause.frame.function, cause.frame.line) == ("Data-dependent branching", "attend", 5)


def test_the_user_line_is_the_innermost_of_their_own():
    in_package = f'\n\nfrom user code:\n  File "{DYNAMO}", line 3, in run\n    x\n'
    assert root_cause(made(("E", "no" + in_package))).frame == Frame(DYNAMO, 3, "run", "x")
    assert root_cause(made(("E", "text"), stack=(*TORCHS[:1], MINE, *TORCHS))).frame == MINE
    assert root_cause(made(("E", "text"), stack=TORCHS)).frame is None
    outer_then_inner = made(("A", "a" + USER_CODE.replace("line 5", "line 6")), ("B", "b" + USER_CODE))
    assert root_cause(outer_then_inner).frame.line == 5


def test_wrappers_in_wrappers():
    text = "torch._inductor.exc.InductorError: LoweringException: torch._dynamo.exc.TorchRuntimeError: AssertionError: bad stride"
    assert root_cause(made(("RuntimeError", text))).message == "AssertionError: bad stride"


def test_messages_that_say_nothing():
    assert root_cause(made(("AssertionError", ""))).message == "(no message)"
    assert root_cause(made(("AssertionError", "\n \n"))).message == "(no message)"
    assert root_cause(Failure("compiled", (), "all that is left\nof it")).message == "all that is left"
    assert len(root_cause(made(("E", "x" * 9000))).message) <= 400


def test_an_error_line_of_the_models_own_is_no_compiler_error():
    text = "shapes differ\nerror: nothing of the kind"
    assert root_cause(made(("ValueError", text))).message == "shapes differ"


def test_types_that_only_a_compiler_raises():
    for kind in (
        "torch._dynamo.exc.Unsupported",
        "torch._inductor.exc.InductorError",
        "triton.compiler.errors.CompilationError",
    ):
        assert COMPILE_ERRORS.search(kind)
    for kind in ("ValueError", "RuntimeError", "torch.OutOfMemoryError", "mymodel.ConfigError"):
        assert not COMPILE_ERRORS.search(kind)
