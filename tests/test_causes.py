"""The knowledge about graph breaks, without torch: the data files are sound, and real reasons find their cause."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from compile_doctor.analysis.graph_breaks.causes import (
    Cause,
    causes,
    explain_upstream,
    find_cause,
    normalise,
    registry,
    root_reason,
)

HERE = Path(__file__).parent
KEYS = {cause.key: cause for cause in causes()}


def recorded() -> list[tuple[str, str, str]]:
    parts = (HERE / "causes_reasons.txt").read_text(encoding="utf-8").split("\n=== ")[1:]
    return [(*part.split("\n", 1)[0].split(), part.split("\n", 1)[1].strip()) for part in parts]  # type: ignore[misc]


# ---------------------------------------------------------------- the data files


def test_no_torch_is_needed() -> None:
    source = (HERE.parent / "compile_doctor" / "analysis" / "graph_breaks" / "causes.py").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(?:import|from) torch", source, re.MULTILINE)


def test_keys_are_unique_and_kebab_case() -> None:
    assert len(KEYS) == len(causes())
    assert [key for key in KEYS if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", key)] == []


def test_every_id_is_in_the_registry_and_in_one_cause() -> None:
    ids = [gb_id for cause in causes() for gb_id in cause.gb_ids]
    assert [gb_id for gb_id in ids if gb_id not in registry()] == []
    assert sorted({gb_id for gb_id in ids if ids.count(gb_id) > 1}) == []


def test_patterns_compile_and_match_something_specific() -> None:
    for cause in causes():
        assert cause.gb_ids or cause.patterns, cause.key
        for pattern in cause.patterns:
            assert isinstance(pattern, re.Pattern)
            assert not pattern.search(""), (cause.key, pattern.pattern)
            assert not pattern.search("Something else entirely"), (cause.key, pattern.pattern)


def test_texts_are_written_for_people() -> None:
    for cause in causes():
        assert len(cause.title) <= 70, cause.key
        assert cause.why.endswith((".", ":")), cause.key
        assert cause.fix, cause.key
        # Every group has a word to fall back on, so that no brace reaches the reader.
        assert not re.search(r"\{\w+\}", cause.title + cause.why), cause.key
        assert (cause.before is None) == (cause.after is None), cause.key


def test_snippets_are_python() -> None:
    for cause in causes():
        for code in filter(None, (cause.before, cause.after)):
            compile(code, cause.key, "exec")
            assert "def forward(" in code


def test_the_registry_is_merged_over_versions() -> None:
    assert len(registry()) > 590
    branch, gone, renamed = registry()["GB0170"], registry()["GB0060"], registry()["GB0039"]
    assert (branch.first, branch.name, branch.gone) == ("2.8.0", "Data-dependent branching", False)
    assert "torch.cond" in branch.hints[0]
    assert (gone.gone, gone.last) == (True, "2.13.0")
    assert list(renamed.names) == ["Dynamo cache limit exceeded", "Dynamo recompile limit exceeded"]
    assert "2.10.0" in renamed.names["Dynamo cache limit exceeded"]


def test_the_registry_file_has_one_sorted_line_per_id() -> None:
    text = (HERE.parent / "compile_doctor" / "data" / "graph_breaks.json").read_text(encoding="utf-8")
    ids = re.findall(r'^  "(GB\d{4})": ', text, re.MULTILINE)
    assert ids == sorted(json.loads(text)["graph_breaks"])


# ---------------------------------------------------------------- real reasons


@pytest.mark.parametrize(
    ("torch", "key", "reason"), recorded(), ids=lambda value: value if len(value) < 40 and "\n" not in value else ""
)
def test_recorded_reason(torch: str, key: str, reason: str) -> None:
    assert find_cause(reason, None).key == key


def test_an_id_from_outside_serves_when_the_text_has_none() -> None:
    assert find_cause("Some wording of the future", "GB0170").key == "data-dependent-branch"
    assert find_cause("Unsupported Tensor.item() call with capture_scalar_outputs=False", None).key == "tensor-item"


def test_the_first_part_is_the_root_cause() -> None:
    """The id that a caller picks from the whole text may be the follow-up's: "graph break in loop"."""
    reasons = {key: reason for _, key, reason in recorded() if "*** While handling" in reason}
    assert find_cause(reasons["explicit-graph-break"], "GB7000").key == "explicit-graph-break"
    assert not [key for key, reason in reasons.items() if "another graph break" in root_reason(reason)]


