"""`fix` without torch: copies, what is written, the journal, the decision about two diagnoses, and the formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sarif_pydantic
from helpers import evidence

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.mend import timing
from compile_doctor.mend.copies import Copies, Copy
from compile_doctor.mend.journal import Journal
from compile_doctor.mend.judge import Judge, Verdict, of_user
from compile_doctor.mend.options import Options, check_names
from compile_doctor.mend.outcome import Outcome
from compile_doctor.mend.result import Figures, Left, Mended, Step, hunks
from compile_doctor.mend.rewrites import rewrites
from compile_doctor.mend.search import NEEDLESS, Search
from compile_doctor.mend.site import Candidate
from compile_doctor.mend.state import State
from compile_doctor.mend.tried import Tried
from compile_doctor.mend.two_diagnoses import worse
from compile_doctor.mend.ways import Way, Ways
from compile_doctor.mend.write import check_folder, write_files, write_packages
from compile_doctor.model.asked import Settings
from compile_doctor.model.findings import CheckFacts, Finding, Location
from compile_doctor.processes.children import watch
from compile_doctor.render import fix_renderer, formats
from compile_doctor.render.mend_words import honesty, left_line
from compile_doctor.report.make import make_report
from compile_doctor.run.progress import Progress
from compile_doctor.source import locations
from compile_doctor.targets.target import Target

OLD = "import torch\n\n\ndef f(x):\n    print(x)\n    return x\n"
NEW = "import torch\n\n\ndef f(x):\n    if not torch.compiler.is_compiling():\n        print(x)\n    return x\n"


def finding(
    line: int = 5, code: str = "CD101", cause: str = "print", file: str = "/work/m.py", snippet: str = "print(x)"
) -> Finding:
    return Finding(
        code, "graph-break", "error", "Graph break: print()", "m", Location(file, line, "f", snippet), cause=cause
    )


def mended(cwd: str = "/work", file: str = "/work/m.py") -> Mended:
    kept = Step(finding(file=file), "messages-outside", "leaves the message out", "kept", key="a")
    dropped = Step(finding(file=file), "messages-reordered", "moves the message", "dropped", "it <b>differs</b>", "b")
    figures = (Figures(2, 2, 1, 0, 1.5), Figures(1, 1, 0, 0, 0.5))
    left = (Left(finding(9, "CD201", "value:n", file), "there is no rewrite for its cause"),)
    return Mended(
        "m.py",
        cwd,
        {"torch": "2.13.0", "device": "cpu"},
        ("unhealthy", "healthy"),
        *figures,
        (dropped, kept),
        left,
        {file: (OLD, NEW)},
        {"dynamic": True},
        (21, 9),
        21,
        (0.002, 0.001),
        "",
        ("when compiled, it says less",),
        ("a note",),
        "it was interrupted",
    )


# ---------------------------------------------------------------- copies


def project(folder: Path) -> Path:
    (folder / "pkg" / "data").mkdir(parents=True)
    (folder / "pkg" / "__init__.py").write_text("")
    (folder / "pkg" / "model.py").write_text("from . import layers\n")
    (folder / "pkg" / "layers.py").write_text("A = 1\n")
    (folder / "pkg" / "data" / "table.txt").write_text("t")
    (folder / "weights.bin").write_text("w")
    return folder / "pkg" / "model.py"


def test_a_copy_has_the_changed_files_and_links_to_all_else(tmp_path):
    path = project(tmp_path / "project")
    layers = str(path.with_name("layers.py"))
    copies = Copies(Target("pkg/model.py", path), [layers], [str(tmp_path)], tmp_path / "made")
    copy = copies.make({layers: "A = 2\n"})
    root = Path(copy.target.search[0])
    assert copy.target.path == root / "pkg" / "model.py"
    assert (root / "pkg" / "layers.py").read_text() == "A = 2\n" and path.with_name(
        "layers.py"
    ).read_text() == "A = 1\n"
    assert not (root / "pkg" / "model.py").is_symlink()
    assert (root / "pkg" / "data").is_symlink() and (root / "weights.bin").is_symlink()
    assert copy.original(str(root / "pkg" / "layers.py")) == layers
    assert copy.original(str(root / "pkg" / "data" / "x.py")) == str(path.parent / "data" / "x.py")
    assert copy.original("/elsewhere.py") == "/elsewhere.py"


def test_of_the_folder_of_packages_only_the_package_is_in_a_copy(tmp_path):
    site = tmp_path / "lib" / "site-packages"
    project(site)
    target = tmp_path / "m.py"
    target.write_text("")
    copies = Copies(Target("m.py", target), [str(site / "pkg" / "layers.py")], [str(site)], tmp_path / "made")
    search = copies.make({}).target.search
    assert [os.listdir(one) for one in search if "pkg" in os.listdir(one)] == [["pkg"]]


def test_a_file_that_cannot_be_imported_or_read_is_left_out(tmp_path):
    path = project(tmp_path / "project")
    latin = path.with_name("latin.py")
    latin.write_bytes(b"# \xe9\n")
    copies = Copies(Target("m", path), [], [], tmp_path / "made")
    assert copies.add(str(path)) and not copies.add(str(latin)) and not copies.add("/nowhere/x.py")


# ---------------------------------------------------------------- what is written


def test_a_file_is_written_as_it_lies_below_the_working_directory(tmp_path):
    (tmp_path / "src").mkdir()
    file = tmp_path / "src" / "m.py"
    file.write_text(OLD)
    found = mended(str(tmp_path), str(file))
    assert write_files(found, tmp_path / "out") == [str(tmp_path / "out" / "src" / "m.py")]
    assert (tmp_path / "out" / "src" / "m.py").read_text() == NEW and file.read_text() == OLD
    write_files(found, tmp_path)
    assert file.read_text() == NEW
    file.write_text("edited in the meantime")
    with pytest.raises(UsageError, match="is not the file that was diagnosed"):
        write_files(found, tmp_path)
    assert file.read_text() == "edited in the meantime"


def test_packages_are_never_changed_in_place(tmp_path):
    site = tmp_path / "lib" / "site-packages"
    file = project(site)
    file.write_text(OLD)
    found = mended(str(tmp_path), str(file))
    assert write_files(found, tmp_path / "out") == []
    with pytest.raises(UsageError, match="which fix does not change"):
        check_folder("--write", site)
    written = write_packages(found, tmp_path / "vendor")
    assert written == [str(tmp_path / "vendor" / "pkg" / "model.py")]
    assert (tmp_path / "vendor" / "pkg" / "model.py").read_text() == NEW and file.read_text() == OLD
    assert (tmp_path / "vendor" / "pkg" / "layers.py").exists()


def test_git_takes_the_patch(tmp_path):
    (tmp_path / "m.py").write_text(OLD)
    (tmp_path / "p.patch").write_text(fix_renderer("patch")(mended(str(tmp_path), str(tmp_path / "m.py"))))
    subprocess.run(["git", "apply", "p.patch"], cwd=tmp_path, check=True)
    assert (tmp_path / "m.py").read_text() == NEW


@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), (NEW, OLD), ("", "a\n"), ("a\nb\nc\n", "a\nc\nd\n"), ("a", "b")])
def test_hunks_make_the_new_text_of_the_old(old, new):
    lines = old.splitlines(keepends=True)
    for one in reversed(hunks(old, new)):
        lines[one.first - 1 : one.last] = [one.text]
    assert "".join(lines) == new


# ---------------------------------------------------------------- the journal


def test_a_search_continues_where_it_was(tmp_path):
    journal = Journal(tmp_path, "m.py", Settings(), {"/work/m.py": OLD})
    assert journal.read() is None
    steps = list(mended().steps)
    journal.write({"/work/m.py": NEW}, {"dynamic": True}, steps, ["table"])
    reached = {"texts": {"/work/m.py": NEW}, "compiling": {"dynamic": True}, "made": ["table"]}
    assert journal.read() == (reached, steps)
    for other in (Journal(tmp_path, "n.py", Settings(), {}), Journal(tmp_path, "m.py", Settings(grad=True), {})):
        with pytest.raises(UsageError, match="is about another target"):
            other.read()
    journal.file.write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        journal.read()


def test_a_search_relies_on_no_step_after_the_best_state(tmp_path):
    """What was kept after it may lead to nothing: another search tries it again, and what was dropped since."""
    dropped, kept = mended().steps
    known = Tried()
    assert known.resume(Journal(tmp_path, "m.py", Settings(), {})) is None
    known.path = [state(finding())]
    known.steps += [dropped, kept, replace(kept, key="c"), replace(dropped, key="d")]
    known.reach([state(texts={"/work/m.py": NEW})])
    known.save()
    again = Tried()
    reached = again.resume(Journal(tmp_path, "m.py", Settings(), {}))
    assert reached["texts"] == {"/work/m.py": NEW} and again.steps == [dropped, kept] and again.leading == 1
    assert again.reasons == {"b": dropped.reason, "a": ""}
    known.give_up()
    assert [one.state for one in known.steps] == ["dropped", "kept", "dropped", "dropped"]
    assert "nor by what followed" in known.steps[2].reason


def test_a_rewrite_that_does_not_exist_is_named():
    check_names(("branch-to-where",))
    with pytest.raises(UsageError, match="--only nothing: there is no such rewrite"):
        check_names(("branch-to-where", "nothing"))


def test_what_was_dropped_once_comes_last_in_later_states(tmp_path, monkeypatch):
    hopeless, good = finding(), finding(7, "CD102", "data-dependent-branch")
    found = searching(tmp_path)
    titles = {"print": ["a", "b"], "data-dependent-branch": ["c", "d"]}

    def of(state, one):
        for title in titles[one.cause]:
            yield Way(one, rewrites()[0], Candidate(title, title), {"m.py": title}, {})

    monkeypatch.setattr(found.ways, "of", of)

    def order():
        return [[way.candidate.title for way in turn] for turn in found._turns(state(hopeless, good))]

    assert order() == [["a", "c"], ["b", "d"]]
    found.tried.steps.append(Step(hopeless, rewrites()[0].name, "a", "dropped", "no", "key"))
    assert order() == [["c"], ["b", "d"], ["a"]]


def searching(folder: Path, **options: object) -> Search:
    target = Target("m.py", folder / "m.py", None, None)
    found = Search(target, Settings(), Options(**options), folder, watch, Progress(True))  # type: ignore[arg-type]
    found.ways = Ways(Copies(target, [], [str(folder)], folder), found.options.only, False, found.notes)
    return found


THREE = "import torch\n\n\ndef f(x):\n    print(x)\n    y = x + 1\n    print(y)\n    z = y * 2\n    print(z)\n    return z\n"


def three(folder: Path) -> list[Finding]:
    (folder / "m.py").write_text(THREE)
    return [
        finding(line, file=str(folder / "m.py"), snippet=text) for line, text in zip((5, 7, 9), PRINTS, strict=True)
    ]


PRINTS = ("print(x)", "print(y)", "print(z)")


class Answers:
    """A judge that knows which texts are good: those in which none of the `bad` calls was changed."""

    def __init__(self, bad: tuple[str, ...] = (), follows: tuple[str, ...] = ()) -> None:
        """`follows`: calls whose findings go away with any other change."""
        self.bad = bad
        self.follows = follows
        self.asked: list[list[str]] = []

    def left(self) -> float:
        return 600.0

    def better(self, old, findings, texts, compiling, made):
        unchanged = [one for one in findings if f"        {one.location.snippet}" not in "".join(texts.values())]
        if any(one.location.snippet not in self.follows for one in unchanged):
            return Verdict(None, "the finding is still there")
        self.asked.append([one.location.snippet[-2] for one in findings])
        (text,) = texts.values()
        wrong = [one for one in findings if one.location.snippet in self.bad]
        if wrong:
            return Verdict(None, "it differs")
        lines = [line.strip() for line in text.splitlines()]
        left = [
            replace(one, location=replace(one.location, line=lines.index(one.location.snippet) + 1))
            for one in old.findings
            if one not in findings
        ]
        new = replace(state(*left, texts=texts), taken=len(findings))
        return Verdict(new)


def kept(found: Search) -> list[str]:
    return [one.finding.location.snippet for one in found.tried.steps if one.state == "kept"]


def test_ways_that_do_not_touch_each_other_are_tried_at_once(tmp_path):
    found, judge = searching(tmp_path, only=("messages-outside",)), Answers()
    found._until_nothing_helps(judge, state(*three(tmp_path)))
    assert judge.asked == [["x", "y", "z"]] and kept(found) == list(PRINTS)
    assert found.tried.leading == 3 and found.tried.path[-1].findings == ()
    text = found.tried.path[-1].texts[str(tmp_path / "m.py")]
    assert text.count("if not torch.compiler.is_compiling():") == 3


def test_a_way_that_is_not_needed_is_left_out_of_what_is_kept_together(tmp_path):
    found, judge = searching(tmp_path, only=("messages-outside",)), Answers(follows=("print(y)",))
    found._until_nothing_helps(judge, state(*three(tmp_path)))
    assert sorted(kept(found)) == ["print(x)", "print(z)"] and found.tried.leading == 2
    dropped = [(one.finding.location.snippet, one.reason) for one in found.tried.steps if one.state == "dropped"]
    assert dropped == [("print(y)", NEEDLESS)]
    best = found.tried.path[-1]
    assert best.findings == () and best.texts[str(tmp_path / "m.py")].count("is_compiling():") == 2


def test_ctrl_c_while_a_way_is_left_out_keeps_what_helped_together(tmp_path):
    found, judge = searching(tmp_path, only=("messages-outside",)), Answers()

    def better(*asked, known=judge.better):
        if judge.asked:
            raise KeyboardInterrupt
        return known(*asked)

    judge.better = better
    with pytest.raises(KeyboardInterrupt):
        found._until_nothing_helps(judge, state(*three(tmp_path)))
    assert sorted(kept(found)) == list(PRINTS) and found.tried.path[-1].findings == ()


def test_one_bad_way_does_not_cost_the_others(tmp_path):
    found, judge = searching(tmp_path, only=("messages-outside",)), Answers(bad=("print(y)",))
    found._until_nothing_helps(judge, state(*three(tmp_path)))
    assert sorted(kept(found)) == ["print(x)", "print(z)"]
    dropped = [(one.finding.location.snippet, one.reason) for one in found.tried.steps if one.state == "dropped"]
    assert ("print(y)", "it differs") in dropped, "it was tried by itself"
    assert [one.location.snippet for one in found.tried.path[-1].findings] == ["print(y)"]


def test_what_the_diagnosis_still_shows_is_left_out_of_the_next_try(tmp_path):
    class There(Answers):
        def better(self, old, findings, texts, compiling, made):
            there = tuple(one for one in findings if one.location.snippet == "print(x)")
            if there:
                self.asked.append([one.location.snippet[-2] for one in findings])
                return Verdict(None, "the finding is still there", there)
            return super().better(old, findings, texts, compiling, made)

    found, judge = searching(tmp_path, only=("messages-outside",)), There()
    found._until_nothing_helps(judge, state(*three(tmp_path)))
    assert judge.asked[:2] == [["x", "y", "z"], ["y", "z"]] and kept(found) == ["print(y)", "print(z)"]


def test_a_way_whose_line_another_one_has_changed_waits(tmp_path):
    same = [three(tmp_path)[0], replace(three(tmp_path)[0], code="CD104")]
    found = searching(tmp_path, only=("messages-outside",))
    first, second = (next(found.ways.of(state(*same), one)) for one in same)
    assert found.ways.together(state(*same), [first, second]).ways == (first,)


def test_the_line_of_the_break_moves_with_the_function_that_was_skipped(tmp_path):
    first, _, last = three(tmp_path)
    skipped = replace(last, code="CD104", location=replace(last.location, line=4, snippet="def f(x):"), breaks_at=9)
    found = searching(tmp_path, only=("messages-outside",))
    way = next(found.ways.of(state(first, skipped), first))
    moved = found.ways._moved(state(first), state(first, texts=way.texts), skipped)
    text = way.texts[str(tmp_path / "m.py")].splitlines()
    assert moved.location.line == 4 and text[moved.breaks_at - 1] == "    print(z)" and moved.breaks_at == 10
    gone = replace(skipped, breaks_at=5)
    assert found.ways._moved(state(first), state(first, texts=way.texts), gone).breaks_at is None


@pytest.mark.parametrize("kind", ["skipped", "rest-skipped", "checkpointed"])
def test_what_follows_from_a_break_is_said_to_go_away_with_it(kind, tmp_path):
    outcome = Outcome("m.py", Settings(), Options(), tmp_path, Progress(True), "")
    left = finding(code="CD104", cause=f"{kind}:thread-or-lock")
    assert outcome.why(left, ()) == "it goes away with the break that causes it"
    assert outcome.why(finding(cause="thread-or-lock"), ()) == "there is no rewrite for its cause"
    assert outcome.why(finding(cause="compiler-disabled-function"), ()).endswith("out of the graph on purpose")


def test_what_the_target_prints_is_not_shown_again_when_calls_are_measured(tmp_path, monkeypatch, capfd):
    def measured(target, settings, given, folder, progress, start):
        command = [sys.executable, "-c", "import sys; print('again'); print('and again', file=sys.stderr)"]
        assert start("plan", command, dict(os.environ), 60.0)["exit_code"] == 0
        raise InconclusiveError("nothing to measure")

    monkeypatch.setattr(timing, "bench", measured)
    target = Target("m.py", tmp_path / "m.py", None, None)
    assert timing.median_seconds(target, Settings(), tmp_path / "time") == "nothing to measure"
    assert capfd.readouterr() == ("", "")
    (kept,) = (tmp_path / "time").glob("*.txt")
    assert sorted(kept.read_text().splitlines()) == ["again", "and again"]


# ---------------------------------------------------------------- two diagnoses


def state(*findings: Finding, texts: dict[str, str] | None = None, **summary: int) -> State:
    report = make_report(evidence(compilations=()))
    counts = {"graphs": 2, "ops_captured": 5, "frames_skipped": 0, **summary}
    report = replace(report, verdict="unhealthy", summary={**report.summary, **counts}, sources={"/work/m.py": OLD})
    return State(texts or {}, {}, report, findings, {})


def test_a_finding_has_to_go_and_no_other_may_come():
    old = state(finding())
    assert worse(old, state(), [finding()]) == ""
    assert worse(old, state(finding(7)), [finding()]) == "the finding is still there"
    assert "it brings CD201" in worse(old, state(finding(6, "CD201", "value:n")), [finding()])
    on_purpose = replace(finding(8, cause="compiler-disabled-function"), severity="info")
    both = [finding(), finding(7, cause="print")]
    assert worse(state(*both), state(on_purpose), both) == "", "one break on purpose for two others"
    assert "it brings" in worse(state(*both), state(replace(on_purpose, severity="error")), both)
    assert worse(old, state(graphs=3), [finding()]) == "there are 3 graphs instead of 2"
    assert worse(old, state(graphs=0), [finding()]) == "nothing is compiled any more"


def test_a_copy_in_the_temporary_folder_is_the_users_own():
    """Its findings keep their owner: a function that the user keeps out of graphs would be an error in a package."""
    folder = "/tmp/compile-doctor-fix-ab12cd34/copy-001/0/own"  # as `scratch` names it
    assert locations.is_generated(f"{folder}/net.py", ())
    made = Copy(Path(folder), Target("net.py", Path(folder, "net.py"), search=(folder,)), {}, {})
    seen = AnalysisContext(of_user(evidence(compilations=()), made))
    assert seen.owner(f"{folder}/net.py") == "mine"


def test_a_healthy_target_stays_healthy():
    old, new = (
        replace(one, report=replace(one.report, verdict=v))
        for one, v in ((state(finding()), "healthy"), (state(), "unhealthy"))
    )
    assert worse(old, new, [finding()]) == "the verdict is unhealthy, and it was healthy"
    assert worse(old, replace(new, report=old.report), [finding()]) == ""


def test_a_rewrite_for_recompilations_has_to_leave_fewer():
    again = replace(finding(), facts=CheckFacts(category="recompiles"))
    assert worse(state(again, recompiles=3), state(recompiles=1), [again]) == ""
    assert (
        worse(state(again, recompiles=3), state(recompiles=3), [again])
        == "there are 3 recompilations, and there were 3"
    )


def test_of_two_findings_on_one_line_one_may_go():
    assert worse(state(finding(), finding()), state(finding()), [finding()]) == ""
    assert "still there" in worse(state(finding(), finding()), state(finding()), [finding(), finding()])


def test_what_was_behind_a_break_comes_to_light_and_what_is_carried_along_does_not():
    skipped = replace(finding(cause="skipped:print"), facts=CheckFacts(category="frames"))
    behind = finding(6, "CD102", "data-dependent-branch", snippet="return x")
    old = state(finding(), skipped, finding(6, "CD105", "nothing"))
    assert worse(old, state(behind, ops_captured=9), [finding()]) == ""
    same = finding(6, snippet="return x")
    texts = {"/work/m.py": NEW}
    assert worse(state(finding()), state(same, texts=texts, ops_captured=9), [finding()]) == ""
    moved = finding(6, snippet="print(x.detach())")
    assert "only moves" in worse(state(finding()), state(moved, texts=texts, ops_captured=9), [finding()])


# ---------------------------------------------------------------- formats


def test_every_format_shows_the_change():
    assert formats("fix") == ("text", "json", "markdown", "html", "sarif", "github", "patch")
    for name in formats("fix"):
        assert "is_compiling" in fix_renderer(name)(mended(), 1), name


def test_the_text_names_what_is_not_proven():
    text = " ".join(fix_renderer("text")(mended(), 1).split())
    for words in (
        "1 change kept; 1 finding left.",
        "graphs 2 → 1",
        "one compiled call 2.00 ms → 1.00 ms",
        "Outputs, gradients and state equal those of the original on 21 inputs in eager mode, and on 9 compiled",
        "This is shown on these inputs, not proven for all.",
        "Not the same: when compiled, it says less.",
        "CD201 m.py:9 Graph break: print(): there is no rewrite for its cause",
        "it <b>differs</b>",
        "torch.compile(model, dynamic=True)",
        "The search is not complete: it was interrupted.",
        "Nothing was written.",
    ):
        assert words in text, words


def test_a_call_that_got_slower_is_named():
    slower = replace(mended(), seconds=(1e-3, 1.6e-3))
    assert any("1.6 times as long as before: weigh it" in line for line in honesty(slower))
    sizes = replace(slower, steps=tuple(replace(one, rewrite="dynamic-sizes") for one in slower.steps))
    assert any("may be slower than code for one size" in line for line in honesty(sizes))
    assert not any("times as long" in line for line in honesty(replace(mended(), seconds=(1e-3, 1.1e-3))))


def test_sarif_has_a_fix_that_gives_the_new_text():
    text = fix_renderer("sarif")(mended())
    sarif_pydantic.Sarif.model_validate_json(text)
    (result,) = json.loads(text)["runs"][0]["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"]["uri"] == "m.py"
    lines = OLD.splitlines(keepends=True)
    for one in reversed(change["replacements"]):
        region = one["deletedRegion"]
        assert region["startColumn"] == region["endColumn"] == 1
        lines[region["startLine"] - 1 : region["endLine"] - 1] = [one["insertedContent"]["text"]]
    assert "".join(lines) == NEW


def test_a_suggestion_replaces_lines_that_the_pull_request_has():
    review = json.loads(fix_renderer("github")(mended()))
    (comment,) = review["comments"]
    assert (comment["path"], comment["line"], comment["side"]) == ("m.py", 5, "RIGHT")
    assert comment["body"] == "```suggestion\n    if not torch.compiler.is_compiling():\n        print(x)\n```"
    added = replace(mended(), files={"/work/m.py": ("a\nb\n", "a\nnew\nb\n")})
    (comment,) = json.loads(fix_renderer("github")(added))["comments"]
    assert (comment["line"], comment["body"]) == (1, "```suggestion\na\nnew\n```")


def test_without_changes_there_is_no_patch():
    nothing = replace(mended(), files={}, steps=(), left=(), unfinished="", compiling={})
    assert fix_renderer("patch")(nothing) == ""
    assert "there is nothing to fix" in fix_renderer("text")(nothing)
    assert nothing.exit_code == 0 and mended().exit_code == 130
    assert replace(mended(), unfinished="").exit_code == 1


def test_a_child_that_ends_with_an_exception_says_which(tmp_path):
    from compile_doctor.mend.comparison import how

    ended = {"signal": None, "ended": "exited", "exit_code": 70}
    assert how(ended, tmp_path) == "status 70"
    link = {"type": "KeyError", "module": "builtins", "message": "'gone'", "stack": []}
    event = {"event": "probe-error", "chain": [link], "text": "…"}
    (tmp_path / "process-1.jsonl").write_text(json.dumps({"event": "start"}) + "\n" + json.dumps(event) + "\n")
    assert how(ended, tmp_path) == "KeyError: 'gone'"
    assert how({**ended, "ended": "timeout"}, tmp_path) == "time limit"


def test_a_target_that_fails_says_with_what():
    failed = replace(
        finding(3, "CD001", "build:RuntimeError"), message="RuntimeError: boom\nmore", facts=CheckFacts(exit_code=3)
    )
    assert "(RuntimeError: boom): there is no" in left_line(Left(failed, "there is no rewrite"), mended())
    other = replace(failed, facts=CheckFacts())
    assert "boom" not in left_line(Left(other, "there is no rewrite"), mended())


def test_what_the_target_compiles_itself_takes_the_backend_of_the_search(tmp_path):
    """Else Inductor's rounding of a part is compared with a reference that has none, and a right change is refused."""
    seen = []
    start = lambda mode, command, environment, timeout: seen.append(environment.get("COMPILE_DOCTOR_BACKEND"))  # noqa: E731
    judge = Judge(Settings(backend="eager"), tmp_path, start, 1, time.monotonic() + 10)
    judge.start("diagnose", [], {}, None)
    judge.use(Settings(), 10)
    judge.start("diagnose", [], {}, None)
    assert seen == ["eager", None]
