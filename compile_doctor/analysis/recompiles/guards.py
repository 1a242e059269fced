"""Parses a failed guard, as torch 2.8 to 2.15 print it, into its kind, what varied, and plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

LONGEST = 1_000
"""Characters of a guard that are parsed: a guard that compares a long string contains all of it."""
MODULE_INT_HINT = "integer attributes of the nn.Module"
_ENTRY = re.compile(r"^\s*(?:- )?(\d+/\d+): ")
_MODULE = re.compile(r"\._(?:modules|parameters|buffers)\['(\w+)'\]")
_GLOBAL = re.compile(r"\bG\['(\w+)'\]")
_LOCAL = re.compile(r"\bL\['(\w+)'\]")
_STACK_VALUE = re.compile(r"`___stack\d+`")
_FIRST_KEY = re.compile(r"\[list\(dict\.keys\([^()]{0,200}\)\)\[\d+\]\]")
_AS_TENSOR = re.compile(r"___as_tensor\(([\w.\[\]']+)\)\.item\(\)")
_IMPORTED = re.compile(r"\b__import_(\w+)")
"""How torch writes `self.layer`, a module that was imported (`__import_einops_dot__backends`), a global `NAME` and a local `name`."""
_COMMENT = re.compile(r"(?<!\s)\s+# (?P<code>.*?)(?<!\s)\s+# (?P<file>[^#\n]*?):(?P<line>\d+) in (?P<function>\S+)")
_STACK = re.compile(r'File "([^"\n]+)", line (\d+), in (\S+)')
_CARRIED = re.compile(r"(.+?)\.((?:__closure__|__defaults__|__kwdefaults__|keywords)\[.*)")
"""What a function object carries: closure cells, default values, the keywords of a functools.partial."""
_HOOK = re.compile(r"(?P<module>.+?)\._(?P<kind>\w*hook)s\[.+\]\.__closure__\[.+")
_TWO_OR_MORE = re.compile(r"(?:2 <=|1 <) [^<>=]+$|[^<>=]+ (?:>= 2|> 1)$")
"""torch compiles a size of 0 or 1 by itself, without a branch in the code: this is the guard of the graph for the other sizes."""
_RELATED = re.compile(r"(?<![\w.\]'])[A-Za-z_]\w*(?:\.\w+|\[(?:\d+|'[^']*')\])*(?![\w(])")
"""A value in an expression that torch calculated with."""
_STATE_WORDS = {
    "grad_mode": "gradients were switched on or off",
    "autocast": "autocast was switched on or off",
    "default_dtype": "the default dtype changed",
    "num_threads": "the number of threads changed",
    "deterministic_algorithms": "deterministic algorithms were switched on or off",
    "inference_mode": "inference mode was switched on or off",
}


@dataclass(frozen=True)
class Guard:
    """One failed guard. `key` stays the same when values change: it identifies the finding."""

    kind: str
    """size, stride, rank, dtype, requires_grad, device, type, state, module-int, closure, identity, value, length, keys, …"""
    source: str
    """What is guarded, as the user would write it (`x`, `self.layer_idx`, `mask_mod`)."""
    words: str
    key: str
    dimension: int | None = None
    was: str | None = None
    now: str | None = None
    read_at: tuple[str, int] | None = None
    """File (in some versions only its tail) and line that torch names as the first reader of the value."""
    cell: str | None = None
    """The variable of the closure that is guarded, if torch names it."""
    of_parameter: bool = False
    """Whether torch names the guarded tensor as a parameter, whose shape it keeps static."""
    of_module: bool = False
    """Whether `source` begins with the name of a module that was imported: state of that module."""


def parse(reason: str) -> Guard:
    """Parses one reason, with or without its `4/1: ` prefix. Never raises: an unknown guard gets the kind `other`."""
    text = plain(_ENTRY.sub("", reason.strip()))
    first = text.split("\n", 1)[0]
    expression = re.split(r"(?<!\s)\s+(?:# |\(HINT: )", first[:LONGEST], maxsplit=1)[0].strip()
    for pattern, build in _PATTERNS:
        match = re.match(pattern, expression)
        if match:
            guard = build(match, text)
            break
    else:
        guard = Guard("other", expression, f"the guard `{expression}` failed", _other_key(expression))
    words = _STACK_VALUE.sub("a value from before the break", _FIRST_KEY.sub("[…]", guard.words))
    return replace(
        guard,
        words=words,
        read_at=_place(text, first),
        of_parameter="failed on a parameter" in reason,
        of_module="__import_" in reason,
    )


def plain(source: str) -> str:
    """torch's name of a value as the user wrote it: `L['x']`, `G['SCALE']`, `self._modules['net']` are x, SCALE, self.net."""
    text = _LOCAL.sub(r"\1", _GLOBAL.sub(r"\1", _MODULE.sub(r".\1", source)))
    text = _AS_TENSOR.sub(r"\1", text)
    return _IMPORTED.sub(lambda found: found[1].replace("_dot_", "."), text)


