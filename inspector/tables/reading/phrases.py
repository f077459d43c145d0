"""Layers as papers word them: ``5x5 conv, 64, /2``, ``3×3 max pool, stride 2``, ``conv3-64``, ``1000-d fc``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from inspector.tables.reading.calls import read_call
from inspector.tables.reading.kinds import axes, key, kind_of_class, kind_of_name
from inspector.tables.reading.limits import bounded


@dataclass(slots=True)
class Layer:
    """One layer, or a block with layers inside, as a cell words it."""

    text: str
    kind: str = "unknown"
    cls: str = ""
    stated: dict[str, object] = field(default_factory=dict)
    repeat: int = 1
    inside: list[Layer] = field(default_factory=list)


_N = r"(\d{1,9})"
_BY = r"\s{0,3}[x×*]\s{0,3}"
# In this order: what one takes away, the next does not see.
_ATTRIBUTES: Final = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("stride", rf"\bstrides?(?:\s{{1,3}}of)?\s{{0,3}}=?\s{{0,3}}\(?{_N}(?:(?:{_BY}|\s?,\s?){_N})?\)?"),
        ("stride", rf"\bs\s?=\s?{_N}\b"),
        ("stride", rf"(?<![\w.])(?-i:s){_N}\b"),
        ("stride", rf"/\s?s?{_N}\b"),
        ("stride", rf"\b{_N}\s?stride\b"),
        (
            "padding",
            rf"\b(?:zero[- ])?pad(?:ding)?(?:\s{{1,3}}of)?\s{{0,3}}=?:?\s{{0,3}}\(?{_N}(?:(?:{_BY}|\s?,\s?){_N})?\)?",
        ),
        ("padding", r"\b(?:pad(?:ding)?\s{0,3}[=:]?\s{0,3})?['\"]?(same|valid)['\"]?(?:\s{1,3}pad(?:ding)?)?\b"),
        ("padding", rf"\bp\s?=\s?{_N}\b"),
        ("dilation", rf"\b(?:dilation|dilated|dilation rate|dil\.?|atrous|rate)\s{{0,3}}=?\s{{0,3}}{_N}(?:{_BY}{_N})?"),
        ("dilation", rf"\bd\s?=\s?{_N}\b"),
        ("groups", rf"\b(?:groups?|g|C)\s{{0,3}}=\s{{0,3}}{_N}\b"),
        ("groups", rf"\bgroups?\s{{1,3}}{_N}\b"),
        ("expansion", rf"\b(?:t|e|expansion)\s?=\s?{_N}\b"),
        ("growth", rf"\bk\s?=\s?{_N}\b"),
        ("kernel", rf"\bk(?:ernel(?:[ _]size)?)?\s?=?\s?{_N}(?:{_BY}{_N})?(?:{_BY}{_N})?\b"),
        ("kernel", rf"(?<![\d.×x]){_N}{_BY}{_N}(?:{_BY}{_N})?(?:{_BY}{_N})?(?![\d.]|{_BY}\d)"),
        ("out_channels", rf"\b{_N}\s{{0,3}}(?:filters?|kernels?|(?:feature[ -])?maps?|channels?|ch|output channels)\b"),
        ("out_channels", rf"@\s?{_N}\b"),
        ("out_channels", rf"\b(?:filters?|channels?|out|ch)\s?[=:]\s?{_N}\b"),
        ("out_features", rf"\b{_N}\s?-?\s?(?:dim|dims|dimensional|units?|neurons?|way|classes|nodes?|hidden)\b"),
        ("out_features", r"\b(\d{2,9})\s?-?\s?d\b"),  # "(4d)" is a name
        ("p", r"(?<![\w.])(?:p\s?=\s?|rate\s?=?\s?)?(0?\.\d{1,4})\b"),
        ("p", r"\b(\d{1,2}(?:\.\d)?)\s?%"),
    )
)
_PAIRS: Final = frozenset({"stride", "padding", "dilation", "kernel"})
_VGG = re.compile(r"conv\s?(\d{1,2})\s?-\s?(\d{1,6})", re.IGNORECASE)
_FEATURES = re.compile(
    r"(?:fc|dense|linear|fully[- ]connected)\s?-\s?(\d{1,9})(?:\s*-?\s*(?:d|units?)?)?", re.IGNORECASE
)
_EXPANDED = re.compile(r"(?:fused-?)?mbconv(\d{1,2})?", re.IGNORECASE)
_BARE = re.compile(r"\d{1,9}(?:,\d{3})*")
_WORDS = re.compile(r"[A-Za-z_][A-Za-z_]{0,40}(?:[123][dD](?![a-z\d])[A-Za-z]{0,20})?")
_NO_WORD = frozenset(
    [
        "of",
        "size",
        "with",
        "the",
        "a",
        "an",
        "layer",
        "layers",
        "no",
        "by",
        "to",
        "and",
        "x",
        "d",
        "op",
        "output",
        "block",
        "units",
        "unit",
        "function",
    ]
)
_NO_BIAS = re.compile(r"\b(?:no|without)\s{1,3}bias\b|\bbias\s?=\s?false\b", re.IGNORECASE)
_POOLS = frozenset({"max_pool", "avg_pool", "lp_pool"})
_CHANNELS_FIRST_WINDOW = frozenset({"conv", "conv_transpose", "separable_conv"})
_WINDOWS = _POOLS | _CHANNELS_FIRST_WINDOW


def read_phrase(text: str) -> list[Layer]:
    """Layers named in one phrase without brackets, in order; an empty list where it names none.

    >>> (layer,) = read_phrase("5x5 conv, 64, /2")
    >>> layer.kind, layer.stated["kernel"], layer.stated["out_channels"], layer.stated["stride"]
    ('conv', (5, 5), 64, (2,))
    >>> [layer.kind for layer in read_phrase("average pool, 1000-d fc, softmax")]
    ['avg_pool', 'linear', 'softmax']
    """
    text = text.strip().strip(".")
    if (call := read_call(text)) is not None:
        return [Layer(text, call[1], call[0], call[2])]
    layers: list[Layer] = []
    for fragment in _fragments(text):
        _read_fragment(fragment, layers)
    for layer in layers:
        _place_numbers(layer)
    for layer, after in pairwise(layers):
        if key(layer.text) in ("pool", "pooling") and after.kind == "linear":  # nothing else fits a classifier
            layer.kind = "global_avg_pool"
    return layers


def _fragments(text: str) -> list[str]:
    """Cut at commas outside brackets and at words that join layers."""
    joined = re.sub(r"\s(?:&|\+|and|then|→|->)\s", ", ", text)
    parts: list[str] = []
    depth = start = 0
    for place, sign in enumerate(joined):
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth <= 0 and not joined[place + 1 : place + 4].isdigit():
            parts.append(joined[start:place])
            start = place + 1
    return [part.strip() for part in [*parts, joined[start:]] if part.strip()]


def _read_fragment(fragment: str, layers: list[Layer]) -> None:
    """Add what one fragment says to the last layer, or begin a new one where it names a layer."""
    stated: dict[str, object] = {}
    rest = fragment
    kind, cls = "unknown", ""
    if match := _VGG.fullmatch(fragment):
        kind, rest = "conv", ""
        stated = {"kernel": (bounded(match[1]),) * 2, "out_channels": bounded(match[2])}
    elif match := _FEATURES.fullmatch(fragment):
        kind, rest, stated = "linear", "", {"out_features": bounded(match[1])}
    elif match := _EXPANDED.match(fragment):
        kind, cls, rest = "inverted_residual", match[0], fragment[match.end() :]
        if match[1]:
            stated["expansion"] = int(match[1])
    if no_bias := _NO_BIAS.search(rest):
        stated["bias"] = False
        rest = rest.replace(no_bias[0], " ")
    rest = _take_attributes(rest, stated)
    if kind == "unknown":
        kind, cls, named = _kind_in(rest)
        stated = {**named, **stated}
    if kind in _WINDOWS and (dims := re.search(r"\b([123])-?D\b", fragment)):  # "3D Conv"
        stated.setdefault("dims", int(dims[1]))
    if kind == "linear" and (width := re.search(r"(?<![\w.,])(\d{3,9})\s*$", rest)):  # "fc 1000"; "fc 6" is a name
        stated.setdefault("number", bounded(width[1]))
    if _BARE.fullmatch(rest.strip(" ()")) and kind == "unknown":
        number = bounded(rest.strip(" ()").replace(",", ""))
        if layers and not {"out_channels", "out_features", "number"} & layers[-1].stated.keys() | stated.keys():
            layers[-1].stated |= {"number": number, **stated}
            return
        stated["number"] = number
    last = layers[-1] if layers else None
    if kind == "unknown" and last is not None and not stated.keys() & last.stated.keys():
        if stated:
            last.stated |= stated
            return
        if rest.strip():
            last.stated.setdefault("words", rest.strip())
        return
    if kind == "unknown" and "kernel" in stated:  # "7×7, 64, stride 2": a kernel without a word is a convolution's
        kind = "conv"
    if kind == "unknown" and set(stated) <= {"number"}:
        return
    layers.append(Layer(fragment, kind, cls, stated))


def _take_attributes(rest: str, stated: dict[str, object]) -> str:
    """Move every attribute from the text into ``stated``; what remains is words and bare numbers."""
    if re.search(r"\b(?:dw|depth-?wise)\b", rest, re.IGNORECASE):
        stated["depthwise"] = True
        rest = re.sub(r"\b(?:dw|depth-?wise)\b", " ", rest, flags=re.IGNORECASE)
    rest = re.sub(r"(?<=[A-Za-z])(?=\d{1,3}[x×]\d)", " ", rest)  # Conv3x3
    for name, pattern in _ATTRIBUTES:
        match = pattern.search(rest)
        if match is None or name in stated:
            continue
        stated[name] = _attribute(name, [group for group in match.groups() if group], stated)
        rest = f"{rest[: match.start()]} {rest[match.end() :]}"
    return rest


def _attribute(name: str, found: list[str], stated: dict[str, object]) -> object:
    if name == "p":
        return float(found[0]) if "." in found[0] and float(found[0]) < 1 else float(found[0]) / 100
    if found[0].lower() in ("same", "valid"):
        return found[0].lower()
    numbers = tuple(bounded(number) for number in found)
    if name == "kernel" and len(numbers) == 4:  # MobileNet's filter shape 3 × 3 × 3 × 32
        stated["in_channels"], stated["out_channels"] = numbers[2:]
        return numbers[:2]
    if name == "kernel" and len(numbers) == 3 and len(set(numbers)) > 1:  # AlexNet's 11×11×3
        stated["depth_of_kernel"] = numbers[2]
        return numbers[:2]
    return numbers if name in _PAIRS else numbers[0]


def _kind_in(words: str) -> tuple[str, str, dict[str, object]]:
    """Kind, class as printed and what it states, from the longest run of words that names a kind."""
    found = _WORDS.findall(words)[:12]
    for length in range(min(4, len(found)), 0, -1):
        for start in range(len(found) - length + 1):
            run = found[start : start + length]
            kind, stated = kind_of_class("".join(run))
            if kind != "unknown":
                return kind, "", stated
    for token in words.replace("(", " ").replace(")", " ").split():
        kind, stated = kind_of_class(token)
        if kind == "unknown" and key(token) not in _NO_WORD:
            kind = kind_of_name(token)
            stated = {} if (dims := axes(token)) is None else {"dims": dims}
        if kind != "unknown":
            return kind, token if axes(token) else "", stated
    return "unknown", "", {}


def _place_numbers(layer: Layer) -> None:
    """Call bare numbers and third kernel entries what they are, now that the kind is known."""
    stated = layer.stated
    number = stated.pop("number", None)
    stated.pop("words", None)
    third = stated.pop("depth_of_kernel", None)
    if third is not None and (layer.kind in _POOLS or stated.get("dims") == 3):  # "max pool 1×2×2"
        stated["kernel"] = (*stated.pop("kernel"), third)  # type: ignore[misc]  # two of three axes
    elif third is not None:
        stated["out_channels" if stated.get("depthwise") else "in_channels"] = third
    if layer.kind == "linear":
        match stated.get("kernel"):
            case (int(into), int(out)):  # "1024 × 1000" beside FC
                del stated["kernel"]
                stated |= {"in_features": into, "out_features": out}
        for channels in ("number", "out_channels"):
            value = number if channels == "number" else stated.pop(channels, None)
            if value is not None:
                stated.setdefault("out_features", value)
    elif layer.kind in _CHANNELS_FIRST_WINDOW:
        if number is None:
            number = stated.pop("out_features", None)
        if number is not None:
            stated.setdefault("out_channels", number)
    elif number is not None:
        stated.setdefault("p" if layer.kind == "dropout" else "out_channels", number)