def test_specific_causes_win() -> None:
    skipped = "Attempted to call function marked as skipped\n  Developer debug context: module: {}, qualname: {}, skip reason: file matches MOD_SKIPLIST"
    assert find_cause(skipped.format("copy", "deepcopy"), "GB0007").key == "copy-deepcopy"
    assert find_cause(skipped.format("torch", "_VariableFunctionsClass._safe_softmax"), "GB0007").key == "safe-softmax"
    assert find_cause(skipped.format("logging", "info"), "GB0007").key == "logging"
    assert find_cause(skipped.format("torch.random", "manual_seed"), "GB0007").key == "torch-rng-state"
    assert find_cause("Attempted to call function marked as skipped", "GB0007").key == "skipped-function"
    builtin = "Failed to trace builtin operator\n  Explanation: Dynamo does not know how to trace builtin operator `{}` with argument types ['str']"
    assert find_cause(builtin.format("print"), "GB0059").key == "print"
    assert find_cause(builtin.format("vars"), "GB0059").key == "unsupported-builtin"


def test_advice_and_source_lines_are_no_evidence() -> None:
    """Torch's hint for any builtin speaks of `print`, and a branch's explanation quotes the user's line."""
    hint = "Failed to trace builtin operator\n  Explanation: builtin operator `vars`\n  Hint: a logging function (e.g. builtin operator `print`)"
    assert find_cause(hint, "GB0059").key == "unsupported-builtin"
    quoted = 'Data-dependent branching\n      # File "m.py", line 3, in f, code: if copy.deepcopy(x): print(x)'
    assert find_cause(quoted, "GB0170").key == "data-dependent-branch"
    parenthesis = (
        "Attempted to call function marked as skipped\n  Explanation: Dynamo does not know how to trace the builtin `ext.go.` This function is "
        "either a Python builtin (e.g. _warnings.warn) or a third-party C/C++ Python extension (perhaps created with pybind)."
    )
    assert find_cause(parenthesis, "GB0007").key == "c-extension-call"


def test_names_from_the_reason_reach_the_text() -> None:
    found = find_cause(
        "Failed to trace builtin operator\n  Explanation: Dynamo does not know how to trace builtin operator `vars`",
        "GB0059",
    )
    assert "vars" in found.why
    assert find_cause("x", "GB0059").why == KEYS["unsupported-builtin"].why


def test_flags() -> None:
    assert {cause.key for cause in causes() if cause.deliberate} == {
        "explicit-graph-break",
        "compiler-disabled-function",
    }
    assert KEYS["data-dependent-branch"].data_dependent_branch
    assert not KEYS["tensor-item"].data_dependent_branch


# ---------------------------------------------------------------- reasons that nobody wrote a cause for


def other(reason: str, gb_id: str | None = None) -> Cause:
    cause = find_cause(reason, gb_id)
    assert cause.key.startswith("other-"), cause.key
    return cause


def test_other_key_is_the_same_on_every_run() -> None:
    one = other(
        "Cannot frobnicate <object at 0x7f42a95fdda0> of 'model.a' in /home/me/model.py with 3 of u0\n  Hint: Do not."
    )
    two = other(
        "Cannot frobnicate <object at 0x7ff0266acfe0> of 'model.b' in /home/you/other.py with 17 of u42\n  Hint: Do not."
    )
    assert one.key == two.key == "other-cannot-frobnicate-object-at-of-in-with-of"
    assert one.fix == "Do not."


def test_other_key_follows_the_id_through_renames() -> None:
    old, new = (
        "bad device argument to torch.get_device_module",
        "bad device argument to torch.accelerator.current_stream",
    )
    assert other(old, "GB0249").key == other(new, "GB0249").key