def _other_key(expression: str) -> str:
    return re.sub(r"-?\d[\w.]*", "N", expression)


def entry(reason: str) -> str | None:
    """The cached entry whose guard failed, by its compile id: `4/1`."""
    label = _ENTRY.match(reason)
    return label[1] if label else None


def carrier(source: str) -> str | None:
    """The function that carries the guarded value: `score_mod` for `score_mod.__closure__[0].cell_contents`, else None."""
    carried = _CARRIED.match(source)
    return carried[1] if carried else None


def _named(source: str) -> str:
    """A tensor as the user knows it: torch does not name the variable in a cell of a closure."""
    function = carrier(source)
    return f"a tensor that `{function}` captures" if function else f"`{source}`"


def _place(text: str, first: str) -> tuple[str, int] | None:
    frames = _STACK.findall(text.partition("User stack trace:")[2])
    comment = _COMMENT.search(first[-LONGEST:])
    if frames:
        return frames[-1][0], int(frames[-1][1])
    return (comment["file"], int(comment["line"])) if comment else None


def _size(match: re.Match[str], _text: str) -> Guard:
    name, kind, dimension, was, now = match["name"], match["kind"], int(match["index"]), match["was"], match["now"]
    words = f"{'dimension' if kind == 'size' else 'the stride of dimension'} {dimension} of {_named(name)} was {was}, now {now}"
    return Guard(kind, name, words, f"{kind}:{name}:{dimension}", dimension, was, now)


def _rank(match: re.Match[str], _text: str) -> Guard:
    name = match["name"]
    words = f"{_named(name)} had {match['was']} dimensions, now {match['now']}"
    return Guard("rank", name, words, f"rank:{name}", None, match["was"], match["now"])


def _dtype(match: re.Match[str], _text: str) -> Guard:
    name = match["name"]
    words = f"the dtype of {_named(name)} was {match['was']}, now {match['now']}"
    return Guard("dtype", name, words, f"dtype:{name}", None, match["was"], match["now"])


def _requires_grad(match: re.Match[str], _text: str) -> Guard:
    name, expected = match["name"], match["was"] == "1"
    words = f"{_named(name)} {'required' if expected else 'did not require'} a gradient, now it {'does not' if expected else 'does'}"
    was, now = str(expected), str(not expected)
    return Guard("requires_grad", name, words, f"requires_grad:{name}", None, was, now)


def _device(match: re.Match[str], _text: str) -> Guard:
    name = match["name"]
    return Guard("device", name, f"the device or layout of {_named(name)} changed", f"device:{name}")


def _tensor_type(match: re.Match[str], _text: str) -> Guard:
    name, now = match["name"], match["now"]
    return Guard("type", name, f"`{name}` was a tensor, now it is {_type(now)}", f"type:{name}", None, "Tensor", now)


