"""The formats for CI: valid by their schemas and real parsers, whatever the findings hold, and never a pass without a verdict."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
import pytest
import sarif_pydantic
from helpers import MODEL, a_break, evidence, failure
from markdown_it import MarkdownIt

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.analysis.attention.growth import Step
from compile_doctor.checks import all_checks
from compile_doctor.gate.outcome import Change, Gate, Outcome
from compile_doctor.model.evidence import Child
from compile_doctor.model.findings import Finding, Location
from compile_doctor.render import (
    formats,
    github_format,
    own_formats,
    renderer,
    text_format,
)
from compile_doctor.render.entries import fingerprints
from compile_doctor.render.markdown_escape import inline
from compile_doctor.render.subjects import targets
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report

CI = {
    name: import_module(f"compile_doctor.render.{name}_format")
    for name in own_formats()
    if name not in ("text", "json")
}
"""What is written for other programs."""
SCHEMAS = Path(os.environ.get("COMPILE_DOCTOR_SCHEMAS", Path(__file__).parent / "schemas"))
"""Where sarif-schema-2.1.0.json (OASIS) and junit-10.xsd (Jenkins' xunit plugin) lie, if they do."""
HOSTILE = [
    "<script>alert(1)</script> <b>bold</b> &amp; <!-- c --> </summary></details>",
    "one\ntwo\r\nthree\rfour\n\n# head\n- item\n```\nfence\n~~~",
    "100% %0A %25 ::error file=x::y\n::stop-commands::z\n##[error]z , : =",
    "]]> ]]&gt; <![CDATA[x]]>",
    "a | b \\| c \\\\| d || `code` ``` ~~gone~~ $x^2$ \\",
    "@someone @org/team user@host.example #12 GH-3 !4 %5 :smile: :white_check_mark: @_name",
    "[link](http://evil.example) ![img](x) <http://a.b> https://c.d www.e.f [ref]: x **b** _i_ __init__",
    "🔥 größe 模型 \u202e left \u2028 \u0085 \ufeff",
    "\x00\x01\x08\x0b\x0c\x1b[31m\x7f\x9b \ufffe\uffff",
    "half \ud800 \udc80 pair",
    "long" * 20_000,
    "- 1. > + * # = -",
    "",
]
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def broken(line: int = 7) -> Report:
    return make_report(evidence(breaks=(a_break(line=line),)))


def hostile() -> Report:
    """Every hostile text in every field of a finding, and in the report's own."""
    findings = []
    for number, text in enumerate(HOSTILE):
        place = Location(f"/work/project/{text[:60]}.py", number - 1, text, text)
        made = Finding("CD101", "graph-break", ("error", "warning", "info")[number % 3], text, text, place)
        findings.append(
            replace(
                made,
                fix=text,
                cause=text,
                evidence=(text,),
                via=place,
                also=(place,),
                recipe=text[:50] or None,
                upstream="GB0059",
            )
        )
    report = broken()
    texts = {"reason": HOSTILE[1], "target": "model " + HOSTILE[0] + HOSTILE[4] + ".py", "convention": HOSTILE[5]}
    env = {"torch": HOSTILE[4], "device": HOSTILE[8], "backend": HOSTILE[5]}
    return replace(report, findings=tuple(findings), notes=tuple(HOSTILE), attention=calls(), environment=env, **texts)


def calls() -> tuple[AttentionEntry, ...]:
    found = []
    for text in HOSTILE:
        step = Step(4096, True, 440_549_380, 134_217_728, None, f"dense {text}", text)
        place = Location(f"/work/project/{text[:60]}.py", 3, text)
        values = {
            "kernel": None,
            "backend": None,
            "implementation": None,
            "tokens": 4096,
            "q_shape": (1, 2),
            "kv_shape": None,
            "dtype": text,
        }
        values |= {"device": "cpu", "peak_bytes": 1, "dense_bytes": 2, "lowered": None, "executed": None}
        values |= {"bounded": None, "reason": text, "reasons": {}, "ladder": (step,)}
        found.append(AttentionEntry(place, "mine", text or "sdpa", "dense", **values))
    return tuple(found)


def gate(*outcomes: Outcome) -> Gate:
    return Gate(outcomes, "2.13.0+cpu", "cpu", ("a waiver expired",))


def regressed(name: str = "small", report: Report | None = None) -> Outcome:
    """One finding is new and one is known; seven graphs instead of one; a waived change."""
    seen = report or make_report(evidence(breaks=(a_break(line=6), a_break(line=7))))
    new = seen.findings[0]
    worse = (
        Change("finding", "CD101 is new", new),
        Change("graphs", "7 graphs, 1 in the baseline"),
        Change("recipes", "2 recompiles", waived="until the next torch"),
    )
    better = (Change("operators", "3 operators fewer"),)
    return Outcome(name, "regression", "CD101 is new", seen, worse, better, hint="compile-doctor baseline update")


UNDECIDED = Outcome("large", "inconclusive", "It needs CUDA.", None, hint="run it on the GPU machine")
PASSED = Outcome("tiny", "pass", "", None, cached=True)
GATES = {
    "mixed": gate(regressed(), UNDECIDED, PASSED),
    "regression": gate(regressed()),
    "inconclusive": gate(UNDECIDED),
    "pass": gate(PASSED, replace(PASSED, name="other", status="better", report=broken())),
    "empty": gate(),
    "unknown-status": gate(replace(PASSED, status="skipped")),
    "no-change-named": gate(Outcome("x", "regression", "worse", None)),
    "hostile": gate(
        *(regressed(text, hostile()) for text in HOSTILE[:3]),
        *(Outcome(text, "inconclusive", text, None, hint=text) for text in HOSTILE),
        Outcome("waived", "pass", "", hostile(), tuple(Change(t, t, hostile().findings[3], t or "w") for t in HOSTILE)),
    ),
}
REPORTS = {
    "healthy": make_report(evidence()),
    "break": broken(),
    "hostile": hostile(),
    "target-error": make_report(evidence(failures=(failure("import"),), phases={"import": "failed"})),
    "interrupted": make_report(evidence(children=(Child("diagnose", None, ended="interrupted"),))),
    "nothing-compiled": make_report(evidence(compilations=())),
}
SUBJECTS = {
    **{f"report-{name}": one for name, one in REPORTS.items()},
    **{f"gate-{n}": one for n, one in GATES.items()},
}
every_subject = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)


