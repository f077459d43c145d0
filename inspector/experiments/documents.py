"""A result as JSON, Markdown and lines of text. No torch."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

from inspector.experiments.judge import ALPHA, LEVEL, SERIES
from inspector.experiments.records import CONFIDENCE, Claim, Predicted
from inspector.report.columns import wrapped
from inspector.report.markdown import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inspector.experiments.records import Measured, Result

#: The first number changes when a reader of the former version would misread, the second when something is added.
SCHEMA_VERSION = "1.0"
_SIGNS = {"equal": "=", "at most": "≤", "at least": "≥"}
_MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?"}


def claim(record: Mapping[str, Any]) -> Claim:
    """A claim from its record.

    >>> one = Claim("a", "b", Predicted.exactly(1.0, "1"), "at most", 0.1)
    >>> claim(dataclasses.asdict(one)) == one
    True
    """
    return Claim(**{**record, "predicted": Predicted(**record["predicted"])})


def document(result: Result) -> dict[str, Any]:
    """Everything, of JSON's types; None stands for a number that is not finite."""
    found = dataclasses.asdict(result)
    claims = [{**judged.pop("claim"), **judged} for judged in found.pop("claims")]
    whole: dict[str, Any] = finite(
        {
            "schema_version": SCHEMA_VERSION,
            "verdict": result.verdict,
            "confidence": CONFIDENCE,
            "family_level": LEVEL,
            "claims": claims,
            **found,
        }
    )
    return whole


def to_json(result: Result) -> str:
    """:func:`document` as text."""
    return json.dumps(document(result), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def to_markdown(result: Result) -> str:
    """Heading, claims as a table, notes and environment."""
    lines = [
        f"## {escape(result.title)}: {result.verdict}",
        "",
        escape(result.about),
        "",
        "| Claim | Predicted | Measured | Verdict |",
        "|:---|:---|:---|:---|",
    ]
    for judged in result.claims:
        cells = (
            judged.claim.statement,
            f"{predicted(judged.claim)}, {judged.claim.predicted.formula}",
            measured(judged.measured),
            f"{judged.verdict}: {judged.reason}",
        )
        lines.append(f"| {' | '.join(map(escape, cells))} |")
    lines += ["", *(f"- {escape(note)}" for note in (*result.notes, *_conditions(result)))]
    return "\n".join(lines) + "\n"


def to_text(result: Result, width: int | None = None) -> str:
    """The claims for a terminal, each with prediction, measurement and reason below it."""
    lines = [f"{result.experiment}: {result.verdict}", *wrapped(result.about, width), ""]
    for judged in result.claims:
        lines += wrapped(f"{_MARKS[judged.verdict]} {judged.claim.statement}", width, 2)
        for name, said in (
            ("predicted", f"{predicted(judged.claim)}   {judged.claim.predicted.formula}"),
            ("measured", measured(judged.measured)),
            (judged.verdict, judged.reason),
        ):
            first, *more = wrapped(said, width, 15)
            lines += [
                f"    {name:<{11 if len(name) < 11 else len(name) + 1}}{first}",
                *(" " * 15 + rest for rest in more),
            ]
    lines += ["", *(part for note in (*result.notes, *_conditions(result)) for part in wrapped(note, width))]
    return "\n".join(lines)


def predicted(claim: Claim) -> str:
    """``= 0.5``, ``≤ 3 [2.9, 3.1] ± 5 %``.

    >>> predicted(Claim("a", "", Predicted(3.0, 2.9, 3.1, ""), "at most", 0.05))
    '≤ 3 [2.9, 3.1] ± 5 %'
    """
    said = claim.predicted
    uncertain = "" if said.low == said.value == said.high else f" [{said.low:.5g}, {said.high:.5g}]"
    slack = f" ± {100 * claim.tolerance:.3g} %" if claim.tolerance else ""
    return f"{_SIGNS[claim.relation]} {said.value:.6g}{uncertain}{slack}"


def measured(found: Measured | None) -> str:
    """``0.52 [0.5, 0.54], n = 10``; an exact measurement has no interval."""
    if found is None:
        return "nothing"
    if found.exact:
        return f"{found.value:.6g}, exactly"
    return f"{found.value:.6g} [{found.low:.5g}, {found.high:.5g}], n = {found.n}"


def _conditions(result: Result) -> tuple[str, ...]:
    options = [f"seed {result.config.seed}"]
    options += [word for word in ("quick", "control") if getattr(result.config, word)]
    options += [f"planted fault {result.config.fault}"] if result.config.fault else []
    options += [f"data {result.config.data}"] if result.config.data else []
    return (
        f"Intervals of {100 * CONFIDENCE:g} %; where every claim is true, a run fails with a probability of at most "
        f"{100 * LEVEL:g} %, any of {SERIES} with {100 * ALPHA:g} % (Holm–Bonferroni).",
        f"Predicted {result.predicted_at}, measured until {result.finished_at}; {', '.join(options)}.",
        f"{', '.join(f'{name} {value}' for name, value in result.environment.items())}.",
    )


def finite(value: Any) -> Any:
    """A document with None in place of every number that is not finite."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
