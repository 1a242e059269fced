"""Reads the captures of a run on the nodes of a Ray cluster that hold them, and puts them together here.

First each node lists what matches the patterns. A capture on a file system that several nodes share is read by one of
them. Each sends who its ranks are and the keys of their groups; what a group did is fetched once for all nodes.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import compile_doctor
from compile_doctor.capture.load import load_capture
from compile_doctor.capture.many import Groups, Part, Together, split
from compile_doctor.errors import CaptureError, DoctorError, InconclusiveError
from compile_doctor.model.evidence import Evidence
from compile_doctor.processes.ray_cluster import connected, last_line

Found = Mapping[tuple[str, int, int], str]
"""Path of each capture by what identifies it on all nodes: its real path, inode and time of change."""


def load_on_ray(patterns: Sequence[str], address: str) -> Evidence:
    """The run whose captures match the patterns, on whichever node. Raises a DoctorError if there is none."""
    with connected(address, Path(compile_doctor.__file__).parent) as ray:
        nodes = {one["NodeID"]: one["NodeManagerHostname"] for one in ray.nodes() if one["Alive"]}
        broken: list[str] = []
        listing = {node: _on(ray, node, list_here).remote(tuple(patterns)) for node in nodes}
        listed = dict(_answers(ray, listing, nodes, broken))
        shares = _shares(listed)
        reading = {
            node: [_on(ray, node, read_here, num_returns=2).remote(path, nodes[node]) for path in paths]
            for node, paths in shares.items()
        }
        together = Together()
        parts = sorted(_parts(ray, reading, nodes, broken), key=lambda one: _first_rank(one[0]))
        for part, groups in parts:
            together.add(part, partial(_fetched, ray, groups, part.name))
        if not parts:
            raise CaptureError(
                broken[0] if broken else f"No capture matches {' '.join(patterns)} on any of {len(nodes)} nodes.",
                hint="Give absolute paths as the nodes have them, in quotes: '/scratch/run1-*', '$LOCAL_SCRATCH/run1'.",
            )
        found = together.evidence()
    return replace(found, damage=(*found.damage, *broken))


def list_here(patterns: Sequence[str]) -> Found:
    """Runs on a node: the captures that match, with its own variables and home directory."""
    own = [os.path.expanduser(os.path.expandvars(pattern)) for pattern in patterns]
    paths = sorted({Path(name).resolve() for pattern in own for name in glob.glob(pattern)})
    stats = [(path, path.stat()) for path in paths]
    return {(str(path), stat.st_ino, stat.st_mtime_ns): str(path) for path, stat in stats}


def read_here(path: str, node: str) -> tuple[Part | str, Groups | None]:
    """Runs on a node: one capture, or the sentence why it cannot be read."""
    try:
        return split(f"{node}:{path}", load_capture(Path(path)))
    except DoctorError as error:
        return f"{node}: {error}", None


def _on(ray: Any, node: str, task: Any, num_returns: int = 1) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(task).options(num_cpus=1, scheduling_strategy=there, num_returns=num_returns, max_retries=1)


def _answers(ray: Any, tasks: Mapping[str, Any], nodes: Mapping[str, str], broken: list[str]) -> Iterator[Any]:
    for node, task in tasks.items():
        try:
            yield node, ray.get(task)
        except Exception as error:  # the node died, its Python lacks a package, …
            broken.append(f"node {nodes[node]} could not be asked: {last_line(error)}")


def _fetched(ray: Any, groups: Any, name: str) -> Groups:
    try:
        found: Groups = ray.get(groups)
    except Exception as error:
        raise InconclusiveError(
            f"{name} was read, but its node did not send what its ranks did: {last_line(error)}"
        ) from error
    return found


def _shares(listed: Mapping[str, Found]) -> dict[str, list[str]]:
    """Each capture once, on the node that has the fewest so far."""
    shares: dict[str, list[str]] = {node: [] for node in listed}
    for identity in sorted({identity for found in listed.values() for identity in found}):
        holders = [node for node in sorted(listed) if identity in listed[node]]
        node = min(holders, key=lambda one: len(shares[one]))
        shares[node].append(listed[node][identity])
    return shares


def _parts(
    ray: Any, reading: Mapping[str, Sequence[Any]], nodes: Mapping[str, str], broken: list[str]
) -> Iterator[tuple[Part, Any]]:
    for node, tasks in reading.items():
        for part, groups in tasks:
            try:
                found = ray.get(part)
            except Exception as error:
                broken.append(f"node {nodes[node]} could not read a capture: {last_line(error)}")
                continue
            if isinstance(found, Part):
                yield found, groups
            else:
                broken.append(found)


def _first_rank(part: Part) -> tuple[int, str]:
    return min(one.number for one in part.ranks.all), part.name
