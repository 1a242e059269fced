"""What can happen to a capture's files. A capture is `{name: bytes}`; a kind returns another one, or writes a file itself."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

Files = dict[str, bytes]
Draw = random.Random
EVIDENCE = Path(__file__).resolve().parent.parent / "evidence"
VALUES = [
    "null", "NaN", "Infinity", "-1", "1e400", "1" + "0" * 400, '""', "[]", "{}", "true", "0", "-0.5", '"done"', '"x"',
    '"' + "x" * 100_000 + '"', "[" * 5_000 + "]" * 5_000,
]  # fmt: skip


def subjects() -> list[Path]:
    """Recordings of several torches: breaks, recompilations, attention, numerics, processes that died, sizes, clean runs."""
    names = (
        "cd101-fires", "cd102-fires", "cd104-fires", "cd106-fires", "cd107-fires", "cd201-fires", "cd202-fires",
        "cd301-fires", "cd302-fires", "cd401-fires", "cd503-fires", "cd504-fires", "cd601-fires", "cd602-fires",
        "cd001-fires", "cd002-fires", "cd003-fires", "cd105-fires", "attn-window-block", "clean-torch-cond-gate",
        "break-twelve-layers-same-line", "attn-safe-softmax",
    )  # fmt: skip
    found = [
        EVIDENCE / version / f"{name}.zip" for version in ("2.8.0", "2.11.0", "2.13.0", "2.15.0") for name in names
    ]
    found += sorted((EVIDENCE / "2.11.0+cu130-h100").glob("*.zip"))
    return [path for path in found if path.exists()]


def read(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Files, order: Draw | None = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    names = sorted(files)
    if order:
        order.shuffle(names)
    with zipfile.ZipFile(made, "w", method) as archive:
        for name in names:
            archive.writestr(name, files[name])
    return made.getvalue()


# -- files ------------------------------------------------------------------------------------------------------------


def one(files: Files, draw: Draw, like: str = "") -> str:
    return draw.choice([name for name in sorted(files) if like in name] or sorted(files))


def with_other(files: Files, name: str, content: bytes) -> Files:
    return {**files, name: content}


def removed(files: Files, draw: Draw) -> Files:
    gone = one(files, draw)
    return {name: content for name, content in files.items() if name != gone}


def without_seal(files: Files, draw: Draw) -> Files:
    return {name: content for name, content in files.items() if not name.endswith("seal.json")}


def only_one(files: Files, draw: Draw) -> Files:
    kept = one(files, draw)
    return {kept: files[kept]}


def cut(files: Files, draw: Draw) -> Files:
    name = one(files, draw)
    return with_other(files, name, files[name][: draw.randrange(len(files[name]) or 1)])


def emptied(files: Files, draw: Draw) -> Files:
    return with_other(files, one(files, draw), b"")


def exchanged(files: Files, draw: Draw) -> Files:
    left, right = one(files, draw), one(files, draw)
    return {**files, left: files[right], right: files[left]}


def renamed(files: Files, draw: Draw) -> Files:
    old = one(files, draw)
    new = draw.choice(["x.json", "process-1.jsonl", "trace/y.log", old + ".bak", old.upper(), "sub/" + old])
    return {new if name == old else name: content for name, content in files.items()}


def foreign(files: Files, draw: Draw) -> Files:
    names = ["process-1.jsonl", "trace/x.log", "x", "bytecode/x.py", "rung-9/capture.json", "seal.json.bak", "a" * 200]
    content = draw.choice([b"", b"{}", files[one(files, draw)], b'{"event": "end", "events": 0}\n', os.urandom(100)])
    return with_other(files, draw.choice(names), content)


def many_files(files: Files, draw: Draw) -> Files:
    return {**files, **{f"trace/{number}.log": b"" for number in range(3_000)}}


def of_another(files: Files, draw: Draw) -> Files:
    other = read(draw.choice(subjects()))
    name = one(files, draw)
    return with_other(files, name, other.get(name) or other[one(other, draw, name.rpartition(".")[2])])


def sealed_of_another(files: Files, draw: Draw) -> Files:
    return with_other(files, "seal.json", read(draw.choice(subjects()))["seal.json"])


# -- lines ------------------------------------------------------------------------------------------------------------


def lines(change: Callable[[list[bytes], Draw], list[bytes]], like: str = "") -> Callable[[Files, Draw], Files]:
    def mutate(files: Files, draw: Draw) -> Files:
        name = one(files, draw, like or draw.choice([".jsonl", ".log"]))
        return with_other(files, name, b"".join(change(files[name].splitlines(True) or [b"\n"], draw)))

    return mutate


def a_line_less(found: list[bytes], draw: Draw) -> list[bytes]:
    at = draw.randrange(len(found))
    return found[:at] + found[at + 1 :]


def a_kind_less(found: list[bytes], draw: Draw) -> list[bytes]:
    start = draw.choice(found)[:22]
    return [line for line in found if not line.startswith(start)]


def a_line_twice(found: list[bytes], draw: Draw) -> list[bytes]:
    at = draw.randrange(len(found))
    return found[: at + 1] + found[at:]


def in_another_order(found: list[bytes], draw: Draw) -> list[bytes]:
    return draw.sample(found, len(found))


def an_end_earlier(found: list[bytes], draw: Draw) -> list[bytes]:
    at = draw.randrange(len(found))
    return [*found[:at], json.dumps({"event": "end", "events": at}).encode() + b"\n"]


def a_good_word(found: list[bytes], draw: Draw) -> list[bytes]:
    """What failed is done."""
    words = [(b"failed", b"done"), (b'"begun"', b'"done"'), (b"timeout", b"exited"), (b'"dense"', b'"note"')]
    return [line.replace(*draw.choice(words)) for line in found]


def another_kind(found: list[bytes], draw: Draw) -> list[bytes]:
    kinds = [b"phase", b"failure", b"compared", b"dense", b"log", b"dynamo_graph_break_reason", b"dynamo_start"]
    return [line.replace(draw.choice(kinds), b"note") for line in found]


def a_long_line(found: list[bytes], draw: Draw) -> list[bytes]:
    return [*found, draw.choice([b"\0", b"x", b"[", b'{"event": "note", "text": "']) * (20 << 20)]


def another_value(found: list[bytes], draw: Draw) -> list[bytes]:
    at = draw.choice([number for number, line in enumerate(found) if b": " in line] or [0])
    parts = found[at].split(b": ")
    place = draw.randrange(len(parts) - 1) + 1 if len(parts) > 1 else 0
    _, comma, rest = parts[place].partition(b",")
    parts[place] = draw.choice(VALUES).encode() + comma + rest
    return [*found[:at], b": ".join(parts), *found[at + 1 :]]


def a_key_less(found: list[bytes], draw: Draw) -> list[bytes]:
    at = draw.randrange(len(found))
    try:
        record = json.loads(found[at])
        del record[draw.choice(sorted(record))]
    except (ValueError, IndexError, TypeError, KeyError):
        return found[:at]
    return [*found[:at], json.dumps(record).encode() + b"\n", *found[at + 1 :]]


# -- bytes ------------------------------------------------------------------------------------------------------------


def bytes_of(change: Callable[[bytearray, Draw], bytes]) -> Callable[[Files, Draw], Files]:
    def mutate(files: Files, draw: Draw) -> Files:
        name = one(files, draw)
        return with_other(files, name, bytes(change(bytearray(files[name] or b" "), draw)))

    return mutate


def flipped(content: bytearray, draw: Draw) -> bytes:
    for _ in range(draw.choice([1, 1, 4, 50])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return content


def with_nulls(content: bytearray, draw: Draw) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + bytes(draw.randrange(1, 100)) + content[at:]


def not_utf8(content: bytearray, draw: Draw) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + b"\xff\xfe\xc3" + content[at:]


def other_encoding(content: bytearray, draw: Draw) -> bytes:
    text = content.decode(errors="replace")
    return draw.choice([b"\xef\xbb\xbf" + content, text.encode("utf-16"), text.encode("utf-32")])


def nested(content: bytearray, draw: Draw) -> bytes:
    return draw.choice([b"[", b'{"a":']) * 100_000


# -- manifests --------------------------------------------------------------------------------------------------------


def another_schema(files: Files, draw: Draw) -> Files:
    wanted = f'"compile-doctor/capture/{draw.choice(["0", "1", "3", "99", "x", "-1", ""])}"'.encode()
    return with_other(files, "capture.json", files["capture.json"].replace(b'"compile-doctor/capture/2"', wanted))


def ended_well(files: Files, draw: Draw) -> Files:
    """Whatever happened, capture.json says that all children exited with 0."""
    manifest = json.loads(files["capture.json"])
    manifest["children"] = [{"mode": "diagnose", "exit_code": 0, "signal": None, "ended": "exited"}]
    manifest["rungs"] = draw.choice([[], manifest.get("rungs", [])])
    return with_other(files, "capture.json", json.dumps(manifest).encode())


def other_sources(files: Files, draw: Draw) -> Files:
    name = draw.choice(["/etc/passwd", "/dev/zero", "../../x.py", "\0", "/repo/programs/x.py"])
    return with_other(files, "sources.json", json.dumps({name: draw.choice(["", "def (", "x" * 10**6])}).encode())


def a_bare_trace(files: Files, draw: Draw) -> Files:
    """Only torch's trace, which names a file of the system."""
    trace = {name: text for name, text in files.items() if name.endswith(".log") and "/" in name}
    names = [b"/etc/hostname", b"/dev/zero", b"/proc/self/environ", b"/etc/ssl/openssl.cnf"]
    return {name: text.replace(b"/repo/programs", draw.choice(names)) for name, text in trace.items()} or files


