"""The textbook: every function of PyTorch that we have a rule for, family by family.

A rule has the signature of the function it speaks for, so Python itself binds the arguments. It returns the output (a
shape, which takes the first tensor's dtype, or meta tensors made with :func:`empty`) and the bound formula of the work,
or None where there is none; a formula of ``n`` alone may be left to its row, which binds it to the elements of the
result. ``PARAMETERS`` gives the formula of what a rule's parameters must hold, bound or to be bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspector.rules import (
    arithmetic,
    attention,
    contraction,
    conversion,
    convolution,
    creation,
    decomposition,
    distance,
    elementwise,
    embedding,
    fft,
    foreach,
    image,
    indexing,
    join,
    linalg,
    linear,
    loss,
    normalization,
    ordering,
    padding,
    pooling,
    quantized,
    random,
    recurrent,
    reduction,
    scan,
    scatter,
    sparse,
    values,
    view,
    vision,
)
from inspector.rules.common import ValuesNeeded, empty
from inspector.rules.passive import PASSIVE
from inspector.rules.random import RANDOM
from inspector.rules.registry import Registry

if TYPE_CHECKING:
    from inspector.rules.common import Rule

__all__ = ["PARAMETERS", "PASSIVE", "RANDOM", "RULES", "TABLES", "ValuesNeeded", "empty", "register", "rule_for"]

_FAMILIES = (
    convolution,
    linear,
    elementwise,
    arithmetic,
    view,
    normalization,
    pooling,
    reduction,
    scan,
    ordering,
    recurrent,
    attention,
    embedding,
    conversion,
    creation,
    random,
    values,
    loss,
    distance,
    join,
    indexing,
    scatter,
    sparse,
    image,
    padding,
    foreach,
    fft,
    quantized,
    decomposition,
    linalg,
    contraction,
    vision,
)

#: Family -> its table, callable -> rule.
TABLES: dict[str, dict[Any, Rule]] = {family.__name__.rpartition(".")[2]: family.RULES for family in _FAMILIES}
#: The one table that a trace looks into.
RULES: dict[Any, Rule] = {function: rule for table in TABLES.values() for function, rule in table.items()}
#: Rule -> the formula of the parameters that its call uses, with the rule's own arguments.
PARAMETERS: dict[Rule, Any] = {
    rule: formula for family in _FAMILIES for rule, formula in getattr(family, "PARAMETERS", {}).items()
}


_REGISTRY = Registry(RULES)
rule_for = _REGISTRY.rule_for
register = _REGISTRY.register
