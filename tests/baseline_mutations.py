"""What can happen to a baseline's bytes: mutations by name, each a function of the bytes and a seeded random source."""

from __future__ import annotations

import json
import re


def bytes_of(document):
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode(
        "utf-8", "backslashreplace"
    )


def paths(value, path=()):
    """Where everything in a document is."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from paths(one, (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def put(value):
    """A mutation that puts a value, or one of several, anywhere."""
    values = value if isinstance(value, list) else [value]

    def mutate(content, draw):
        document = json.loads(content)
        *path, last = draw.choice(list(paths(document)))
        at(document, path)[last] = draw.choice(values)
        return bytes_of(document)

    return mutate


def dropped(content, draw):
    document = json.loads(content)
    *path, last = draw.choice(list(paths(document)))
    del at(document, path)[last]
    return bytes_of(document)


def added_key(content, draw):
    document = json.loads(content)
    inside = draw.choice([(), *(path for path in paths(document) if isinstance(at(document, path), dict))])
    at(document, inside)[draw.choice(["x", "Graphs", "line", ""])] = draw.choice([0, None, "", []])
    return bytes_of(document)


def renamed_key(content, draw):
    document = json.loads(content)
    *path, last = draw.choice([path for path in paths(document) if isinstance(path[-1], str)])
    inside = at(document, path)
    inside[last.upper()] = inside.pop(last)
    return bytes_of(document)


def wrapped(content, draw):
    document = json.loads(content)
    *path, last = draw.choice(list(paths(document)))
    inside = at(document, path)
    inside[last] = draw.choice([[inside[last]], {"value": inside[last]}, str(inside[last])])
    return bytes_of(document)


def twice(content, draw):
    """An entry of a list that is there twice."""
    document = json.loads(content)
    entries = document[draw.choice(["findings", "attention"])]
    entries.insert(draw.randrange(len(entries)), draw.choice(entries))
    return bytes_of(document)


def twice_the_key(content, draw):
    lines = content.decode().splitlines()
    number = draw.choice([number for number, line in enumerate(lines) if line.endswith(",") and '":' in line])
    return "\n".join([*lines[: number + 1], *lines[number:]]).encode()


def other_figure(content, draw):
    document = json.loads(content)
    key = draw.choice(list(document["summary"]))
    document["summary"][key] = draw.randrange(10)
    return bytes_of(document)


def other_word(content, draw):
    document = json.loads(content)
    strings = [path for path in paths(document) if isinstance(at(document, path), str)]
    *path, last = draw.choice(strings)
    at(document, path)[last] = draw.choice(
        ["fused", "dense", "mine", "torch", "CD101", "CD999", "Other.forward", "x.py"]
    )
    return bytes_of(document)


def half_a_word(content, draw):
    document = json.loads(content)
    *path, last = draw.choice([path for path in paths(document) if isinstance(at(document, path), str)])
    at(document, path)[last] = at(document, path)[last][: draw.randrange(4)]
    return bytes_of(document)


def exchanged(content, draw):
    """Two values that change places."""
    document = json.loads(content)
    (*one, first), (*other, second) = draw.sample([path for path in paths(document) if len(path) > 1], 2)
    a, b = at(document, [*one, first]), at(document, [*other, second])
    if not (isinstance(a, (dict, list)) or isinstance(b, (dict, list))):
        at(document, one)[first], at(document, other)[second] = b, a
    return bytes_of(document)


def foreign(key, *values):
    def mutate(content, draw):
        return bytes_of({**json.loads(content), key: draw.choice(values)})

    return mutate


def shuffled(content, draw):
    document = json.loads(content)
    for key in ("findings", "attention"):
        draw.shuffle(document[key])
    keys = list(document)
    draw.shuffle(keys)
    return bytes_of({key: document[key] for key in keys})


def cut(content, draw):
    return content[: draw.randrange(len(content))]


def a_bit(content, draw):
    where = draw.randrange(len(content))
    return content[:where] + bytes([content[where] ^ 1 << draw.randrange(8)]) + content[where + 1 :]


def without_a_piece(content, draw):
    start = draw.randrange(len(content))
    return content[:start] + content[start + draw.randrange(1, 40) :]


def a_piece_twice(content, draw):
    start = draw.randrange(len(content))
    return content[: start + draw.randrange(1, 80)] + content[start:]


def a_foreign_piece(content, draw):
    pieces = (b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"NaN", b"-", b"{", b"]", b"9" * 5000, b"\xe2\x80\xae", b"null")
    start = draw.randrange(len(content))
    return content[:start] + draw.choice(pieces) + content[start:]


def other_content(content, draw):
    return draw.choice(
        [
            b"",
            b"\n",
            b"null",
            b"[]",
            b"{}",
            b"3",
            b'"x"',
            b"[" * 100_000,
            b'{"schema":' * 50_000,
            b'{"a":' * 50_000,
            b"<<<<<<< HEAD\n" + content,
            content * 2,
        ]
    )


def other_encoding(content, draw):
    return content.decode().encode(draw.choice(["utf-16", "utf-32", "utf-8-sig"]))


def a_number_of_another_kind(content, draw):
    text = content.decode()
    where = draw.choice(list(re.finditer(r": (\d+)", text)))
    number = draw.choice(["NaN", "Infinity", "-Infinity", "1.0", "1e2", "1e999", "-0.5", "0x1", "1_0", "01"])
    return (text[: where.start(1)] + number + text[where.end(1) :]).encode()


MUTATIONS = {
    "a bit": a_bit,
    "cut": cut,
    "without a piece": without_a_piece,
    "a piece twice": a_piece_twice,
    "a foreign piece": a_foreign_piece,
    "other content": other_content,
    "other encoding": other_encoding,
    "dropped": dropped,
    "added key": added_key,
    "renamed key": renamed_key,
    "wrapped": wrapped,
    "twice": twice,
    "twice the key": twice_the_key,
    "other figure": other_figure,
    "other word": other_word,
    "half a word": half_a_word,
    "exchanged": exchanged,
    "null": put(None),
    "negative": put([-1, -(10**30)]),
    "huge": put([10**15 + 1, 2**63, 2**64, 10**400]),
    "float": put([0.0, 1.0, 1e300, 1e-300]),
    "boolean": put([True, False]),
    "text": put(["", " ", "0", "1", "\x00", "\u202e", "\ud800", "x" * 10_000]),
    "list": put([[], [1], [None], [[]], [{}]]),
    "object": put([{}, {"graphs": 1}, {"": None}]),
    "another kind of number": a_number_of_another_kind,
    "another target": foreign("target", "gpt", "VIT", "vit ", "vit/", ""),
    "another torch": foreign("torch", "2.12", "2.1", "2.13.0", "unknown", "2", "٢.١٣"),
    "another device": foreign("device", "cuda", "CPU", "cpu:0", ""),
    "another schema": foreign("schema", "compile-doctor/baseline/2", "compile-doctor/report/1", "", 1, None),
    "other settings": foreign("settings", {}, {"repeat": 3}, {"backend": "eager", "repeat": 2}, {"tokens": 0}, []),
    "shuffled": shuffled,
}
