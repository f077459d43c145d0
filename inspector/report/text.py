"""Counts, shapes, bytes and shares in print. Rounding happens here and nowhere else."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from inspector.formula import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sympy

    from inspector.formula import Count
    from inspector.records import Shape

BYTES_CONVENTION = "1 MB = 10⁶ bytes, 1 MiB = 2²⁰ bytes"
FLOPS_CONVENTION = "FLOPs = 2 × MACs"

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_EIGHTHS = " ▏▎▍▌▋▊▉"


def count(number: Count) -> str:
    """A count: ``61 706``, or an expression in the signs of worked lines.

    >>> import sympy
    >>> N, H = sympy.symbols("N H", integer=True, positive=True)
    >>> count(61706), count(9408 * N * (sympy.floor((H - 1) / 2) + 1) ** 2)
    ('61 706', '9 408·N·(⌊(H − 1)/2⌋ + 1)²')
    """
    return format_count(number) if isinstance(number, int) else _expression(number)


@lru_cache(maxsize=4096)
def _expression(expression: sympy.Expr) -> str:
    import sympy

    inner = sympy.Function("floor_")  # printed like a call, which together() leaves alone
    plain = expression.replace(sympy.floor, lambda argument: inner(sympy.together(argument)))
    written = str(plain).replace("**", "^").replace("*", "·").replace(" - ", " − ")
    written = re.sub(r"\^(\d+)", lambda power: power[1].translate(_SUPERSCRIPT), written)
    written = re.sub(r"(?<![\w.])\d{4,}", lambda digits: format_count(int(digits[0])), written)
    return _floors(written)


def _floors(written: str) -> str:
    """``floor_(...)`` as ``⌊...⌋``, from the innermost outward."""
    while (start := written.rfind("floor_(")) >= 0:
        depth, end = 1, start + len("floor_(")
        while depth:
            depth += {"(": 1, ")": -1}.get(written[end], 0)
            end += 1
        written = f"{written[:start]}⌊{written[start + len('floor_(') : end - 1]}⌋{written[end:]}"
    return written


def bounded(number: Count | None, known: Count) -> str:
    """A sum of which a part may be unknown: ``416 520``, ``≥ 416 520``, or ``?`` where nothing is known.

    >>> bounded(5, 5), bounded(None, 5), bounded(None, 0)
    ('5', '≥ 5', '?')
    """
    if number is not None:
        return count(number)
    return "?" if known == 0 else f"≥ {count(known)}"


def unknown_macs(calls: int) -> str:
    """How many calls' MACs nobody knows.

    >>> unknown_macs(1), unknown_macs(1200)
    ('MACs of 1 call are unknown', 'MACs of 1 200 calls are unknown')
    """
    return f"MACs of {count(calls)} call{'' if calls == 1 else 's'} are unknown"


def shape(sizes: Shape) -> str:
    """One shape as PyTorch prints it: ``[1, 6, 28, 28]``."""
    return f"[{', '.join(count(size) if hasattr(size, 'free_symbols') else str(size) for size in sizes)}]"


def shapes(all_sizes: Sequence[Shape], most: int = 2) -> str:
    """Several shapes, the first ``most`` of them in full.

    >>> shapes([(2, 3), (4,)]), shapes([]), shapes([(1,)] * 5)
    ('[2, 3], [4]', '—', '[1], [1], +3')
    """
    if not all_sizes:
        return "—"
    shown = [shape(sizes) for sizes in all_sizes[:most]]
    return ", ".join(shown if len(all_sizes) <= most else [*shown, f"+{len(all_sizes) - most}"])


def size_of(nbytes: int) -> str:
    """Bytes exactly, in decimal and in binary units.

    >>> size_of(246824), size_of(512), size_of(140_000_000_000)
    ('246 824 (0.25 MB, 0.24 MiB)', '512', '140 000 000 000 (140 000.00 MB, 133 514.40 MiB)')
    """
    if nbytes < 5000:  # both units would round to 0.00
        return count(nbytes)
    mega, mebi = (f"{nbytes / unit:,.2f}".replace(",", " ") for unit in (10**6, 2**20))
    return f"{count(nbytes)} ({mega} MB, {mebi} MiB)"


def figure(value: float) -> str:
    """A number as it is printed: three digits; whole ones, and all from a thousand on, in groups of three.

    >>> figure(29567), figure(1612.4), figure(999.7), figure(0.1279), figure(40.0)
    ('29 567', '1 612', '1 000', '0.128', '40')
    """
    if math.isfinite(value) and (abs(value) >= 999.5 or value == round(value)):
        return format_count(round(value))
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share of the whole: ``28.2 %``; what is there but rounds to nothing reads ``<0.1 %``.

    >>> percent(0.2823), percent(0.0001), percent(0.0)
    ('28.2 %', '<0.1 %', '0.0 %')
    """
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def bar(share: float, width: int = 8) -> str:
    """A share as a bar of ``width`` cells, in eighths of a cell; what is there shows at least one eighth.

    >>> bar(0.5, 4), bar(0.0, 4), bar(0.28, 4)
    ('██  ', '    ', '█▏  ')
    """
    eighths = min(8 * width, max(round(share * 8 * width), 1 if share > 0 else 0))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)
