"""What an exception of the compiler, or of a target that cannot run, is reported as: torch's words, and a fix only if it is known."""

from __future__ import annotations

import pytest
from helpers import MODEL

from compile_doctor.analysis.compile_errors import DAMAGED, described, is_limit, stance_that_raised
from compile_doctor.analysis.root_cause import hints, root_cause, whole
from compile_doctor.analysis.target_errors import advice, syntax_error_at
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Child, Evidence, Failure
from compile_doctor.model.stacks import ErrorLink, Frame
from compile_doctor.run import clean_cache
from compile_doctor.source.arguments import as_constant

SOURCE = """\
def forward(self, q, k):
    causal = q.shape[2] == k.shape[2]
    return attend(q, k, is_causal=causal)
def other(self, q):
    return attend(q, q, is_causal=q.shape[2] > 1)
"""
CAUSAL = "attend(): argument 'is_causal' must be bool, not SymBool"
USER_CODE = f'\n\nfrom user code:\n   File "{MODEL}", line 3, in forward\n    return attend(q, k, is_causal=causal)\n'
HINTS = "  Hint: Avoid it.\n  Hint: Please report an issue\n    to PyTorch.\n"


def failed(*links: tuple[str, str], stack: tuple[Frame, ...] = (), text: str = "Traceback …", phase: str = "compiled"):
    chain = (ErrorLink(kind, message, stack if n == len(links) - 1 else ()) for n, (kind, message) in enumerate(links))
    return Failure(phase, tuple(chain), text)


def error(*links: tuple[str, str], stack: tuple[Frame, ...] = ()):
    failure = failed(*links, stack=stack)
    return described(failure, root_cause(failure), {MODEL: SOURCE}, None)


def test_a_message_is_kept_whole_but_for_stacks_and_advice_on_logging():
    message = (
        "Constraints violated (L['x'].size()[0])! For more information, run with TORCH_LOGS=\"+dynamic\".\n"
        "  - You marked L['x'].size()[0] as dynamic but your code specialized it to be a constant (6).\n\n"
        f'User stack:\n  File "{MODEL}", line 3, in forward\n    return x + self.bias\n           ^^^\n'
    )
    assert whole(message) == (
        "Constraints violated (L['x'].size()[0])! - You marked L['x'].size()[0] as dynamic but your code specialized it to be a constant (6)."
    )
    failure = failed(("torch.fx.experimental.symbolic_shapes.ConstraintViolationError", message))
    assert root_cause(failure).frame == Frame(MODEL, 3, "forward", "return x + self.bias")
    found = error(("torch.fx.experimental.symbolic_shapes.ConstraintViolationError", message))
    assert found.message.startswith("Dimension 0 of `x` is marked as dynamic, but the code fixes it to 6 at this line")
    assert "torch._dynamo.maybe_mark_dynamic(x, 0)" in found.fix


def test_hints_are_not_part_of_the_message():
    text = f"Cannot do it\n  Explanation: It is hard.\n{HINTS}\n  Developer debug context: x\n"
    assert whole(text) == "Cannot do it Explanation: It is hard."
    assert hints(text) == ("Avoid it.", "Please report an issue to PyTorch.")


def test_the_repr_of_a_failed_call_is_read():
    text = "Dynamo failed to run FX node with fake tensors: call_function mine.sum(*(), **{}): got ValueError('two\\nlines')"
    assert whole(text) == "ValueError: two lines"


def test_an_unknown_error_has_torchs_hints_marked_as_torchs():
    assert error(("torch._dynamo.exc.InternalTorchDynamoError", f"It broke\n{HINTS}{USER_CODE}")).fix == (
        "torch's hint: Avoid it.\ntorch's hint: Please report an issue to PyTorch."
    )