def shown(name: str, subject: Report | Gate, verbosity: int = 0) -> str:
    module = CI[name]
    return module.render(subject, verbosity) if isinstance(subject, Report) else module.render_gate(subject, verbosity)


def run_of(subject: Report | Gate) -> dict:
    (run,) = json.loads(shown("sarif", subject))["runs"]
    return run


# --- all of them


def test_they_are_found_by_name():
    assert {*CI} < {*formats()}
    for name in CI:
        assert renderer(name)(broken()).endswith("\n")


@every_subject
@pytest.mark.parametrize("name", CI)
def test_bytes_are_the_same_each_time_and_hold_text_only(name, subject):
    text = shown(name, subject)
    assert text == shown(name, subject)
    assert text.endswith("\n")
    if name in ("sarif", "gitlab"):  # behind the escapes of JSON too
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    assert not UNPRINTABLE.search(text)
    assert "/work/project" not in text


@pytest.mark.parametrize("name", CI)
def test_no_verdict_never_looks_like_a_pass(name):
    assert "**inconclusive**" in shown("markdown", GATES["unknown-status"])
    for subject in (GATES["inconclusive"], GATES["mixed"], GATES["empty"], REPORTS["interrupted"]):
        text = shown(name, subject)
        assert text != shown(name, GATES["pass"])
        reason = {"mixed": "It needs CUDA", "inconclusive": "It needs CUDA", "empty": "No target was checked"}
        known = next(
            (reason[key] for key, one in GATES.items() if one is subject), "The run was interrupted before it finished"
        )
        assert known in text, name


