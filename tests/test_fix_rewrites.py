"""Each rewrite, before and after, as text: no torch.

The cases are in tests/rewrites/NAME.txt, one file for each rewrite. A case begins with `=== what it is about (cause)`.
`-` marks lines of the file before, `+` those after the rewrite; all others are in both. Without marked lines, the
rewrite proposes nothing. The line of the finding ends in `# !`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from compile_doctor.mend.rewrites import rewrites
from compile_doctor.mend.site import Candidate, Site, Source
from compile_doctor.model.findings import Finding, Location

FOLDER = Path(__file__).resolve().parent / "rewrites"
NAMES = {one.name: one for one in rewrites()}


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    cause: str
    before: str
    after: str


def read(file: Path) -> list[Case]:
    """The cases of one rewrite."""
    found = []
    for part in re.split(r"^=== ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, *lines = part.rstrip().splitlines()
        about, _, cause = heading.removesuffix(")").rpartition(" (")
        assert about and cause and {line[:2].strip() for line in lines} <= {"", "-", "+"}, f"{file.name}: {heading}"
        before, after = (
            "".join(line[2:] + "\n" for line in lines if line[:1] not in other) for other in (("+",), ("-",))
        )
        found.append(Case(file.stem, about, cause, before, after))
    return found


CASES = [case for file in sorted(FOLDER.glob("*.txt")) for case in read(file)]


def named(case: Case) -> str:
    return f"{case.name}: {case.about}"


def candidates(name: str, cause: str, text: str) -> list[Candidate]:
    """What a rewrite proposes for the finding in the marked line."""
    text = whole(text)
    line = next(number for number, one in enumerate(text.splitlines(), 1) if one.endswith("# !"))
    seen = ("guard: L['score_mod'].__closure__[0].cell_contents == 0.5",)
    found = Finding(
        "CD101", "n", "error", "t", "m", Location("m.py", line, "f"), cause=cause, breaks_at=line, evidence=seen
    )
    assert NAMES[name].fits(cause)
    return list(NAMES[name].propose(Site(Source(text), found, line)))


def whole(text: str) -> str:
    """A file that imports torch, as nearly all do."""
    text = dedent(text).lstrip("\n")
    return text if "import torch" in text else "import torch" + ("\r\n" if "\r\n" in text else "\n") + text


def rewritten(name: str, cause: str, text: str) -> list[str | None]:
    """The texts that its candidates lead to, with the settings that they need."""
    plain = whole(text)
    found = candidates(name, cause, text)
    return [Source(plain if one.text is None else one.text).edited({}, one.settings) for one in found]


@pytest.mark.parametrize("case", [one for one in CASES if one.before != one.after], ids=named)
def test_a_rewrite_changes_this_and_nothing_else(case):
    assert rewritten(case.name, case.cause, case.before)[0] == whole(case.after)


@pytest.mark.parametrize("case", [one for one in CASES if one.before == one.after], ids=named)
def test_a_rewrite_that_does_not_fit_proposes_nothing(case):
    assert rewritten(case.name, case.cause, case.before) == []


def test_every_rewrite_has_a_case():
    outside = {"call-outside", "check-outside"}  # in test_fix_outside.py: their finding is in another file
    assert {case.name for case in CASES if case.before != case.after} | outside == set(NAMES)


def test_torch_compile_is_called_in_another_file():
    """The finding is where the model is defined, and the call is where it is trained."""
    model = "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
    train = "import re\nfrom torch import compile\nfrom model import Net\nnet = Net(4)\n"
    train += "word = re.compile('a')\nfast = compile(net)\ny = fast(x)\n"
    found = Finding("CD201", "n", "warning", "t", "m", Location("model.py", 3, "Net.forward"), cause="size:x:0")
    site = Site(Source(model), found, 3, {"train.py": train, "broken.py": "def"}, [found])
    (marked,) = NAMES["marked-dimension"].propose(site)
    assert marked.text is None and "torch._dynamo.mark_dynamic(x, 0)\ny = fast(x)" in marked.others["train.py"]
    dynamic, option = NAMES["dynamic-sizes"].propose(site)
    assert dynamic.others == {"train.py": train.replace("compile(net)", "compile(net, dynamic=True)")}
    assert option.compiling == {"dynamic": True}


def test_if_several_dimensions_vary_none_is_marked():
    text = "import torch\nstep = torch.compile(g)\ndef g(x):\n    return x\nstep(y)\n"
    one, other = (
        Finding("CD201", "n", "warning", "t", "m", Location("m.py", 3, "g"), cause=f"size:x:{dim}") for dim in (0, 1)
    )
    assert list(NAMES["marked-dimension"].propose(Site(Source(text), one, 3, {}, [one, other]))) == []
    assert len(list(NAMES["marked-dimension"].propose(Site(Source(text), one, 3, {}, [one])))) == 1


def test_a_disabled_call_can_stay_apart():
    _, apart = rewritten(
        "compile-options", "disable-unwraps", "safe = torch.compiler.disable(fast, recursive=False)  # !\n"
    )
    assert apart is not None
    assert "torch.compiler.disable(lambda *args, **kwargs: fast(*args, **kwargs), recursive=False)" in apart


def test_a_table_of_a_package_is_filled_from_the_target(tmp_path, monkeypatch):
    (tmp_path / "types_of").mkdir()
    (tmp_path / "types_of" / "__init__.py").write_text("raise ImportError('only read')\n")
    table = "_table: dict = {}\n\ndef find(x):\n    found = _table[type(x)] = str(x)\n    return found\n"
    (tmp_path / "types_of" / "_by_type.py").write_text(table)
    monkeypatch.syspath_prepend(str(tmp_path))
    tensor, parameter = candidates("filled-table", "length:types_of._by_type._table", "def f(x):  # !\n    return x\n")
    why = "  # fills _table before the first compiled call"
    assert tensor.text is None and tensor.settings == (
        "import types_of._by_type",
        "types_of._by_type.find(torch.empty(0))" + why,
    )
    assert parameter.settings[-1] == "types_of._by_type.find(torch.nn.Parameter(torch.empty(0)))" + why


def test_the_parts_of_zip_and_enumerate_are_read_if_the_line_needs_them():
    text = (
        "def f(x, hs, ws):\n    for i, (y, h, w) in enumerate(zip(x, hs[0], ws)):\n        z = y.narrow(0, 0, h)  # !\n"
    )
    (found,) = candidates("rows-as-numbers", "tensor-item", text)
    assert "enumerate(zip(x, hs[0].tolist(), ws))" in str(found.text), "y.narrow shows that y is a tensor"


def test_what_always_or_never_holds_is_stated():
    text = "def f(x):\n    n = int(x.sum())\n    if n == 0:  # !\n        return x\n    return x[:n]\n"
    always, never = candidates("checked-number", "data-dependent-branch", text)
    assert "torch._check(n == 0)" in str(always.text) and "torch._check(n != 0)" in str(never.text)
    assert never.title == "states n != 0 with torch._check, which raises if that does not hold"


def test_a_side_must_have_run():
    text = "def f(x):\n    if x.sum() > 0:  # !\n        x = x + 1\n    else:\n        x = x - 1\n    return x\n"
    (found,) = candidates("branch-to-where", "data-dependent-branch", text)
    assert found.sides == (4, 6)
    text = "def f(x, m):\n    if m.any():  # !\n        x = x + 1\n    return x\n"
    (found,) = candidates("branch-removed", "data-dependent-branch", text)
    assert found.rarer == (((4, 4), (3, 3)),)


def test_windows_line_ends_stay():
    (found,) = rewritten("messages-outside", "print", "def f(x):\r\n    print(x)  # !\r\n    return x\r\n")
    assert found is not None and found.count("\r\n") == found.count("\n") == 5


def test_the_manual_lists_every_rewrite():
    page = (Path(__file__).resolve().parent.parent / "docs" / "fix.md").read_text(encoding="utf-8")
    table = page.partition("<!-- table: rewrites -->")[2].partition("<!-- end: rewrites -->")[0]
    assert [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")] == sorted(
        NAMES, key=[one.split("`")[1] for one in table.splitlines() if one.startswith("| `")].index
    )


def test_a_file_that_does_not_import_torch_does_so_afterwards():
    text = "import os\n\n\ndef f(x):\n    print(x)\n    return x\n"
    found = Finding("CD101", "n", "error", "t", "m", Location("m.py", 5, "f"), cause="print")
    (one,) = NAMES["messages-outside"].propose(Site(Source(text), found, 5))
    assert one.text is not None and one.text.startswith("import os\n\nimport torch\n\n\ndef f(x):\n    if not torch.")
