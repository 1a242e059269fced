"""The report as Markdown, for a comment on a pull request or the summary of a job."""

from __future__ import annotations

from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate
from compile_doctor.render import rank_table
from compile_doctor.render.consequence import figures
from compile_doctor.render.entries import INCONCLUSIVE, Target, worst_first
from compile_doctor.render.markdown_escape import inline
from compile_doctor.render.markdown_page import Page
from compile_doctor.render.subjects import targets
from compile_doctor.report.report import Report


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    (shown,) = targets(report)
    page = Page()
    page.add(f"### compile-doctor: {inline(shown.word.upper())}")
    env = report.environment
    facts = [shown.name, report.convention, f"torch {env['torch']}" if env.get("torch") else ""]
    facts += [str(env.get("gpu") or env.get("device") or ""), str(env.get("backend") or "")]
    if shown.reason:
        page.add(f"**{inline(shown.reason, 1000)}**")
    page.add("Target " + " · ".join(inline(fact) for fact in facts if fact))
    entries = worst_first(entry for entry in shown.entries if entry.kind != INCONCLUSIVE)
    page.findings("", entries, gate=False, numbered=True)
    page.attention(((shown, entry) for entry in shown.report.attention) if shown.report else (), gate=False)
    page.details(entries, verbosity)
    if report.ranks:
        page.table(f"Ranks: {inline(rank_table.heading(report.ranks))}", rank_table.HEAD, rank_table.rows(report.ranks))
    page.notes([*report.notes, *(f"{code} not checked: {reason}" for code, reason in report.skipped_checks)])
    page.add("Total: " + inline(" · ".join(figures(report)), 1000))
    return page.text()


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    shown = targets(gate)
    page = Page()
    states = [target.status for target in shown]
    words = {"failed": "something got worse", INCONCLUSIVE: "some targets are inconclusive", "passed": "passed"}
    page.add("### compile-doctor: " + next(word for state, word in words.items() if state in states))
    labels = (("failed", "got worse"), (INCONCLUSIVE, "inconclusive"), ("passed", "passed"))
    counts = ", ".join(f"{states.count(state):,} {label}" for state, label in labels if state in states)
    page.add(f"**{counts}** of {len(states):,} · torch {inline(gate.torch)} · {inline(gate.device)}")
    order = sorted(shown, key=lambda target: ("failed", INCONCLUSIVE, "passed").index(target.status))
    page.table("", ("target", "status", "why"), [_row_of_target(target) for target in order])
    entries = worst_first(entry for target in shown for entry in target.entries if entry.kind != INCONCLUSIVE)
    worse = [entry for entry in entries if entry.kind == "regression"]
    page.findings("What got worse", worse, gate=True, numbered=True)
    page.findings("Waived", [entry for entry in entries if entry.kind == "waived"], gate=True)
    better = [(inline(one.name), inline(change.text)) for one in shown if one.outcome for change in one.outcome.better]
    page.table("Better than the baseline", ("target", "what"), better)
    calls = ((target, entry) for target in shown if target.report for entry in target.report.attention)
    page.attention(calls, gate=True)
    page.details(worse, verbosity)
    for kind, title in (("known", "In the baseline"), ("uncompared", "Not compared with a baseline")):
        page.findings(title, [entry for entry in entries if entry.kind == kind], gate=True, folded=True)
    page.notes(gate.notes)
    return page.text()


def _row_of_target(target: Target) -> tuple[str, ...]:
    status = {"failed": "**worse**", INCONCLUSIVE: "**inconclusive**"}.get(target.status, inline(target.word))
    count = sum(entry.kind == "regression" for entry in target.entries)
    why = [f"{count} change{'s' * (count != 1)}, below" if target.status == "failed" else target.reason]
    if target.outcome:
        why += ["from the cache" if target.outcome.cached else "", target.outcome.next_step.removeprefix("next: ")]
    return inline(target.name), status, inline("; ".join(part.rstrip(".") for part in why if part))