@pytest.mark.parametrize("name", CI)
def test_ten_thousand_findings_take_moments(name):
    place = Location(MODEL, 1, "Model.forward", 'print("| ` <b> @x %")')
    one = Finding("CD101", "graph-break", "error", "Graph | break", "why " * 50, place, cause="print", fix="a\n b")
    report = replace(broken(), findings=tuple(replace(one, location=replace(place, line=n + 1)) for n in range(10_000)))
    changes = tuple(Change("finding", f"{n} is new", finding) for n, finding in enumerate(report.findings))
    for subject in (report, gate(Outcome("all", "regression", "worse", report, changes))):
        begun = time.process_time()
        text = shown(name, subject)
        assert time.process_time() - begun < 6, "below two seconds, on a machine that is not very slow"
        if name == "markdown":
            assert len(text) < 65_536 and re.search(r"… and \d,\d+ more", text)
        if name in ("gitlab", "sarif"):
            assert text.count("Graph | break") >= 10_000


# --- what they share


def test_a_gate_tells_what_is_new_from_what_it_knows():
    (target,) = targets(GATES["regression"])
    kinds = [(entry.kind, entry.level, entry.finding.code) for entry in target.entries]
    assert kinds == [
        ("regression", "error", "CD101"),
        ("waived", "info", "gate-recipes"),
        ("known", "info", "CD101"),
    ]


def test_without_a_baseline_nothing_is_new_or_known():
    subject = gate(Outcome("a", "inconclusive", "There is no baseline.", broken(), hint="baseline update a"))
    (target,) = targets(subject)
    assert [(entry.kind, entry.level) for entry in target.entries] == [
        ("inconclusive", "error"),
        ("uncompared", "info"),
    ]
    (result,) = run_of(subject)["results"]
    assert result["level"] == "note" and "baselineState" not in result
    assert "Not compared with a baseline (1)" in shown("markdown", subject)


def test_a_new_finding_is_the_one_at_its_line_else_one_like_it_else_its_own():
    report = make_report(evidence(breaks=(a_break(line=6), a_break(line=7))))
    first, second = report.findings
    moved = replace(second, location=replace(second.location, line=99), message="other")
    gone = replace(second, code="CD104", name="frame-skipped")
    for finding, line, known in ((second, second.location.line, 1), (moved, first.location.line, 1), (gone, 7, 2)):
        (target,) = targets(gate(Outcome("a", "regression", "", report, (Change("finding", "x", finding),))))
        assert target.entries[0].finding.location.line == line
        assert [entry.kind for entry in target.entries].count("known") == known
    twice = (Change("finding", "x", moved), Change("finding", "y", moved), Change("finding", "z", moved))
    (target,) = targets(gate(Outcome("a", "regression", "", report, twice)))
    assert [entry.kind for entry in target.entries] == ["regression"] * 3


def test_fingerprints_outlive_lines_counts_and_messages():
    (before,), (after,) = targets(broken(6)), targets(broken(7))
    changed = replace(
        after.entries[0], finding=replace(after.entries[0].finding, count=9, message="m", title="t", fix="f")
    )
    assert fingerprints(before.entries) == fingerprints([changed])
    for field, value in (("code", "CD102"), ("upstream", "GB1"), ("owner", "torch"), ("cause", "other")):
        other = replace(changed, finding=replace(changed.finding, **{field: value}))
        assert fingerprints([other]) != fingerprints([changed])
    for field in ("file", "function"):
        place = replace(changed.finding.location, **{field: "other"})
        assert fingerprints([replace(changed, finding=replace(changed.finding, location=place))]) != fingerprints(
            [changed]
        )


def test_equal_fingerprints_are_numbered_by_line_in_any_order():
    (target,) = targets(make_report(evidence(breaks=(a_break(line=6), a_break(line=7)))))
    entries = list(target.entries)
    by_line = {e.finding.location.line: p for e, p in zip(entries, fingerprints(entries))}
    assert by_line == {e.finding.location.line: p for e, p in zip(entries[::-1], fingerprints(entries[::-1]))}
    assert by_line[7] == by_line[6] + ":2"


NEW = "new: CD101 graph-break in Model.forward (model.py:6)"
ONE_BREAK = gate(
    Outcome(
        "small",
        "regression",
        f"{NEW[:1].upper()}{NEW[1:]}.",
        broken(6),
        (
            Change("finding", NEW, broken(6).findings[0]),
            Change("graphs", "7 graphs, 1 in the baseline"),
            Change("frames-skipped", "1 function not compiled, 0 in the baseline"),
        ),
        hint="compile-doctor baseline update small",
    )
)