def _state(match: re.Match[str], _text: str) -> Guard:
    names = match["names"].split()
    known = [re.sub(r"\(.*?\)", "", name).removesuffix("_enabled").removesuffix("_dtype") for name in names]
    known = ["default_dtype" if name == "default" else name for name in known]
    words = " and ".join(dict.fromkeys(_STATE_WORDS.get(name, f"{name} changed") for name in known))
    return Guard("state", known[0], words, f"state:{'+'.join(known)}")


def _identity(match: re.Match[str], text: str) -> Guard:
    name = match["name"]
    kind = "type" if match["what"] == "type" else "identity"
    found = re.search(r"type=<class '([^']+)'>", text)
    what = "another type" if kind == "type" else "another object"
    was = f" (it was {_type(found[1])})" if found and kind == "type" else ""
    type_name = found[1] if found else None
    return Guard(kind, name, f"`{name}` is {what} than before{was}", f"{kind}:{name}", None, type_name)


def _equal(match: re.Match[str], text: str) -> Guard:
    name, value = match["name"], match["value"]
    attribute = re.fullmatch(r"(.*)\.(\w+)", name)
    carried = _CARRIED.match(name)
    if carried:
        function, cell = carried[1], carried[2]
        hint = re.search(r'HINT: guard on "(\w+)"', text)
        held = f"`{hint[1]}`" if hint else "a value"
        words = f"{held} that `{function}` carries was {value}, now it has another value"
        key = f"closure:{function}.{cell}"
        return Guard("closure", function, words, key, None, value, cell=hint[1] if hint else None)
    if MODULE_INT_HINT in text and attribute:
        words = f"the int attribute `{name}` was {value}, now it has another value"
        return Guard("module-int", name, words, f"module-int:{attribute[2]}", None, value)
    return Guard("value", name, f"`{name}` was {value}, now it has another value", f"value:{name}", None, value)


def _number(match: re.Match[str], _text: str) -> Guard:
    """`(step % 2) != 0`, `step <= 10`: a number that torch has made dynamic, on the other side of a condition."""
    names = sorted(set(_RELATED.findall(match[0])) - {"and", "or", "not", "is", "in", "True", "False"})
    words = f"it was compiled for numbers with `{match[0]}`, which the new ones do not meet"
    if len(names) != 1:
        return Guard("value", match[0], words, _other_key(match[0]))
    return Guard("value", names[0], words, f"value:{names[0]}")


def _length(match: re.Match[str], _text: str) -> Guard:
    name = match["name"]
    return Guard("length", name, f"the length of `{name}` changed (it was {match['was']})", f"length:{name}")


def _keys(match: re.Match[str], _text: str) -> Guard:
    return Guard("keys", match["name"], f"the keys of `{match['name']}` changed", f"keys:{match['name']}")


def _missing(match: re.Match[str], _text: str) -> Guard:
    """`not ___dict_contains('shape', self.__dict__)`: an attribute that was set after the compilation."""
    name, key, was = match["name"], match["key"], not match["negated"]
    now = "now it has not" if was else "now it has"
    if name.endswith(".__dict__"):
        key = key.strip("'\"")
        owner = name.removesuffix(".__dict__")
        words = f"`{owner}` had {'an' if was else 'no'} attribute `{key}`, {now}"
        return Guard("attribute", f"{owner}.{key}", words, f"keys:{name}")
    return Guard("keys", name, f"`{name}` had {'the' if was else 'no'} key {key}, {now}", f"keys:{name}")


def _has(match: re.Match[str], text: str) -> Guard:
    name, key, was = match["name"], match["key"], not match["negated"]
    words = f"`{name}` had {'an' if was else 'no'} attribute `{key}`, {'now it has not' if was else 'now it has'}"
    return Guard("attribute", f"{name}.{key}", words, _other_key(match[0]))