@pytest.mark.parametrize("reason", ["", "\n\n", "0x12", "???"])
def test_other_never_fails(reason: str) -> None:
    cause = find_cause(reason, None)
    assert cause.key.startswith("other-")
    assert cause.title


def test_other_uses_torchs_words() -> None:
    cause = other(
        "Module-level foo\n  Explanation: Foo is not bar.\n  Hint: Use bar.\n  Hint: Or baz.\n\n  Developer debug context: foo"
    )
    assert cause.why == "Foo is not bar."
    assert cause.fix == "Use bar.\nOr baz."


def test_normalise() -> None:
    assert normalise("at 0xdeadbeef, 'x' and `y` in /a/b/c.py: 12.5") == "at , and in"


# ---------------------------------------------------------------- the page


def test_page_of_an_id() -> None:
    page = explain_upstream("gb0170")
    assert page.startswith("GB0170: Data-dependent branching")
    assert "torch.where" in page
    assert page.endswith("https://meta-pytorch.github.io/compile-graph-break-site/gb/gb0170.html")
    assert "2.8" in page


def test_page_of_an_id_that_is_gone() -> None:
    assert "newer torch does not have it" in explain_upstream("GB0060")


def test_page_of_every_id() -> None:
    assert all(explain_upstream(gb_id).startswith(gb_id) for gb_id in registry())


def test_unknown_id() -> None:
    with pytest.raises(KeyError):
        explain_upstream("GB9999")


# ---------------------------------------------------------------- the tool that merges


def write_torch(site: Path, version: str, entries: dict[str, list[dict[str, object]]]) -> None:
    (site / "torch" / "_dynamo").mkdir(parents=True)
    (site / "torch" / "version.py").write_text(f"from typing import Optional\n__version__ = '{version}+cu128'\n")
    (site / "torch" / "_dynamo" / "graph_break_registry.json").write_text(json.dumps(entries))


def test_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(HERE.parent / "tools"))
    import graph_break_registry  # type: ignore[import-not-found]

    def entry(name: str, explanation: str, *hints: str) -> dict[str, object]:
        return {"Gb_type": name, "Context": "c {x}", "Explanation": explanation, "Hints": list(hints)}

    write_torch(
        tmp_path / "old",
        "2.9.1",
        {"GB0001": [entry("a", "An old text.", "Hint.")], "GB0002": [entry("b", "Gone later.")]},
    )
    new = {
        "GB0001": [entry("A", "explanation"), entry("a", "An older text.", "Keep this.")],
        "GB0003": [entry("c", "New.")],
    }
    write_torch(tmp_path / "venv" / "lib" / "python3.12" / "site-packages", "2.10.0", new)
    outputs = []
    for paths in ([tmp_path / "old", tmp_path / "venv"], [tmp_path / "venv", tmp_path / "old"]):
        graph_break_registry.main([str(path) for path in paths])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    merged = json.loads(outputs[0])
    assert merged["torch"] == ["2.9.1", "2.10.0"]
    first = merged["graph_breaks"]["GB0001"]
    assert first["names"] == {"a": ["2.9.1"], "A": ["2.10.0"]}
    assert first["explanation"] == "An older text."
    assert first["hints"] == ["Keep this."]
    assert merged["graph_breaks"]["GB0002"]["torch"] == {"first": "2.9.1", "last": "2.9.1", "gone": True}
    sys.modules.pop("graph_break_registry", None)


def test_merge_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE.parent / "tools"))
    import graph_break_registry

    with pytest.raises(SystemExit, match=r"graph_break_registry\.json"):
        graph_break_registry.main([str(tmp_path)])


def test_a_setting_is_offered_from_outside_and_not_to_those_who_can_change_the_package() -> None:
    for cause in causes():
        assert ("torch._dynamo.config." in cause.inside) == ("torch._dynamo.config." in cause.fix and not cause.outside)
    (mask,) = (cause for cause in causes() if cause.key == "boolean-mask-indexing")
    assert "capture_dynamic_output_shape_ops = True" in mask.outside and "of the package" in mask.outside
    assert mask.inside == mask.fix.partition("\n# If the short")[0]
