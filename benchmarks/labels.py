"""Reads the labels of a program in tests/programs/: what compile-doctor should find in it.

    print(x.mean())            # expect CD101 print
    y = f(x); g(y)             # expect CD101 item; expect CD102 [<2.12] if-tensor
    # expect CD105             (alone on a line: the finding has no location)
    y = flex(q, k, v)          # attention fused
    y = flex(q, k, v)          # expect CD301 flex; attention dense [>=2.9]; attention mixed [<2.9]
    # summary graph_breaks=2 recompiles=0 verdict=unhealthy exit=1
    # backend inductor
    # option --no-dynamic
    # option --ranks 4            (programs with ranks: their number, and the `--timeout` of `run`)
    # command run                (recorded by `compile-doctor run -- python PROGRAM`, not by `diagnose`)
    # says CD201: a dict that gains keys      (the message or the fix of a CD201 contains these words)
    # never CD201: torch.tensor(value)        (no message or fix of a CD201 contains them)
    # labels-in lib_metrics.py (expectations in another file)
    # recorded [==2.13.*]        (only on these versions of torch)

A PEP 440 specifier in brackets limits an expectation, or a summary line, to some versions of torch.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

COMMENT = re.compile(r"#\s*(expect|attention|summary|backend|option|labels-in|command|says|never|recorded)\b\s*(.*)")
SCOPE = re.compile(r"\[\s*([<>=!~][^\]]*)\]")
BREAK_CODES = frozenset({"CD101", "CD102", "CD103"})


@dataclass(frozen=True)
class Expectation:
    """One finding that should be reported; `line` is None if the finding has no location."""

    code: str
    file: Path
    line: int | None
    label: str = ""
    scope: SpecifierSet = field(default_factory=SpecifierSet)

    def applies(self, torch_version: str) -> bool:
        return within(self.scope, torch_version)


@dataclass(frozen=True)
class AttentionLabel:
    """The expected verdict of the attention call in this line."""

    verdict: str
    file: Path
    line: int
    scope: SpecifierSet = field(default_factory=SpecifierSet)


@dataclass(frozen=True)
class Words:
    """What the message or the fix of a finding with this code contains, or of none of them."""

    code: str
    text: str
    wanted: bool
    scope: SpecifierSet = field(default_factory=SpecifierSet)


@dataclass(frozen=True)
class Labels:
    """All labels of one program."""

    program: Path
    expectations: tuple[Expectation, ...]
    summaries: tuple[tuple[SpecifierSet, dict[str, str]], ...] = ()
    backend: str | None = None
    options: tuple[str, ...] = ()
    attention: tuple[AttentionLabel, ...] = ()
    command: str = "diagnose"
    """`diagnose` or `run`: how the program is started."""
    words: tuple[Words, ...] = ()
    recorded: SpecifierSet = field(default_factory=SpecifierSet)
    """The versions of torch on which it is recorded: all, unless it says so."""

    def verdicts(self, torch_version: str) -> dict[tuple[str, int], str]:
        """{(file name, line): the expected verdict}."""
        held = (one for one in self.attention if within(one.scope, torch_version))
        return {(one.file.name, one.line): one.verdict for one in held}

    def expected(self, torch_version: str) -> list[Expectation]:
        return [one for one in self.expectations if one.applies(torch_version)]

    def summary(self, torch_version: str) -> dict[str, str]:
        """The expected summary. Later lines override earlier ones, so that one for some versions can follow a general one."""
        merged: dict[str, str] = {}
        for scope, values in self.summaries:
            if within(scope, torch_version):
                merged.update(values)
        return merged

    def graph_breaks(self, torch_version: str) -> int:
        """The true number of break sites: that of the summary, else the number of distinct lines with a break label."""
        stated = self.summary(torch_version).get("graph_breaks")
        if stated is not None:
            return int(stated)
        return len({(one.file, one.line) for one in self.expected(torch_version) if one.code in BREAK_CODES})


def read(program: Path) -> Labels:
    expectations: list[Expectation] = []
    summaries: list[tuple[SpecifierSet, dict[str, str]]] = []
    options: list[str] = []
    backend: str | None = None
    attention: list[AttentionLabel] = []
    command = "diagnose"
    words: list[Words] = []
    recorded = SpecifierSet()
    for line, alone, keyword, text in comments(program):
        if keyword in ("expect", "attention"):
            whole = text if keyword == "expect" else f"attention {text}"
            parts = [part.strip() for part in whole.split(";")]
            found = ";".join(part for part in parts if not part.startswith("attention"))
            expectations += expectations_of(found, program.resolve(), None if alone else line)
            attention += [attention_of(part, program, line) for part in parts if part.startswith("attention")]
        elif keyword == "summary":
            scope, rest = split_scope(text)
            summaries.append((scope, dict(word.split("=", 1) for word in rest.split() if "=" in word)))
        elif keyword == "backend":
            backend = text.split()[0]
        elif keyword == "command":
            command = text.split()[0]
        elif keyword in ("says", "never"):
            scope, rest = split_scope(text)
            code, _, said = rest.partition(":")
            words.append(Words(code.strip(), said.strip(), keyword == "says", scope))
        elif keyword == "option":
            options += text.split()
        elif keyword == "recorded":
            recorded, _ = split_scope(text)
        else:
            expectations += read(program.parent / text.split()[0]).expectations
    return Labels(
        program,
        tuple(expectations),
        tuple(summaries),
        backend,
        tuple(options),
        tuple(attention),
        command,
        tuple(words),
        recorded,
    )


def attention_of(part: str, program: Path, line: int) -> AttentionLabel:
    scope, rest = split_scope(part)
    verdict = rest.split()[1]
    if verdict not in ("fused", "dense", "mixed", "unverified"):
        raise ValueError(f"{program}:{line}: cannot read the verdict {part!r}")
    return AttentionLabel(verdict, program.resolve(), line, scope)


def programs(directory: Path) -> list[Path]:
    """The programs that are targets; helper modules have neither a summary nor a model."""
    marks = ("def build_model", "def get_inputs", "class Model", "# summary")
    return [path for path in sorted(directory.glob("*.py")) if any(mark in path.read_text() for mark in marks)]


def comments(program: Path) -> Iterator[tuple[int, bool, str, str]]:
    """Only comments, so that a label that a docstring quotes does not count."""
    for token in tokenize.generate_tokens(io.StringIO(program.read_text()).readline):
        if token.type == tokenize.COMMENT and (found := COMMENT.match(token.string)):
            yield token.start[0], not token.line[: token.start[1]].strip(), found[1], found[2].strip()


def expectations_of(text: str, file: Path, line: int | None) -> Iterator[Expectation]:
    for part in filter(str.strip, text.split(";")):
        scope, rest = split_scope(part)
        words = rest.removeprefix("expect").split()
        if not words or not re.fullmatch(r"CD\d{3}", words[0]):
            raise ValueError(f"{file}:{line}: cannot read the expectation {part.strip()!r}")
        yield Expectation(words[0], file, line, " ".join(words[1:]), scope)


def split_scope(text: str) -> tuple[SpecifierSet, str]:
    found = SCOPE.search(text)
    return SpecifierSet(found[1] if found else ""), SCOPE.sub(" ", text).strip()


def within(scope: SpecifierSet, torch_version: str) -> bool:
    return scope.contains(Version(torch_version).base_version, prereleases=True)


def launch(program: Path, options: tuple[str, ...], capture: Path) -> list[str]:
    """The command line that observes a program of tests/programs/ranks: `run` around torchrun, or around Python."""
    given = dict(zip(options[::2], options[1::2]))
    line = [sys.executable, "-m", "compile_doctor", "run", "--capture", str(capture)]
    line += ["--timeout", given["--timeout"]] if "--timeout" in given else []
    line += ["--", sys.executable]
    if "--spawn" not in options:
        line += ["-m", "torch.distributed.run", "--nproc-per-node", given.get("--ranks", "2")]
    return [*line, str(program)]