@pytest.mark.parametrize("name", ["text", "markdown", "github", "gitlab", "junit", "sarif"])
def test_a_new_finding_is_said_once_with_what_got_worse_with_it(name):
    text = text_format.render_gate(ONE_BREAK) if name == "text" else shown(name, ONE_BREAK)
    (finding,) = ONE_BREAK.outcomes[0].report.findings
    for once in (
        "7 graphs, 1 in the baseline",
        "1 function not compiled, 0 in the baseline",
        "must run at its place between the operators",
        finding.fix.splitlines()[1].strip().replace('"', {"sarif": '\\"', "gitlab": '\\"'}.get(name, '"')),
    ):
        assert text.count(once) == 1, once
    if name != "text":
        assert text.count(finding.title) == 1
    assert text.count("compile-doctor baseline update small") <= 1


def test_figures_alone_are_a_change_of_their_own_with_a_file():
    outcome = replace(ONE_BREAK.outcomes[0], worse=ONE_BREAK.outcomes[0].worse[1:])
    found = commands(shown("github", gate(outcome)))
    errors = [(values["title"], values["file"]) for name, values, _ in found if name == "error"]
    assert errors == [("gate-graphs (small)", "model.py"), ("gate-frames-skipped (small)", "model.py")]


def test_a_verdict_of_attention_is_told_with_the_finding_about_it_or_at_its_line():
    (finding,) = broken(6).findings
    at = Location("model.py", 9, "Model.forward")
    change = Change("attention", "attention in Model.forward (model.py:9) is dense, was fused", location=at)
    place = replace(finding.location, file="model.py")
    new = Change("finding", NEW, replace(finding, location=place))
    (_, alone, _), *_ = commands(shown("github", gate(Outcome("small", "regression", "x", broken(6), (change,)))))
    assert (alone["file"], alone["line"]) == ("model.py", "9")
    together = commands(shown("github", gate(Outcome("small", "regression", "x", broken(6), (new, change)))))
    assert [name for name, _, _ in together] == ["error"]
    assert "is dense, was fused" in together[0][2]
    elsewhere = replace(change, location=replace(at, function="Other.forward"))
    apart = commands(shown("github", gate(Outcome("small", "regression", "x", broken(6), (new, elsewhere)))))
    assert [name for name, _, _ in apart] == ["error", "error"]


# --- SARIF


def sarif_schema() -> dict:
    path = SCHEMAS / "sarif-schema-2.1.0.json"
    if not path.is_file():
        pytest.skip("COMPILE_DOCTOR_SCHEMAS names no folder with OASIS' sarif-schema-2.1.0.json")
    return json.loads(path.read_text())


@every_subject
def test_sarif_is_valid_by_its_published_schema(subject):
    jsonschema.Draft4Validator(sarif_schema()).validate(json.loads(shown("sarif", subject)))


@every_subject
def test_sarif_is_read_by_a_parser_of_others(subject):
    read = sarif_pydantic.Sarif.model_validate_json(shown("sarif", subject))
    assert read.runs[0].tool.driver.name == "compile-doctor"


TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}, "markdown": {}}}
LEVEL = {"enum": ["error", "warning", "note"]}
URI = {"type": "string", "pattern": r"^[A-Za-z0-9%./_~:-]+$"}
LOCATION = {
    "type": "object",
    "additionalProperties": False,
    "required": ["physicalLocation"],
    "properties": {
        "message": TEXT,
        "logicalLocations": {"type": "array", "items": {"properties": {"kind": {"const": "function"}}}},
        "physicalLocation": {
            "required": ["artifactLocation"],
            "additionalProperties": False,
            "properties": {
                "artifactLocation": {
                    "required": ["uri"],
                    "properties": {"uri": URI, "uriBaseId": {"const": "%SRCROOT%"}},
                },
                "region": {"required": ["startLine"], "properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        },
    },
}
RESULT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["ruleId", "ruleIndex", "level", "message", "partialFingerprints"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "items": LOCATION, "minItems": 1},
        "relatedLocations": {"type": "array", "items": LOCATION},
        "partialFingerprints": {
            "additionalProperties": {"type": "string", "pattern": r"^[0-9a-f]{64}(:[0-9]+)?$"},
            "required": ["compileDoctor/v1"],
        },
        "baselineState": {"enum": ["new", "unchanged"]},
        "suppressions": {"type": "array", "items": {"required": ["kind"]}},
        "properties": {"type": "object"},
    },
}
RULE = {
    "required": ["id", "name", "shortDescription", "defaultConfiguration"],
    "properties": {
        "shortDescription": TEXT,
        "fullDescription": TEXT,
        "help": TEXT,
        "defaultConfiguration": {"properties": {"level": LEVEL}},
    },
}


@every_subject
def test_sarif_holds_together(subject):
    """What the standard asks for in words, and the part of it that is used here; needs no published schema."""
    log = json.loads(shown("sarif", subject))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    jsonschema.Draft202012Validator({"items": RULE}).validate(rules)
    jsonschema.Draft202012Validator({"items": RESULT}).validate(run["results"])
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    prints = [result["partialFingerprints"]["compileDoctor/v1"] for result in run["results"]]
    assert len({*prints}) == len(prints)
    assert len({"suppressions" in result for result in run["results"]}) <= 1
    assert run["automationDetails"]["id"].startswith("compile-doctor/")
    assert [check.code for check in all_checks()] == [rule["id"] for rule in rules][: len(all_checks())]


def test_sarif_of_a_break():
    run = run_of(broken())
    (result,) = run["results"]
    (place,) = result["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "model.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7, "snippet": {"text": 'print("seen")'}},
    }
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "Model.forward"
    assert (result["level"], run["automationDetails"]["id"]) == ("error", "compile-doctor/model.py/")
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["name"] == "graph-break" and len(rule["fullDescription"]["text"]) <= 1000
    assert "Fusion stops there" in rule["help"]["text"]


def test_sarif_says_what_had_no_verdict():
    for subject in (GATES["inconclusive"], GATES["empty"], REPORTS["interrupted"], REPORTS["nothing-compiled"]):
        (invocation,) = run_of(subject)["invocations"]
        assert not invocation["executionSuccessful"]
        assert any(one["level"] == "error" for one in invocation["toolExecutionNotifications"])
    (invocation,) = run_of(GATES["pass"])["invocations"]
    assert invocation["executionSuccessful"]


def test_sarif_marks_regressions():
    found = [
        (one["ruleId"], one["level"], one["baselineState"], one["suppressions"])
        for one in run_of(GATES["mixed"])["results"]
    ]
    waiver = {"kind": "external", "status": "accepted", "justification": "until the next torch"}
    assert found == [
        ("CD101", "error", "new", []),
        ("gate-recipes", "note", "new", [waiver]),
        ("CD101", "note", "unchanged", []),
    ]
    assert all("baselineState" not in one for one in run_of(broken())["results"])


def test_sarif_paths_are_uris():
    def uri(file: str) -> dict | None:
        finding = replace(broken().findings[0], location=Location(file, 1, "f"))
        (result,) = run_of(replace(broken(), findings=(finding,)))["results"]
        return result["locations"][0]["physicalLocation"]["artifactLocation"] if "locations" in result else None

    odd = "a b/c:d#e?f%20g/größe.py"
    assert unquote(uri(f"/work/project/{odd}")["uri"]) == odd
    assert uri("/work/project/c:d.py")["uri"] == "c%3Ad.py"
    assert uri("/venv/site packages/x.py") == {"uri": "file:///venv/site%20packages/x.py"}
    # GitHub refuses a file with a result that has no place: the target stands for it.
    assert uri("<string>") == {"uri": "model.py", "uriBaseId": "%SRCROOT%"}
    finding = replace(broken().findings[0], location=None)
    (result,) = run_of(replace(broken(), findings=(finding,)))["results"]
    assert result["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "model.py", "uriBaseId": "%SRCROOT%"}}}
    ]


