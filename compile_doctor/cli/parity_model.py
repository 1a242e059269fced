"""Parity for a target that is a model: compares compiled with eager, gradients too, and decoding with the full run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.parity.result import Cell, Parity
from compile_doctor.processes.scratch import scratch
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report
from compile_doctor.run.launch import one_size
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import Target, not_a_target


def model_parity(
    target: Target, settings: Settings, grad: bool | None, progress: Progress, capture: Path | None = None
) -> Parity:
    """One diagnosis with numerics; a second one, forward only, if the gradients fail and `grad` does not require them.

    `settings` as for `diagnose`: device, tokens (one size, no ladder), backend, mode, dynamic, as_is, repeat, timeout,
    memory_limit and patches, and `chunks` (`--chunk N`, repeatable; empty: a choice). `grad` is `--grad/--no-grad`;
    None means gradients if the target has any. `capture` is the folder that keeps the evidence.

    Raises UsageError for an invalid target or option of torch.compile, and if the target cannot be imported or built;
    InconclusiveError (exit code 3) if it fails in eager mode too, timed out, or nothing was compiled.
    """
    with ExitStack() as stack:
        folder = (capture or stack.enter_context(scratch())).resolve()

        def diagnosed(with_grad: bool) -> tuple[Evidence, Report]:
            wanted = replace(settings, numerics=True, grad=with_grad)
            evidence = one_size(target, wanted, folder, capture is not None, progress)
            return evidence, make_report(evidence)

        evidence, report = diagnosed(grad is not False)
        backward = None
        if grad is None and _fails(report):
            backward = _without_gradients(evidence)
            progress.say("the run with gradients failed; running forward only")
            evidence, report = diagnosed(False)
    return _parity(target, evidence, report, backward)


def _fails(report: Report) -> bool:
    """Whether the run failed in a way that gradients may have caused; False if the target could not even be built."""
    facts = [finding.facts for finding in report.findings]
    return any(one.stops or (one.target_fails and one.exit_code == 3) for one in facts)


def _is_shown(finding: Finding) -> bool:
    return finding.facts.category == "numerics" or finding.facts.stops


def _without_gradients(evidence: Evidence) -> Cell:
    """The cell of the backward pass that failed, with torch's error in the eager run, or else in the compiled one."""
    refused = evidence.failure("eager") or evidence.failure("compiled")
    link = refused.chain[-1] if refused and refused.chain else None
    reason = (
        f"{link.type.rpartition('.')[2]}: {link.message.strip().partition(chr(10))[0][:160]}"
        if link
        else "the process died"
    )
    unsupported = evidence.failure("eager") is not None or (link is not None and link.type == "NotImplementedError")
    status = "UNSUPPORTED" if unsupported else "FAIL"
    return Cell("compiled-vs-eager", "", "", "backward", _backend(evidence), status, reason=reason)


def _backend(evidence: Evidence) -> str:
    name = evidence.asked.settings.backend or "inductor"
    return "eager-backend" if name == "eager" else str(name)


def _parity(target: Target, evidence: Evidence, report: Report, backward: Cell | None) -> Parity:
    if evidence.facts.usage:
        raise UsageError(f"torch.compile refuses these options: {evidence.facts.usage}")
    if evidence.facts.not_a_target:
        raise UsageError(evidence.facts.not_a_target, hint=not_a_target())
    findings = tuple(finding for finding in report.findings if _is_shown(finding))
    outcome = next((finding for finding in report.findings if finding.is_outcome), None)
    if outcome and not findings:
        raise _no_result(target, outcome)
    cells = [
        Cell(
            one.case,
            "",
            one.dtype,
            one.direction,
            one.implementation,
            one.status,
            one.max_error,
            one.tolerance,
            one.reason,
        )
        for one in report.numerics
    ]
    stopped = next((finding for finding in findings if finding.facts.stops), None)
    if stopped or not any(cell.case == "compiled-vs-eager" for cell in cells):
        status = "FAIL" if stopped else "N/A"
        reason = stopped.title if stopped else outcome.title if outcome else report.not_compared or report.reason
        cells.insert(0, Cell("compiled-vs-eager", "", "", "forward", _backend(evidence), status, reason=reason))
    if backward:
        dtype = next((cell.dtype for cell in cells if cell.dtype), "")
        cells.insert(1, replace(backward, dtype=dtype))
    return Parity(target.text, report.environment, tuple(cells), findings, tuple(_notes(evidence, report)))


def _no_result(target: Target, outcome: Finding) -> UsageError | InconclusiveError:
    kind = UsageError if outcome.facts.exit_code == 2 else InconclusiveError
    return kind(
        f"{target.text}: {outcome.title}. {outcome.message}",
        hint=f"For details ({outcome.code}), run  compile-doctor diagnose {target.text}",
    )


def _notes(evidence: Evidence, report: Report) -> list[str]:
    """How the comparison was made, which recipes were active, and what else the diagnosis found."""
    found = [note for one in evidence.comparisons for note in one.notes]
    active = [patch.id for patch in report.patches if patch.state == "active"]
    found += [f"active recipes: {', '.join(active)}"] if active else []
    others = sorted({f.code for f in report.findings if f.severity == "error" and not _is_shown(f)})
    found += [f"part of it may have run without torch.compile: `diagnose` finds {', '.join(others)}"] if others else []
    return list(dict.fromkeys(found))
