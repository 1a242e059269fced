"""Reads many ranks in several processes: `python -m compile_doctor.capture.parallel` reads a share of them.

Threads would not help, because decoding holds Python's lock. Each process returns its ranks with one evidence for each
group, so what is passed on is small. Its messages are pickles, which only this program and its own child exchange.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from compile_doctor.capture.members import Members
from compile_doctor.capture.rank_files import Files
from compile_doctor.capture.ranks import Collector
from compile_doctor.capture.schema import Member
from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Child
from compile_doctor.model.ranks import Ranks
from compile_doctor.processes.children import child_environment

EACH = 64
"""Ranks that are worth a process of their own, which needs a quarter of a second to start."""


@dataclass(frozen=True)
class Share:
    """What one process reads."""

    path: Path
    sealed: bool
    asked: Asked
    children: tuple[Child, ...]
    old: bool
    parts: Sequence[Files]


@dataclass(frozen=True)
class Answer:
    """What it found, and the digests of the files that it read."""

    ranks: Ranks
    digests: dict[str, Member]


def read_shares(members: Members, share: Share) -> Iterator[Answer]:
    """Yields the answers in the order of the ranks. A share whose process failed is read here."""
    count = max(1, min(os.cpu_count() or 1, len(share.parts) // EACH))
    size = -(-len(share.parts) // count)
    shares = [_part(share, share.parts[at : at + size]) for at in range(0, len(share.parts), size)]
    # The first share is read here, while the others are read by processes of their own.
    others = [(each, _started(each)) for each in shares[1:]]
    yield read_share(members, shares[0])
    for each, process in others:
        yield _answer(process) or read_share(members, each)


def _part(share: Share, parts: Sequence[Files]) -> Share:
    return Share(share.path, share.sealed, share.asked, share.children, share.old, parts)


def read_share(members: Members, share: Share) -> Answer:
    """Reads the ranks of a share, one after the other."""
    from compile_doctor.capture.runs import read_files

    collector = Collector()
    for part in share.parts:
        read = partial(read_files, members, share.asked, share.children, share.old, part)
        collector.add(part, read(detailed=False), read)
    return Answer(collector.everything(), members.digests)


def _started(share: Share) -> subprocess.Popen[bytes] | None:
    command = [sys.executable, "-m", __name__]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment(os.environ, None)
        )
        assert process.stdin is not None
        process.stdin.write(pickle.dumps(share))
        process.stdin.close()
    except OSError:
        return None
    return process


def _answer(process: subprocess.Popen[bytes] | None) -> Answer | None:
    if process is None or process.stdout is None:
        return None
    with process:
        content = process.stdout.read()
    if process.returncode or not content:
        return None
    found = pickle.loads(content)
    return found if isinstance(found, Answer) else None


def main() -> None:
    """Reads a share from stdin, and writes the answer to stdout."""
    share: Share = pickle.load(sys.stdin.buffer)
    members = Members(share.path)
    members.sealed = share.sealed
    sys.stdout.buffer.write(pickle.dumps(read_share(members, share)))


if __name__ == "__main__":
    from compile_doctor.capture.parallel import main as begin  # so that what is pickled is not from __main__

    begin()
