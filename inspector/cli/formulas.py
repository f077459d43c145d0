"""``inspector formulas``: the textbook, read from the rules themselves."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from inspector.cli import screen
from inspector.cli.question import guarded
from inspector.errors import InspectionError
from inspector.formula import Formula

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Stated: TypeAlias = "tuple[object, Formula]"  # number of axes that a formula holds for, None for any; the formula

_WIDTH = 100
_WORDS = {"macs": "MACs", "elementwise": "element-wise", "params": "parameters", "bytes": "bytes", "size": "size"}


@dataclass(frozen=True)
class Entry:
    """One rule of the textbook: the functions it speaks for, what it says in words, and its formulas."""

    family: str
    functions: tuple[str, ...]
    words: str
    formulas: tuple[Stated, ...]


@click.command()
@click.argument("name", required=False)
@click.option("--json", "form", flag_value="json", help="Every rule with its formulas as JSON.")
@guarded
def formulas(name: str | None, form: str | None) -> None:
    """Print the textbook: every rule with its formulas and their source; or what is known of NAME.

    NAME is a function (conv2d), a layer (Conv2d) or a family (convolution).
    """
    try:
        entries = textbook()
    except (LookupError, ValueError) as error:  # as somebody meets them who writes a rule
        step = [step for step in traceback.extract_tb(error.__traceback__) if step.name == "<module>"][-1]
        raise InspectionError(
            f"the textbook cannot be read: {error}\n  at {step.filename}:{step.lineno}: {step.line}"
        ) from error
    if name is not None:
        known = {word for entry in entries for word in (entry.family, *entry.functions)}
        found = [entry for entry in entries if name == entry.family] or [
            entry for entry in entries if {name, name.lower()} & set(entry.functions)
        ]
        if not found:
            raise InspectionError(
                f"the textbook has no {name!r}. {_of_several_calls(name, entries) or _close(name, known)}"
            )
        entries = [_narrowed(entry, name) for entry in found]
    screen.answer(_json(entries) if form == "json" else "\n\n".join(_printed(entry) for entry in entries))


def textbook() -> list[Entry]:
    """Every rule, family by family in the order of the tables."""
    from inspector import rules
    from inspector.calls import name_of

    entries: list[Entry] = []
    for family, table in rules.TABLES.items():
        functions: dict[Any, list[str]] = {}
        for function, rule in table.items():
            functions.setdefault(inspect.unwrap(rule), []).append(name_of(function))
        for rule, names in functions.items():
            stated = [*_formulas(rules.PARAMETERS.get(rule)), *_formulas(rule)]
            own = sorted({name for name in names if not (name.endswith("_") and name[:-1] in names)})
            entries.append(Entry(family, tuple(own), _first_sentence(rule), tuple(dict.fromkeys(stated))))
    return entries


def _formulas(rule: Any, seen: set[int] | None = None) -> Iterator[Stated]:
    """The formulas that a rule's code names, also in the functions of the textbook that it calls."""
    seen = set() if seen is None else seen
    if id(rule) in seen:
        return
    seen.add(id(rule))
    if isinstance(rule, Formula):
        yield None, rule
    elif isinstance(rule, dict):  # number of axes -> formula
        yield from ((axes, formula) for axes, formula in rule.items() if isinstance(formula, Formula))
    elif inspect.isfunction(rule) and rule.__module__.startswith("inspector.rules"):
        variables = inspect.getclosurevars(rule)
        for value in (*variables.nonlocals.values(), *variables.globals.values()):
            yield from _formulas(value, seen)


def _first_sentence(rule: Any) -> str:
    return " ".join((inspect.getdoc(rule) or "").partition("\n\n")[0].split())


def _narrowed(entry: Entry, name: str) -> Entry:
    """For a name such as conv2d, only the formulas of that many axes."""
    if re.search(r"\dd$", name) is None:
        return entry
    own = [(axes, formula) for axes, formula in entry.formulas if axes in (None, int(name[-2]))]
    return replace(entry, formulas=tuple(own))


def _json(entries: list[Entry]) -> str:
    documents = [
        {
            "family": entry.family,
            "functions": list(entry.functions),
            "about": entry.words,
            "formulas": [
                {
                    "counts": formula.counts,
                    "text": formula.text,
                    "when": formula.when,
                    "symbols": dict(formula.symbols),
                    "source": formula.source,
                }
                for formula in _in_order(entry)
            ],
        }
        for entry in entries
    ]
    return json.dumps(documents, indent=2, ensure_ascii=False)


def _in_order(entry: Entry) -> list[Formula]:
    return sorted(
        (formula for _, formula in entry.formulas), key=lambda formula: (formula.counts != "params", formula.when)
    )


def _printed(entry: Entry) -> str:
    stated = _in_order(entry)
    lines = _wrapped(f"{entry.family}: {', '.join(entry.functions)}", 0)
    if entry.words:
        lines += _wrapped(entry.words, 2)
    width = max((len(_WORDS[formula.counts]) for formula in stated), default=0)
    for formula in stated:
        when = f"   ({formula.when})" if formula.when else ""
        lines.append(f"  {_WORDS[formula.counts]:<{width}}  {formula.render()}{when}")
    meanings = {symbol: words for formula in stated for symbol, words in formula.symbols.items()}
    if meanings:
        lines += _wrapped("; ".join(f"{symbol}: {meanings[symbol]}" for symbol in sorted(meanings)), 4)
    sources: dict[str, dict[str, None]] = {}  # source -> what it states
    for formula in stated:
        if formula.source:
            what = f"{_WORDS[formula.counts]}{f' ({formula.when})' if formula.when else ''}"
            sources.setdefault(formula.source, {})[what] = None
    for source, whats in sources.items():
        label = f"source of {', '.join(whats)}" if len(sources) > 1 else "source"
        lines += _wrapped(f"{label}: {source}", 4)
    return "\n".join(lines)


def _wrapped(words: str, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(words, _WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)


def _of_several_calls(name: str, entries: list[Entry]) -> str:
    """Where to look for a layer of torch.nn whose forward is no single function; nothing where it is none."""
    import torch.nn.functional as F
    from torch import nn

    layer = getattr(nn, name, None)
    if not (inspect.isclass(layer) and issubclass(layer, nn.Module)):
        return ""
    called = set(layer.forward.__code__.co_names)
    for inner in [getattr(F, word, None) for word in called]:
        if inspect.isfunction(inner):
            called |= set(inner.__code__.co_names)
    work = {word for entry in entries for word in entry.functions if any(f.counts == "macs" for _, f in entry.formulas)}
    parts = ", ".join(sorted(called & work)) or "other layers and functions"
    return (
        f"torch.nn.{name} is made of {parts}; "
        f"`inspector summary torch.nn:{name} --arg ... --input ...` prints the formula of each."
    )


def _close(name: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name.lower(), sorted(known), n=5, cutoff=0.7)
    return f"Did you mean {', '.join(close)}?" if close else "`inspector formulas` prints all of it."