# --- GitHub


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As the runner reads them: a line that begins with `::`, properties up to the next `::`, then unescaped."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if not line.strip().startswith("::"):
            assert "##[" not in line
            continue
        head, message = line.strip()[2:].split("::", 1)
        name, _, properties = head.partition(" ")
        values = {}
        for pair in properties.split(","):
            key, _, value = pair.strip().partition("=")
            for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
                value = value.replace(code, char)
            values[key] = value
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            message = message.replace(code, char)
        found.append((name, values, message))
    return found


@every_subject
def test_github_lines_are_commands_of_three_kinds_and_one_total(subject):
    text = shown("github", subject)
    found = commands(text)
    assert {name for name, _, _ in found} <= {"error", "warning", "notice"}
    for _, values, _ in found:
        assert {*values} <= {"file", "line", "title"} and values["title"]
        assert int(values.get("line", 1)) >= 1
    for kind in ("error", "warning", "notice"):
        assert [name for name, _, _ in found].count(kind) <= github_format.LIMIT
    assert [name for name, _, _ in found] == sorted((name for name, _, _ in found), key="error warning notice".index)
    assert len(text.splitlines()) == len(found) + 1
    assert text.splitlines()[-1].startswith("compile-doctor: ")


def test_github_of_a_break():
    text = shown("github", broken())
    assert text.startswith("::error file=model.py,line=7,title=CD101 graph-break::Graph break: ")
    assert text.splitlines()[-1] == "compile-doctor: 1 failed; 1 error, 0 warnings, 0 notices"


def test_github_texts_come_back_as_they_were():
    text = "100%, a:b\nc %0A %3A ::error::"
    finding = replace(broken().findings[0], name="a,b:c%", title=text, message="", fix="")
    (found,) = commands(shown("github", replace(broken(), findings=(finding,))))
    assert found[1]["title"] == "CD101 a,b:c%"
    assert found[2] == text


def test_github_says_how_many_there_are_behind_its_ten():
    one = broken().findings[0]
    report = replace(broken(), findings=tuple(replace(one, title=f"t{n}") for n in range(25)))
    last = shown("github", report).splitlines()[-1]
    assert (
        last
        == "compile-doctor: 1 failed; 25 errors (10 of them annotated: GitHub shows no more), 0 warnings, 0 notices"
    )
    crowd = [replace(UNDECIDED, name=f"n{n}") for n in range(30)]
    found = commands(shown("github", gate(*crowd, regressed())))
    assert found[0][2].startswith("30 targets are inconclusive\nn0: It needs CUDA.\nn1")
    assert [values["title"] for name, values, _ in found if name == "error"][1:] == [
        "CD101 graph-break (small)",
    ]


def test_github_points_at_the_line_of_the_project_that_leads_to_a_package():
    finding = replace(broken().findings[0], location=Location("/venv/site-packages/x.py", 9, "f"))
    ((_, alone, text),) = commands(shown("github", replace(broken(), findings=(finding,))))
    assert (alone["file"], "line" in alone) == ("model.py", False)
    assert text.endswith("\nIn x.py:9 in f")
    finding = replace(finding, via=Location(MODEL, 6, "g", "x()"))
    ((_, values, _),) = commands(shown("github", replace(broken(), findings=(finding,))))
    assert (values["file"], values["line"]) == ("model.py", "6")


def test_github_summary_is_the_markdown():
    assert github_format.summary(broken()) == shown("markdown", broken())
    assert github_format.summary(GATES["mixed"]) == shown("markdown", GATES["mixed"])


# --- GitLab

VIOLATIONS = {
    "type": "array",
    "items": {
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string"},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "minLength": 1, "pattern": r"^(?!/|\./)"},
                    "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
                },
            },
        },
    },
}
"""From the table of GitLab's documentation on Code Quality reports; GitLab publishes no schema."""


@every_subject
def test_gitlab_is_as_documented(subject):
    found = json.loads(shown("gitlab", subject))
    jsonschema.Draft202012Validator(VIOLATIONS).validate(found)
    assert len({one["fingerprint"] for one in found}) == len(found)


