"""The starts as Markdown, for a comment on a pull request or the summary of a job."""

from __future__ import annotations

from compile_doctor.clean import cleaned
from compile_doctor.coldstart.result import NAMES, ColdStart
from compile_doctor.render import start_words as words
from compile_doctor.render.markdown_escape import inline, table
from compile_doctor.render.markdown_page import SIZE
from compile_doctor.source import locations


@cleaned
def render(found: ColdStart, verbosity: int = 0, colour: bool = False) -> str:
    found = words.relative(found)
    word, _, sentence = words.headline(found)
    blocks = ["### compile-doctor coldstart: " + " · ".join(inline(fact) for fact in words.facts(found))]
    blocks.append(f"**{word.upper()}** {inline(sentence, 1000)}")
    if found.busy:
        blocks.append(inline(found.busy, 1000))
    if found.starts:
        names = tuple(one.name for one in found.starts)
        rows = [(inline(name.strip()), *map(inline, cells)) for name, cells in words.rows(found.starts)]
        meaning = "; ".join(f"{name}: {NAMES[name]}" for name in names)
        blocks.append(table(("start", *names), rows, SIZE // 4) + f"\n\n{inline(meaning, 1000)}")
    if found.graphs:
        graphs = [
            (
                inline(f"{locations.short(one.frame.file)}:{one.frame.line} {one.frame.function}"),
                words.seconds(one.cold),
                words.seconds(one.warm),
                inline(one.answer + (f": {one.reason}" if one.reason else "")),
            )
            for one in found.graphs
        ]
        blocks.append(table(("graph", "cold", "warm", "cache in the warm start"), graphs, SIZE // 4))
    for finding in found.findings:
        place = f" {inline(f'{finding.location.file}:{finding.location.line}')}" if finding.location else ""
        lines = [f"**{finding.code} {inline(finding.name)}**{place}: {inline(finding.message, 2000)}"]
        lines += [f"- seen: {inline(line, 400)}" for line in finding.evidence[:8]]
        lines += [f"- fix: {inline(finding.fix, 1000)}"] if finding.fix else []
        blocks.append("\n".join(lines))
    if found.advice:
        listed = [
            f"- **{one.name}**: {inline(words.gain(one))}. {inline(one.text, 1000) + ' ' if words.helps(one) else ''}From: {inline(one.basis)}."
            for one in found.advice
        ]
        blocks.append("#### What would help\n\n" + "\n".join(listed))
    blocks += [f"note: {inline(note)}" for note in found.notes]
    return "\n\n".join(blocks) + "\n"