FILES: dict[str, Callable[[Files, Draw], Files]] = {
    "a file removed": removed,
    "no seal": without_seal,
    "one file only": only_one,
    "cut": cut,
    "emptied": emptied,
    "exchanged": exchanged,
    "renamed": renamed,
    "a foreign file": foreign,
    "thousands of files": many_files,
    "a file of another capture": of_another,
    "the seal of another capture": sealed_of_another,
    "a line less": lines(a_line_less),
    "a kind of line less": lines(a_kind_less),
    "a line twice": lines(a_line_twice),
    "lines in another order": lines(in_another_order),
    "an end earlier": lines(an_end_earlier, ".jsonl"),
    "a good word": lines(a_good_word),
    "another kind": lines(another_kind),
    "a line of 20 MB": lines(a_long_line),
    "another value": lines(another_value),
    "a key less": lines(a_key_less),
    "bits": bytes_of(flipped),
    "null bytes": bytes_of(with_nulls),
    "not UTF-8": bytes_of(not_utf8),
    "other encoding": bytes_of(other_encoding),
    "nested": bytes_of(nested),
    "another schema": another_schema,
    "ended well": ended_well,
    "other sources": other_sources,
    "a bare trace": a_bare_trace,
}


# -- the archive itself -----------------------------------------------------------------------------------------------