def test_without_a_line_nothing_is_to_be_moved():
    unknown = error(("torch._dynamo.exc.InternalTorchDynamoError", "It broke")).fix
    assert "compile one submodule after another" in unknown and "this line" not in unknown
    moved = error(("torch._dynamo.exc.InternalTorchDynamoError", f"It broke{USER_CODE}")).fix
    assert "unless the model is compiled with fullgraph=True" in moved and "torch.compiler.disable" in moved


def test_an_operator_that_takes_functions_names_the_break_inside():
    reason = "Failed to trace builtin operator\n  Higher Order Operator: torch.cond\n  Explanation: Dynamo does not know how to trace builtin operator `print` with …\n"
    one = error(
        (
            "torch._dynamo.exc.UncapturedHigherOrderOpError",
            f"This higher order operator … Got graph break/error:\n\n{reason}{USER_CODE}",
        )
    )
    two = error(  # torch 2.8
        (
            "torch._dynamo.exc.UncapturedHigherOrderOpError",
            "Cond doesn't work unless it is captured completely with torch.compile.",
        ),
        ("torch._dynamo.exc.Unsupported", f"{reason}{USER_CODE}"),
    )
    for found, name in ((one, "`torch.cond`"), (two, "`cond`")):
        assert "print" in found.message and "Got graph break" not in found.message, found
        assert "is_compiling()" in found.fix
        assert found.message.startswith((name, "`torch.cond`"))


def test_inside_such_an_operator_nothing_can_be_kept_out_of_the_graph():
    reason = "Unsupported Tensor.item() call\n  Explanation: no host value\n"
    found = error(
        ("torch._dynamo.exc.UncapturedHigherOrderOpError", f"It … Got graph break/error:\n\n{reason}{USER_CODE}")
    )
    assert "torch.compiler.disable" not in found.fix and found.fix


def test_fullgraph_has_torchs_id():
    page = "For more details about this graph break, please visit: https://meta-pytorch.github.io/compile-graph-break-site/gb/gb0112.html"
    reason = f"TypeError when making fake tensor call\n  Explanation: \n  Developer debug context: TypeError <f>: {CAUSAL}\n\n {page}\n{USER_CODE}"
    found = error(("torch._dynamo.exc.Unsupported", reason), ("TypeError", CAUSAL))
    assert found.upstream == "GB0112"
    assert CAUSAL in found.message
    assert found.fix.endswith("causal = True if q.shape[2] == k.shape[2] else False")


def test_the_backend_has_its_name_and_its_line():
    frame = Frame("/home/me/backends.py", 7, "mine")
    found = error(
        ("torch._dynamo.exc.BackendCompilerFailed", "backend='mine' raised:\nKeyError: 'x'"),
        ("KeyError", "'x'"),
        stack=(frame,),
    )
    assert found.message == "The backend `mine` raised KeyError: 'x'."
    assert "/home/me/backends.py:7 in mine" in found.fix and "not in the model" in found.fix


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("torch._dynamo.exc.FailOnRecompileLimitHit", "recompile_limit reached with fullgraph=True. Excessive …"),
        ("torch._dynamo.exc.RecompileLimitExceeded", "accumulated_recompile_limit reached"),
        ("torch._dynamo.exc.Unsupported", "Dynamo recompile limit exceeded\n  Explanation: …"),
    ],
)
def test_the_limit_that_raised_is_recognised(kind, message):
    assert is_limit(failed((kind, message)))


def test_another_error_is_not_the_limit():
    assert not is_limit(failed(("torch._dynamo.exc.Unsupported", "call_function print")))
    assert not is_limit(None)


def test_a_stance_that_raises_is_named():
    message = "Detected recompile when torch.compile stance is 'fail_on_recompile'. filename: 'm.py', …"
    assert stance_that_raised(failed(("RuntimeError", message))) == "fail_on_recompile"
    assert "fail_on_recompile" in error(("RuntimeError", message)).message