def _empty(match: re.Match[str], _text: str) -> Guard:
    name = match["name"]
    hooks = re.fullmatch(r"(.+)\._(\w*hooks)", name)
    if hooks:
        words = f"`{hooks[1]}` had no {hooks[2].replace('_', ' ')}, now it has"
        return Guard("hooks", name, words, _other_key(match[0]), None, "0")
    return Guard("empty", name, f"`{name}` was empty, now it is not", _other_key(match[0]), None, "0")


def _hooks(match: re.Match[str], _text: str) -> Guard:
    name = match["name"]
    module, _, kind = name.rpartition("._")
    return Guard(
        "hooks", name, f"the {kind.replace('_', ' ')} of `{module}` changed", f"length:{name}", None, match["was"]
    )


def _iterator(match: re.Match[str], _text: str) -> Guard:
    name = match["name"]
    return Guard("length", name, f"the iterator `{name}` has another length", _other_key(match[0]))


def _relation(match: re.Match[str], _text: str) -> Guard:
    expression = re.sub(r"\.size\(\)\[(\d+)\]", r".shape[\1]", match[0])
    words = f"it was compiled for sizes with `{expression}`, which the new sizes do not meet"
    return Guard(
        "shape-range", match["name"], words, f"shape-range:{match['name']}:{match['index']}", int(match["index"])
    )


def _mode(match: re.Match[str], _text: str) -> Guard:
    return Guard("state", "torch_function_mode", "a TorchFunctionMode was entered or left", _other_key(match[0]))


def _default_device(match: re.Match[str], _text: str) -> Guard:
    return Guard("state", "default_device", "the default device changed", _other_key(match[0]))


def _nan(match: re.Match[str], _text: str) -> Guard:
    return Guard(
        "value", match["name"], f"`{match['name']}` was NaN, now it is a number", _other_key(match[0]), None, "nan"
    )


def _unreadable(match: re.Match[str], _text: str) -> Guard:
    """`'NoneType' object has no attribute 'size'`: what a guard raised when it was evaluated; torch does not name the value."""
    now = "None" if match["now"] == "NoneType" else f"of the type `{match['now']}`"
    words = f"a value whose `.{match['key']}` the first graph checks is {now} in this call"
    return Guard("unreadable", f".{match['key']}", words, _other_key(match[0]), None, None, match["now"])


def _none(match: re.Match[str], _text: str) -> Guard:
    name, negated = match["name"], bool(match["negated"])
    words = f"`{name}` was {'not ' if negated else ''}None, now it is{'' if negated else ' not'}"
    was, now = ("not None", "None") if negated else ("None", "not None")
    return Guard("none", name, words, f"none:{name}", None, was, now)


def _alias(match: re.Match[str], _text: str) -> Guard:
    return Guard("alias", match[0], "two arguments were the same tensor, or became the same", "alias")


def _held(source: str) -> str:
    """An object by who holds it, since torch has no name for what a hook or another function captures."""
    hook = _HOOK.fullmatch(source)
    if hook:
        return f"what a {hook['kind'].replace('_pre_', ' pre-').replace('_', ' ')} of `{hook['module']}` captures"
    function = carrier(source)
    return f"what `{function}` captures" if function else f"`{source}`"


def _same_object(match: re.Match[str], text: str) -> Guard:
    """`x is y` of two arguments; else at least one of them is held by an object: `DTensorSpec.mesh is block.mesh`."""
    one, other, negated = match["one"], match["other"], bool(match["negated"])
    if one.isidentifier() and other.isidentifier():
        return _alias(match, text)
    was, now = ("two objects", "one") if negated else ("one object", "two")
    words = f"{_held(one)} and {_held(other)} were {was}, now they are {now}"
    return Guard("shared", one, words, f"shared:{one}:{other}", None, was, now)


def _shape(match: re.Match[str], _text: str) -> Guard:
    name, number = match["name"], int(match["index"])
    if _TWO_OR_MORE.match(match[0]):
        words = f"dimension {number} of `{name}` is 1 or 0, and the code was compiled for 2 or more"
        return Guard("one-or-none", name, words, f"shape-range:{name}:{number}", number)
    words = f"dimension {number} of `{name}` is outside the range for which the code was compiled ({match[0]})"
    return Guard("shape-range", name, words, f"shape-range:{name}:{number}", number)


