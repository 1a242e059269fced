"""The same report, with paths inside its working directory made relative to it."""

from __future__ import annotations

from dataclasses import replace

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.analysis.cuda_graph_entries import CudaGraphEntry
from compile_doctor.analysis.frame_map import moved
from compile_doctor.model.findings import Finding
from compile_doctor.model.timeline import Timeline
from compile_doctor.report.report import Report


def relative(report: Report) -> Report:
    """The same report, with paths inside its working directory made relative to it."""
    prefix = report.cwd.rstrip("/") + "/"

    def short(path: str) -> str:
        return path[len(prefix) :] if len(prefix) > 1 and path.startswith(prefix) else path

    def text(line: str) -> str:
        return line.replace(prefix, "") if len(prefix) > 1 else line

    def move(finding: Finding) -> Finding:
        location = replace(finding.location, file=short(finding.location.file)) if finding.location else None
        via = replace(finding.via, file=short(finding.via.file)) if finding.via else None
        texts = tuple(text(line) for line in finding.evidence)
        also = tuple(replace(place, file=short(place.file)) for place in finding.also)
        return replace(finding, location=location, via=via, also=also, evidence=texts, message=text(finding.message))

    def move_entry(entry: AttentionEntry) -> AttentionEntry:
        return replace(entry, location=replace(entry.location, file=short(entry.location.file)))

    def move_graph(entry: CudaGraphEntry) -> CudaGraphEntry:
        reasons = tuple(
            (words, count, replace(at, file=short(at.file)) if at else None) for words, count, at in entry.reasons
        )
        return replace(entry, location=replace(entry.location, file=short(entry.location.file)), reasons=reasons)

    def move_timeline(one: Timeline) -> Timeline:
        compiled = (replace(c, frame=c.frame._replace(file=short(c.frame.file))) for c in one.compilations)
        return replace(one, compilations=tuple(compiled))

    sources = {short(path): text for path, text in report.sources.items()}
    return replace(
        report,
        findings=tuple(move(finding) for finding in report.findings),
        attention=tuple(move_entry(entry) for entry in report.attention),
        cuda_graphs=tuple(move_graph(entry) for entry in report.cuda_graphs),
        frames=tuple(moved(one, short) for one in report.frames),
        generated=tuple(
            replace(one, location=replace(one.location, file=short(one.location.file))) for one in report.generated
        ),
        sources=sources,
        guards=tuple(replace(g, frame=g.frame._replace(file=short(g.frame.file))) for g in report.guards),
        timelines=tuple(move_timeline(one) for one in report.timelines),
    )