def test_gitlab_of_a_break_and_of_a_pass():
    (found,) = json.loads(shown("gitlab", broken()))
    assert found["location"] == {"path": "model.py", "lines": {"begin": 7}}
    assert (found["severity"], found["check_name"]) == ("critical", "CD101 graph-break")
    assert json.loads(shown("gitlab", REPORTS["healthy"])) == []


def test_gitlab_of_a_gate():
    found = json.loads(shown("gitlab", GATES["mixed"]))
    assert [(one["check_name"], one["severity"]) for one in found] == [
        ("CD101 graph-break", "critical"),
        ("gate-recipes", "info"),
        ("CD101 graph-break", "info"),
        ("inconclusive", "blocker"),
    ]
    assert found[-1]["location"]["path"] == "pyproject.toml"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("model.py", "model.py"),
        ("./src/my model.py:build", "src/my model.py"),
        ("/work/project/src/model.py:build", "src/model.py"),
        ("package.module:build", "package/module.py"),
        ("example:gqa", "pyproject.toml"),
        ("python -m pytest tests/a.py --x", "tests/a.py"),
        ("???", "pyproject.toml"),
    ],
)
def test_gitlab_shows_what_has_no_place_at_the_targets_file(target, path):
    status = 1 if target.startswith("python") else None
    finding = replace(broken().findings[0], location=None)
    report = replace(broken(), findings=(finding,), target=target, command_exit=status)
    (found,) = json.loads(shown("gitlab", report))
    assert found["location"] == {"path": path, "lines": {"begin": 1}}


# --- JUnit


@every_subject
def test_junit_is_xml_with_true_counts(subject):
    root = ElementTree.fromstring(shown("junit", subject).encode())
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    cases = suite.findall("testcase")
    assert (
        int(suite.get("tests")) == len(cases) == (1 if isinstance(subject, Report) else max(1, len(subject.outcomes)))
    )
    for name, tag in (("failures", "failure"), ("errors", "error")):
        assert int(suite.get(name)) == int(root.get(name)) == len(suite.findall(f"testcase/{tag}"))
    for case in cases:
        assert {child.tag for child in case} <= {"failure", "error", "system-out"}
        assert [child.tag for child in case].count("failure") + [child.tag for child in case].count("error") <= 1
        float(case.get("time"))


@every_subject
def test_junit_is_valid_by_the_schema_of_jenkins(subject):
    etree = pytest.importorskip("lxml.etree")
    if not (SCHEMAS / "junit-10.xsd").is_file():
        pytest.skip("COMPILE_DOCTOR_SCHEMAS names no folder with the junit-10.xsd of Jenkins' xunit plugin")
    etree.XMLSchema(etree.parse(SCHEMAS / "junit-10.xsd")).assertValid(
        etree.fromstring(shown("junit", subject).encode())
    )


def test_junit_of_a_gate():
    suite = ElementTree.fromstring(shown("junit", GATES["mixed"]))[0]
    small, large, tiny = suite.findall("testcase")
    assert [case.get("name") for case in (small, large, tiny)] == ["small", "large", "tiny"]
    text = small.find("failure").text
    assert "7 graphs, 1 in the baseline" in text and "model.py:6" in text and "recompiles" not in text
    assert "2 recompiles" in small.find("system-out").text
    assert (large.find("error").get("message"), large.find("failure")) == ("It needs CUDA.", None)
    assert [child.tag for child in tiny] == ["system-out"]
    assert "a waiver expired" in suite.find("system-out").text


@pytest.mark.parametrize(
    ("name", "tag"), [("break", "failure"), ("interrupted", "error"), ("target-error", "error"), ("healthy", None)]
)
def test_junit_of_a_report(name, tag):
    case = ElementTree.fromstring(shown("junit", REPORTS[name])).find("testsuite/testcase")
    assert [child.tag for child in case if child.tag != "system-out"] == ([tag] if tag else [])


# --- Markdown

PARSER = MarkdownIt("commonmark").enable("table").enable("strikethrough")
PLAIN = {"text", "softbreak", "strong_open", "strong_close", "text_special"}
HTML = re.compile(r"<details>\n<summary><code>[^<>]*</code></summary>\n|</details>\n?")


