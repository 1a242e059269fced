"""Which ranks did the same: digests of their evidence, without what differs in every process."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from compile_doctor.capture.trace.graph_text import canonical
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.ranks import Step

_OWN = re.compile(rb"0x[0-9a-f]{6,}|\b\d{12,}\b|\bprocess[- ]\d+\b")
"""Addresses, ids of objects, process ids: they differ in every process."""

_VALUE = re.compile(r"(?<![\w\[])-?\d[\d.e+-]*|'[^']*'")
"""Numbers and texts in a guard, but not the index of what is guarded."""

_LOCAL = re.compile(r"VISIBLE_DEVICES|^TORCHINDUCTOR_CACHE_DIR$|^torch_root$|^threads$")
"""Facts of the environment that may differ on purpose, or by the machine."""


def sameness(evidence: Evidence) -> str:
    """A digest that is equal for ranks that did the same: without times, process ids, addresses and names of files."""
    plain = replace(
        evidence,
        environment=facts_of(evidence),
        compilations=tuple(map(_without_process, evidence.compilations)),
        aside=(),
        calls=(),
        guards=(),
        logs=tuple(replace(one, process="") for one in evidence.logs),
        counts=tuple(replace(one, process="") for one in evidence.counts),
        attention=replace(evidence.attention, ran={}, blocks={}),
        seconds={},
        mesh="",
        facts=replace(evidence.facts, beyond_limit={}),
    )
    ran = sorted((number, count) for (_, number), count in evidence.attention.ran.items())
    refused = sorted(evidence.facts.beyond_limit.values())
    text = msgspec.json.encode([plain, ran, refused], enc_hook=str)
    found = hashlib.sha256(_OWN.sub(b"", text))
    for settings in dict.fromkeys(one.settings for one in evidence.compilations):  # long texts, without addresses
        found.update("\0".join(settings).encode())
    return found.hexdigest()


def _without_process(one: Compilation) -> Compilation:
    """A compilation without what differs in every process: its id, its times, the names of groups of some ranks."""
    graph = one.traced
    traced = replace(graph, collectives=canonical(graph.collectives), constants=(), operators=()) if graph else None
    calls = canonical(one.collectives) if one.collectives is not None else None
    bare = replace(
        one, process="", begun=None, seconds=None, settings=("", ""), timing=None, answers=(), guards=(None, None)
    )
    return replace(bare, traced=traced, collectives=calls)


def facts_of(evidence: Evidence) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in evidence.environment.items()
        if value is not None and not _LOCAL.search(name)
    }


def outline_of(steps: Iterable[Step], evidence: Evidence) -> str:
    """A digest of what was done and how it ended, without sizes, values and what caches answered."""
    plain = [
        (
            *(
                one.file,
                one.line,
                one.function,
                one.label,
                one.breaks,
                one.finished,
                one.graph,
                canonical(one.collectives),
            ),
            tuple(_VALUE.sub("", reason) for reason in one.reasons),
        )
        for one in steps
    ]
    ended = [_VALUE.sub("", text) for text in (*evidence.lost, *evidence.unended)]
    raised = [(one.phase, *(link.type for link in one.chain)) for one in evidence.failures]
    return hashlib.sha256(repr((plain, ended, raised, evidence.standing)).encode()).hexdigest()