def test_error_on_recompile_keeps_the_failed_guards():
    message = "Recompiling function f in m.py:3\n    triggered by the following guard failure(s):\n    - 0/0: n == 3"
    assert "n == 3" in error(("torch._dynamo.exc.RecompileError", message)).message


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("OSError", "/tmp/torchinductor_me/ab/cabc.so: file too short"),
        ("ImportError", "/tmp/torchinductor_me/ab/cabc.main.so: invalid ELF header"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_the_caches(kind, message):
    assert error((kind, message)).key == DAMAGED


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (3, "causal = True if q.shape[2] == k.shape[2] else False"),
        (5, "is_causal=True if q.shape[2] > 1 else False"),
        (1, "is_causal = True if is_causal else False"),
    ],
)
def test_a_symbolic_argument_is_asked_for_in_python(line, expected):
    assert as_constant({MODEL: SOURCE}, Frame(MODEL, line, "forward"), CAUSAL).splitlines()[-1] == expected


def test_another_argument_is_left_alone():
    assert as_constant({MODEL: SOURCE}, Frame(MODEL, 3, "forward"), "argument 'k' must be Tensor, not int") == ""


ARGPARSE = Frame("/usr/lib/python3.11/argparse.py", 2617, "exit")


@pytest.mark.parametrize(
    ("phase", "kind", "message", "stack", "words"),
    [
        ("import", "SystemExit", "2", (Frame(MODEL, 3, "<module>"), ARGPARSE), "Put the parsing under"),
        ("import", "SystemExit", "0", (Frame(MODEL, 3, "<module>"),), "Put what runs under"),
        ("build", "AssertionError", "Torch not compiled with CUDA enabled", (), "out of build_model()"),
        (
            "build",
            "RuntimeError",
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
            (),
            'map_location="cpu"',
        ),
        (
            "inputs",
            "RuntimeError",
            "Found no NVIDIA driver on your system.",
            (Frame(MODEL, 3, "f", 'x.to("cuda")'),),
            '`"cuda"`',
        ),
        ("build", "RuntimeError", "PyTorch is not linked with support for xpu devices", (), "--device xpu"),
        ("import", "ModuleNotFoundError", "No module named 'cv2'", (), "pip install opencv-python"),
        ("import", "ModuleNotFoundError", "No module named 'mylib.heads'", (), "pip install mylib"),
        (
            "build",
            "TypeError",
            "Net.__init__() missing 2 required positional arguments: 'config' and 'width'",
            (),
            "return [config, width]",
        ),
        (
            "import",
            "NameError",
            "name 'get_ipython' is not defined",
            (Frame(MODEL, 3, "f", "get_ipython().system('ls')"),),
            "begin with %",
        ),
        (
            "import",
            "AttributeError",
            "module 'torch._C' has no attribute '_cuda_setDevice'",
            (),
            "out of build_model()",
        ),
        (
            "import",
            "ValueError",
            "Error initializing torch.distributed using env:// rendezvous: environment variable RANK expected, but not set",
            (),
            "compile-doctor run -- torchrun",
        ),
        ("import", "ImportError", "attempted relative import with no known parent package", (), "PACKAGE.model:MODEL"),
        (
            "build",
            "torch._dynamo.exc.InvalidBackend",
            "Invalid backend: 'indcutor', see `torch._dynamo.list_backends()` for available backends.",
            (),
            "Did you mean backend='inductor'?",
        ),
    ],
)
def test_a_target_that_cannot_run_gets_the_advice_that_fits(phase, kind, message, stack, words):
    failure = failed((kind, message), stack=stack, phase=phase)
    assert words in advice(phase, failure, root_cause(failure), "model.py")[1]


def test_a_mistake_of_the_model_gets_no_such_advice():
    frame = Frame(MODEL, 9, "build_model", "return Net()")
    for kind, message in (
        ("KeyError", "'dim'"),
        ("TypeError", "Net.__init__() missing 1 required positional argument: 'config'"),
    ):
        failure = failed((kind, message), stack=(frame,), phase="build")
        assert advice("build", failure, root_cause(failure), "model.py") == (f"{kind}: {message}", "")