@every_subject
@pytest.mark.parametrize("verbosity", [0, 1])
def test_markdown_renders_as_text(subject, verbosity):
    """No link, image, emphasis, code or markup but the page's own, and every table as wide as its head."""
    text = shown("markdown", subject, verbosity)
    assert len(text) < 65_536
    tokens = PARSER.parse(text)
    blocks = {token.type for token in tokens}
    allowed = {"heading", "paragraph", "table", "thead", "tbody", "tr", "th", "td"}
    assert blocks <= {f"{name}_{side}" for name in allowed for side in ("open", "close")} | {
        "inline",
        "fence",
        "html_block",
    }
    for token in tokens:
        if token.type == "html_block":
            assert HTML.fullmatch(token.content), token.content
        if token.type == "inline":
            assert {child.type for child in token.children} <= PLAIN, token.content
    assert text.count("<details>") == sum(t.type == "html_block" and t.content.startswith("<details>") for t in tokens)
    assert sum(t.content.startswith("<details>") for t in tokens) == sum(t.content.startswith("</det") for t in tokens)
    widths: list[int] = []
    for token in tokens:
        if token.type == "tr_open":
            widths.append(0)
        if token.type in ("td_open", "th_open"):
            widths[-1] += 1
    assert all(widths)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(line.replace(r"\|", "").count(" | ") == line.count("|") - 2 for line in rows if "`" not in line)


@pytest.mark.parametrize("text", [one for one in HOSTILE if len(one) < 300])
def test_markdown_text_comes_back_as_it_was(text):
    folded = " ".join(text.encode("utf-8", "replace").decode().split())
    tokens = PARSER.parse(f"| head |\n| --- |\n| x {inline(folded)} |")
    (cell,) = [token for token in tokens if token.type == "inline"][1:]
    assert (
        "".join(child.content for child in cell.children).replace("\u200b", "")
        == f"x {folded}".replace("\x00", "\ufffd").strip()
    )


def test_markdown_mentions_nobody_and_shows_no_emoji():
    escaped = inline("@someone @org/team a@b.c #12 :smile: :white_check_mark: http://x.y www.x.y @_z !1 %2 ~l $3")
    tokens = PARSER.parse("x " + escaped)
    text = "".join(child.content for child in tokens[1].children)
    assert not re.search(r"@[\w]|#\d|:[\w+-]+:|!\d|%\d", text)
    assert r"http\://" in escaped and r"www\." in escaped


def test_markdown_of_a_break():
    text = shown("markdown", broken())
    assert text.startswith("### compile-doctor: UNHEALTHY\n\n**1 line breaks the graph.**\n\nTarget model.py")
    assert "| 1 | error | CD101 graph-break | model.py:7 in Model.forward | Graph break: " in text
    assert '```python\nprint("seen")\n```' in text


def test_markdown_of_a_gate():
    text = shown("markdown", GATES["mixed"])
    assert text.startswith("### compile-doctor: something got worse\n\n**1 got worse, 1 inconclusive, 1 passed** of 3")
    assert "| small | **worse** | 1 change, below; if this is intended: compile-doctor baseline update |" in text
    assert "| large | **inconclusive** | It needs CUDA; run it on the GPU machine |" in text
    assert text.index("#### What got worse") < text.index("#### Waived") < text.index("#### Better than the baseline")
    assert "<summary><code>In the baseline (1)</code></summary>" in text
    row = "| 1 | small | error | CD101 graph-break | model.py:6 in Model.forward | Graph break: print in compiled code "
    assert row + "(CD101 is new; 7 graphs, 1 in the baseline) |" in text
    for name in ("empty", "unknown-status", "inconclusive"):
        assert shown("markdown", GATES[name]).startswith("### compile-doctor: some targets are inconclusive")
    assert shown("markdown", GATES["pass"]).startswith("### compile-doctor: passed")


def test_markdown_fences_hold_what_looks_like_their_end():
    finding = replace(broken().findings[0], fix="a\n```\n````\n</details>\nb")
    tokens = PARSER.parse(shown("markdown", replace(broken(), findings=(finding,))))
    assert "a\n```\n````\n</details>\nb\n" in [token.content for token in tokens if token.type == "fence"]
