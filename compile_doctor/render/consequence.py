"""The one sentence behind the verdict, in the user's units, and the line of figures at the end."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.model.findings import Finding
from compile_doctor.model.ranks import named
from compile_doctor.model.sizes import human
from compile_doctor.render.compile_time import mostly
from compile_doctor.report.report import Report


def consequence(report: Report) -> str:
    """What the report means for the user, in one sentence."""
    if report.reason:  # without a verdict, or with one that only what was required makes bad
        return report.reason
    errors = [finding for finding in report.findings if finding.severity == "error"]
    if not errors:
        return _healthy(report)
    first = next((f for f in errors if f.facts.stops), None)
    if first:
        return f"{first.title}."
    parts = [part for part in (_attention(report), _breaks(report), *_effects(errors), _parting(report)) if part]
    sentence = "; ".join(parts) or f"{errors[0].title}"
    word = sentence.split(" ", 1)[0]
    return (sentence if {"_", ".", "("} & set(word) else sentence[:1].upper() + sentence[1:]) + "."


def _parting(report: Report) -> str:
    return "the ranks do not do the same" if report.ranks and report.ranks.diverge else ""


def _healthy(report: Report) -> str:
    summary = report.summary
    text = f"{_counted(report, 'graphs', 'graph')} compiled"
    if report.attention and all(entry.verdict == "fused" for entry in report.attention):
        text = f"Attention is fused{_at_tokens(report)}; {text}"
    extra = []
    if summary["deliberate_breaks"]:
        extra.append(_number(summary["deliberate_breaks"], "deliberate break"))
    warnings = sum(1 for finding in report.findings if finding.severity == "warning")
    if summary["recompiles"]:
        extra.append(_number(summary["recompiles"], "recompilation"))
    if warnings:
        extra.append(_number(warnings, "warning"))
    parting = f"; {_parting(report)}" if _parting(report) else ""
    return f"{text}, {', '.join(extra) if extra else 'no graph breaks, no recompilations'}{parting}."


def _at_tokens(report: Report) -> str:
    tokens = max((entry.tokens or 0 for entry in report.attention), default=0)
    return f" at {tokens:,} tokens" if tokens else ""


def _attention(report: Report) -> str:
    """What the dense path costs at the largest size of the ladder."""
    dense = [entry for entry in report.attention if entry.verdict in ("dense", "mixed")]
    if not dense:
        return ""
    if not any(entry.verdict == "dense" for entry in dense):
        return f"attention runs dense in some of the calls of {_number(len(dense), 'line')}"
    where = (
        "attention runs dense"
        if len(dense) == len(report.attention)
        else f"attention runs dense at {_number(len(dense), 'line')}"
    )
    steps = [entry.ladder[-1] for entry in dense if entry.ladder and entry.ladder[-1].dense]
    if not steps:
        return where
    worst = max(steps, key=lambda step: step.dense or 0)
    verb = "take" if worst.ran and worst.peak is not None else "would take"
    return f"{where}: {worst.tokens:,} tokens {verb} {human(worst.dense or 0)}"


def _breaks(report: Report) -> str:
    broken = [f for f in report.findings if f.facts.category == "breaks" and f.severity == "error"]
    sites = len({(f.location.file, f.location.line) if f.location else id(f) for f in broken})
    if not sites:
        return ""
    verb = f"{_number(sites, 'line')} break{'s' if sites == 1 else ''}"
    if len(broken) > sites:  # the figures count these
        verb = f"{_number(len(broken), 'graph break')} in {_number(sites, 'line')} split"
    graphs = report.summary["graphs"]
    # Recompilations and the processes of a command make graphs too: then the number does not count the breaks.
    alone = not report.summary["recompiles"] and report.command_exit is None and graphs > 1
    return (
        f"{verb} the model into {_number(graphs, 'graph')}" if alone else f"{verb} the graph{_on_ranks(report, broken)}"
    )


def _on_ranks(report: Report, findings: list[Finding]) -> str:
    """` on rank 1 only`, if these findings are not on all ranks."""
    numbers = sorted({number for finding in findings for number in finding.ranks})
    if report.ranks is None or not numbers or len(numbers) == len(report.ranks.seen):
        return ""
    return f" on {named(numbers, report.ranks.world_size)} only"


def _effects(errors: list[Finding]) -> Iterator[str]:
    """`forward runs in plain Python`, in the words of each check."""
    for code in sorted({one.code for one in errors if one.facts.effect}):
        found = [one for one in errors if one.code == code and one.facts.effect]
        # By the title: a function of torch has the location of the user's call, which is in another function.
        names = list(dict.fromkeys(one.title.partition(": ")[2] or one.title for one in found))
        one, several = found[0].facts.effect or ("", "")
        yield f"{_listed(names)} {one if len(names) == 1 else several}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def figures(report: Report, every: bool = True, phase: bool = True) -> list[str]:
    """Counts, times and the comparison with eager mode; `every`: also zeros, and what hardly anybody needs.

    `phase`: with the phase that took most of the compile time.
    """
    summary = report.summary
    found = [_counted(report, "graphs", "graph")]
    deliberate = summary["deliberate_breaks"]
    counted = "deliberate" if deliberate == summary["graph_breaks"] else f"{deliberate} deliberate"
    if every or summary["graph_breaks"]:
        found.append(_counted(report, "graph_breaks", "graph break") + (f" ({counted})" if deliberate else ""))
    if every or summary["recompiles"]:
        found.append(_counted(report, "recompiles", "recompilation"))
    if summary["frames_skipped"]:
        found.append(f"{_counted(report, 'frames_skipped', 'function')} not compiled")
    if report.cuda_graphs:
        whole = sum(one.state == "captured" for one in report.cuda_graphs)
        found.append(f"CUDA graphs: {whole} of {_number(len(report.cuda_graphs), 'graph')} captured")
    found.append(_compile_time(report, phase))
    if every and "eager" in report.timings:
        found.append(f"eager mode ran in {report.timings['eager']:.1f} s")
    if report.max_difference is not None and not any(f.is_outcome for f in report.findings):
        found.append(
            _compared(report.max_difference) + (f" at {report.compared_at:,} tokens" if report.compared_at else "")
        )
    if report.numerics:
        found.append(_numerics(report))
    if report.not_compared:
        found.append(f"not compared with eager: {report.not_compared}")
    if report.command_exit:
        found.append(f"the command ended with status {report.command_exit}")
    if report.unknown_events:
        found.append(f"{_number(sum(report.unknown_events.values()), 'unknown trace record')}")
    return found


def _counted(report: Report, name: str, noun: str) -> str:
    """A figure of the run; with ranks, what one rank has of it: `1 graph per rank`, `1 to 3 graphs per rank`."""
    if report.ranks is None:
        return _number(report.summary[name], noun)
    values = [row.figures[name] for row in report.ranks.rows if row.figures] or [0]
    low, high = min(values), max(values)
    return f"{_number(low, noun) if low == high else f'{low:,} to {_number(high, noun)}'} per rank"


def _compile_time(report: Report, phase: bool) -> str:
    if report.ranks is None or not report.ranks.rows:
        return f"compile {report.summary['compile_seconds']:.1f} s{mostly(report) if phase else ''}"
    least = min(row.seconds[0] for row in report.ranks.rows)
    most = max(report.ranks.rows, key=lambda row: row.seconds[2])
    longest = most.seconds[2]
    return (
        f"compile {least:.1f} s"
        if least == longest
        else f"compile {least:.1f} to {longest:.1f} s (rank {most.slowest} longest)"
    )


def _numerics(report: Report) -> str:
    """`numerics: 5 comparisons pass, 1 drifts`."""
    words = {"PASS": ("passes", "pass"), "DRIFT": ("drifts", "drift"), "FAIL": ("fails", "fail")}
    counts = {status: sum(one.status == status for one in report.numerics) for status in words}
    parts = [f"{count} {words[status][count > 1]}" for status, count in counts.items() if count]
    return f"numerics: {', '.join(parts) or 'nothing was compared'}"


def _compared(difference: float) -> str:
    if difference == 0.0:
        return "same output as eager"
    return (
        f"equals eager to {difference:.0e}" if difference <= 1e-2 else f"differs from eager by up to {difference:.2g}"
    )


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