def test_a_notebook_command_has_its_line():
    text = f'  File "{MODEL}", line 2\n    %matplotlib inline\n    ^\nSyntaxError: invalid syntax\n'
    failure = failed(("SyntaxError", "invalid syntax (model.py, line 2)"), text=text, phase="import")
    assert syntax_error_at(failure) == Frame(MODEL, 2, "<module>", "%matplotlib inline")
    assert "%matplotlib inline" in advice("import", failure, root_cause(failure), "model.py")[0]


def test_an_empty_cache_is_tried_if_inductor_may_have_read_a_damaged_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    exited, killed = Child("diagnose", 0), Child("diagnose", None, "SIGBUS", "signal")
    broken = failed(("torch._inductor.exc.InductorError", "CppCompileError: …"))
    dynamo = failed(("torch._dynamo.exc.Unsupported", "print"))
    from compile_doctor.model.asked import Asked

    asked = Asked("model.py", str(tmp_path), "0")

    def worth(child, failures, phase, **settings):
        seen = Evidence(asked, failures=failures, phases={"compiled": phase})
        return clean_cache.is_worth_a_try(Settings(**settings), child, seen)

    assert worth(exited, (broken,), "failed")
    assert worth(killed, (), "begun")
    assert not worth(killed, (), "done")
    assert not worth(exited, (dynamo,), "failed")
    assert not worth(exited, (broken,), "failed", backend="eager")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(clean_cache.tempfile, "gettempdir", lambda: str(tmp_path / "none"))
    assert not worth(exited, (broken,), "failed")


@pytest.mark.parametrize(("name", "code"), [("error-inductor-fake-strides", "CD106"), ("died-backend-aborts", "CD107")])
def test_a_damaged_cache_is_not_the_users_line(name, code):
    from dataclasses import replace
    from pathlib import Path

    from compile_doctor.capture import load_capture
    from compile_doctor.report.make import make_report

    seen = load_capture(Path(__file__).parent / "evidence" / "2.13.0" / f"{name}.zip")
    seen = replace(seen, facts=replace(seen.facts, damaged_cache=("/tmp/torchinductor_me",)))
    found = next(one for one in make_report(seen).findings if one.code == code)
    assert (found.location, found.cause) == (None, DAMAGED)
    assert found.fix.endswith("rm -r /tmp/torchinductor_me")


def test_a_break_that_raises_gets_the_fix_of_its_line():
    source = "def forward(h):\n    if h.mean() > 0:\n        h = h.relu()\n    return h\n"
    reason = "Data-dependent branching\n  Explanation: Detected data-dependent branching.\n\n  For more details about this graph break, please visit: https://meta-pytorch.github.io/compile-graph-break-site/gb/gb0170.html"
    failure = failed(("torch._dynamo.exc.Unsupported", reason), stack=(Frame(MODEL, 2, "forward", "if h.mean() > 0:"),))
    cause = root_cause(failure)
    found = described(failure, cause, {MODEL: source}, None)
    assert found.fix.startswith("h = torch.where(h.mean() > 0, h.relu(), h)\n")


def test_an_operator_without_a_fake_is_told_to_add_one():
    message = "Dynamo failed to run FX node with fake tensors: call_function shop.gelu2.default(*(FakeTensor(...),), **{}): got RuntimeError('There was no fake impl registered for <CustomOpDef(shop::gelu2)>.')"
    failure = failed(
        ("torch._dynamo.exc.TorchRuntimeError", message),
        ("RuntimeError", "There was no fake impl registered for <CustomOpDef(shop::gelu2)>."),
        stack=(Frame(MODEL, 2, "forward", "return gelu2(x)"),),
    )
    found = described(failure, root_cause(failure), {MODEL: ""}, None)
    assert '@torch.library.register_fake("shop::gelu2")' in found.fix