def write_folder(files: Files, place: Path) -> Path:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def a_link(files: Files, draw: Draw, place: Path) -> Path:
    folder = write_folder(files, place)
    name = folder / one(files, draw)
    name.unlink()
    name.symlink_to(draw.choice(["/etc/passwd", "/dev/zero", "/", str(name), "capture.json"]))
    return folder


def a_fifo(files: Files, draw: Draw, place: Path) -> Path:
    folder = write_folder(files, place)
    name = folder / one(files, draw)
    name.unlink()
    draw.choice([os.mkfifo, os.mkdir])(name)
    return folder


def climbing(files: Files, draw: Draw, place: Path) -> Path:
    names = ["/tmp/x.log", "../x.log", "trace/../../x.log", "C:\\x.log", "trace\\x.log", "a\0b", "//x", "seal.json/x"]
    place = place / "c.zip"
    place.write_bytes(packed(with_other(files, draw.choice(names), b"x")))
    return place


def twice_in_it(files: Files, draw: Draw, place: Path) -> Path:
    place = place / "c.zip"
    place.write_bytes(packed(files))
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr(one(files, draw), draw.choice([b"", b"{}", files["capture.json"]]))
    return place


def a_bomb(files: Files, draw: Draw, place: Path) -> Path:
    place = place / "c.zip"
    place.write_bytes(packed(files))
    name = draw.choice(["trace/bomb.log", "process-1.jsonl", "sources.json", "capture.json", "bytecode/x.py"])
    with zipfile.ZipFile(place, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        block = draw.choice(
            [bytes(1 << 20), b" " * (1 << 20), b"\nV" * (1 << 19), b'{"event": "note", "text": "x"}\n' * 35_000]
        )
        for _ in range(160):
            member.write(block)
    return place


def archive_bytes(files: Files, draw: Draw, place: Path) -> Path:
    content = bytearray(packed(files))
    for _ in range(draw.choice([1, 1, 3, 20])):
        at = (
            draw.randrange(len(content))
            if draw.random() < 0.5
            else len(content) - 1 - draw.randrange(min(2000, len(content)))
        )
        content[at] ^= 1 << draw.randrange(8)
    place = place / "c.zip"
    place.write_bytes(content[: draw.choice([len(content)] * 5 + [draw.randrange(len(content))])])
    return place


def a_locked_file(files: Files, draw: Draw, place: Path) -> Path:
    """Encrypted, as one flag in its header says."""
    content = bytearray(packed(files))
    at = content.rfind(b"PK\x01\x02")
    flags = struct.unpack_from("<H", content, at + 8)[0]
    struct.pack_into("<H", content, at + 8, flags | 1)
    place = place / "c.zip"
    place.write_bytes(content)
    return place


ARCHIVES: dict[str, Callable[[Files, Draw, Path], Path]] = {
    "a link": a_link,
    "a FIFO or a folder": a_fifo,
    "a climbing name": climbing,
    "a file twice in a zip": twice_in_it,
    "a zip bomb": a_bomb,
    "bits of a zip": archive_bytes,
    "an encrypted file": a_locked_file,
}


# -- what changes nothing ---------------------------------------------------------------------------------------------


def crlf(files: Files, draw: Draw, place: Path) -> Path:
    other = {name: content.replace(b"\n", b"\r\n") for name, content in files.items()}
    (place / "c.zip").write_bytes(packed(other))
    return place / "c.zip"


def repacked(files: Files, draw: Draw, place: Path) -> Path:
    prefix = draw.choice(["", "run1/", "a/b/"])
    other = {prefix + name: content for name, content in files.items()}
    (place / "c.zip").write_bytes(packed(other, draw, draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))
    return place / "c.zip"


def unpacked(files: Files, draw: Draw, place: Path) -> Path:
    return write_folder(files, place)


SAME: dict[str, Callable[[Files, Draw, Path], Path]] = {
    "other line ends": crlf,
    "packed again": repacked,
    "unpacked": unpacked,
}


def make(path: Path, kind: str, draw: Draw, place: Path) -> Path:
    """The mutated capture, below `place`."""
    files = read(path)
    whole = ARCHIVES.get(kind) or SAME.get(kind)
    if whole:
        return whole(files, draw, place)
    changed = FILES[kind](files, draw)
    if draw.random() < 0.5:
        return write_folder(changed, place)
    (place / "c.zip").write_bytes(packed(changed))
    return place / "c.zip"


KINDS = (*FILES, *ARCHIVES, *SAME)
