"""The result of `fix` as Markdown, for a comment on a pull request."""

from __future__ import annotations

from compile_doctor.clean import cleaned
from compile_doctor.mend.result import Mended
from compile_doctor.render import mend_words as words
from compile_doctor.render.markdown_escape import code_block, inline, table
from compile_doctor.render.markdown_page import SIZE


@cleaned
def render(mended: Mended, verbosity: int = 0, colour: bool = False) -> str:
    blocks = [f"### compile-doctor fix: {inline(mended.target)}", inline(words.headline(mended))]
    if mended.kept:
        rows = [tuple(inline(cell) for cell in row) for row in words.gains(mended)]
        blocks.append(table(("", "before", "after"), rows, SIZE // 4))
        blocks.append("\n".join(f"- {inline(words.step_line(step, mended))}" for step in mended.kept))
    patch = mended.patch()
    if patch:
        room = SIZE // 2
        whole = patch if len(patch) <= room else "The patch is too long for a comment: --format patch has it.\n"
        blocks.append(code_block(whole, "diff"))
    blocks += [inline(line) for line in words.honesty(mended)]
    if mended.left:
        left = "\n".join(f"- {inline(words.left_line(one, mended))}" for one in mended.left)
        blocks.append(f"#### Left\n\n{left}")
    blocks += [inline(line) for line in words.closing(mended)]
    return "\n\n".join(blocks) + "\n"