def _gone(match: re.Match[str], _text: str) -> Guard:
    return Guard(
        "identity", match["name"], f"`{match['name']}` was freed after the compilation", f"identity:{match['name']}"
    )


def _type(text: str) -> str:
    return re.sub(r"<class '([^']+)'>", r"\1", text).removeprefix("__main__.")


_Build = Callable[[re.Match[str], str], Guard]
_PATTERNS: tuple[tuple[str, _Build], ...] = (
    (
        r"tensor '(?P<name>.+)' (?P<kind>size|stride) mismatch at index (?P<index>\d{1,3})\. expected (?P<was>\S+), actual (?P<now>\S+?)\.?(?:\s|$)",
        _size,
    ),
    (r"tensor '(?P<name>.+)' rank mismatch\. expected (?P<was>\d+), actual (?P<now>\d+)", _rank),
    (r"tensor '(?P<name>.+)' dtype mismatch\. expected (?P<was>\S+), actual (?P<now>\S+)", _dtype),
    (r"tensor '(?P<name>.+)' requires_grad mismatch\. expected requires_grad=(?P<was>\d)", _requires_grad),
    (r"tensor '(?P<name>.+)' (?:dispatch key set|device|Tensor device) mismatch", _device),
    (r"expected type of '(?P<name>.+)' to be .*but found (?P<now>.+)", _tensor_type),
    (r"GLOBAL_STATE changed: (?P<names>.+)", _state),
    (r"'(?P<now>\w+)' object has no attribute '(?P<key>\w+)'", _unreadable),
    (r"___check_(?P<what>obj|type|function_code|current_backend)_?(?:id)?\((?P<name>.+?),", _identity),
    (r"Cache line invalidated because (?P<name>.+) got deallocated", _gone),
    (r"(?P<negated>not )?___dict_contains\((?P<key>.+), (?P<name>[^,]+)\)", _missing),
    (r"(?P<negated>not )?hasattr\((?P<name>.+), ['\"](?P<key>.+)['\"]\)", _has),
    (r"not (?P<name>[\w.\[\]'\"]+)$", _empty),
    (r"len\((?P<name>.+\._\w*hooks)\) == (?P<was>\d+)", _hooks),
    (r"___(?:tuple_iterator_len|normalize_range_iter|normalize_count_iter)\((?P<name>.+?)\) == ", _iterator),
    (r"\(type\((?P<name>.+?)\) is (?:float|complex) and ", _nan),
    (r"___check_torch_function_mode_stack", _mode),
    (r"utils_device\.CURRENT_DEVICE == ", _default_device),
    (r"(?=.*\.size\(\)\[.*\.size\(\)\[).*?(?P<name>[\w.\[\]'\"]+)\.size\(\)\[(?P<index>\d{1,3})\].*", _relation),
    (r"(?:not )?(?:___)?(?:list\()?dict\.(?:keys|contains)\((?P<name>.+?)\)", _keys),
    (r"len\((?P<name>.+)\) [!=]= (?P<was>\d+)", _length),
    (r"(?P<name>.+?) is (?P<negated>not )?None$", _none),
    (r".*?(?P<name>[\w.\[\]'\"]+)\.size\(\)\[(?P<index>\d{1,3})\].*", _shape),
    (r"(?P<name>.+?) == (?P<value>.+)", _equal),
    (r"(?=.*[A-Za-z_])[\w.\[\]' +*/%()-]+ (?:!=|<=?|>=?) [\w.\[\]' +*/%()-]+$", _number),
    (r"(?P<one>\S+) is (?P<negated>not )?(?P<other>\S+)$", _same_object),
    (r"(?:.+ is (?:not )?.+|Duplicate tensors? found.*)$", _alias),
)
