"""What an experiment predicts, measures and is judged by: frozen records, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Relation: TypeAlias = Literal["equal", "at most", "at least"]
Verdict: TypeAlias = Literal["pass", "fail", "inconclusive"]

#: Level of every interval of a measurement.
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Config:
    """What is asked of an experiment.

    Attributes:
        device: where it computes, as ``torch.device`` takes it.
        seed: of everything random; two runs with one seed on the CPU give the same numbers.
        quick: small sizes and few replications, for two CPU cores.
        fault: name of a planted fault, under which the verdict must be ``fail``.
        control: an A/A run: what the experiment compares is then the same thing twice, and must not fail.
        data: file or folder of the user's own images; None for those that come with the extra.
    """

    device: str = "cpu"
    seed: int = 0
    quick: bool = False
    fault: str | None = None
    control: bool = False
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a law says.

    Attributes:
        value: the number.
        low: of the interval within which the prediction itself is uncertain, such as where it was calibrated.
        high: of that interval; both are the value where the law is exact.
        formula: from which it came, with its numbers.
    """

    value: float
    low: float
    high: float
    formula: str

    @classmethod
    def exactly(cls, value: float, formula: str) -> Predicted:
        """A prediction without uncertainty of its own.

        >>> Predicted.exactly(3.0, "1 + 2")
        Predicted(value=3.0, low=3.0, high=3.0, formula='1 + 2')
        """
        return cls(value, value, value, formula)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured.

    Attributes:
        value: the estimate.
        low: of its 95 % interval.
        high: of its 95 % interval; both are the value where nothing about it is random.
        n: replications from which the interval came.
    """

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def exactly(cls, value: float) -> Measured:
        """A measurement that gives the same number each time: a formula evaluated, a worst case over a grid.

        >>> Measured.exactly(2.5)
        Measured(value=2.5, low=2.5, high=2.5, n=1)
        """
        return cls(value, value, value, 1)

    @property
    def exact(self) -> bool:
        """Whether it has no interval."""
        return self.low == self.value == self.high


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence that a measurement can refute.

    Attributes:
        name: short and unique in its experiment.
        statement: the sentence; with the reason for a tolerance, where there is one.
        predicted: what the law says.
        relation: how the true value shall stand to the prediction.
        tolerance: how far a law that is approximate may be off, relative to the predicted value.
        decides: for ``equal``, the widest half of a measured interval that can confirm the claim: a wider one leaves
            it open. None stands for half of the predicted value.
    """

    name: str
    statement: str
    predicted: Predicted
    relation: Relation = "equal"
    tolerance: float = 0.0
    decides: float | None = None

    @property
    def band(self) -> tuple[float, float]:
        """The values that the claim allows.

        >>> Claim("a", "", Predicted.exactly(10.0, ""), tolerance=0.1).band
        (9.0, 11.0)
        >>> Claim("a", "", Predicted.exactly(10.0, ""), "at most").band
        (-inf, 10.0)
        """
        slack = self.tolerance * abs(self.predicted.value)
        low = -math.inf if self.relation == "at most" else self.predicted.low - slack
        high = math.inf if self.relation == "at least" else self.predicted.high + slack
        return low, high


@dataclass(frozen=True, slots=True)
class Cell:
    """One independent unit of measurement.

    Attributes:
        key: unique in its experiment; letters, digits and ``.=,+_-``, for it becomes the name of a file.
        arguments: what ``measure`` needs to know of it.
    """

    key: str
    arguments: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim beside its measurement.

    Attributes:
        claim: what was predicted.
        measured: what was measured; None where nothing was.
        verdict: ``pass``, ``fail`` or ``inconclusive``.
        reason: why.
        p: of a measurement at least so far outside of what the claim allows, were the claim true; before correction.
    """

    claim: Claim
    measured: Measured | None
    verdict: Verdict
    reason: str
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A whole experiment: what was predicted, what was measured, and the verdict.

    Attributes:
        experiment: its name.
        title: what a figure is headed with.
        about: what it shows, in a few sentences.
        config: what was asked.
        predicted_at: when the predictions were stored, in UTC; before anything was measured.
        finished_at: when the last cell was there.
        claims: each with its measurement and verdict.
        values: what each cell measured, by key.
        environment: device, versions, TF32, dtype and threads.
        notes: what a reader must know of this run.
    """

    experiment: str
    title: str
    about: str
    config: Config
    predicted_at: str
    finished_at: str
    claims: tuple[Judged, ...]
    values: Mapping[str, Mapping[str, JSON]]
    environment: Mapping[str, JSON]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """That of the worst claim: one that fails, else one left open."""
        verdicts = {judged.verdict for judged in self.claims}
        return "fail" if "fail" in verdicts else "inconclusive" if verdicts != {"pass"} else "pass"

    def claim(self, name: str) -> Judged:
        """The claim of that name."""
        return next(judged for judged in self.claims if judged.claim.name == name)

    def figure(self) -> Figure:
        """The prediction as a line, the measurement as points with their intervals.

        Raises:
            InspectionError: matplotlib, of the extra ``experiments``, is missing.
        """
        from inspector.experiments.figures import figure

        return figure(self)

    def to_json(self) -> str:
        """Everything; null stands for a number that is not finite."""
        from inspector.experiments.documents import to_json

        return to_json(self)

    def to_markdown(self) -> str:
        """The claims as a table, with what a reader needs to judge them."""
        from inspector.experiments.documents import to_markdown

        return to_markdown(self)

    def __str__(self) -> str:
        from inspector.experiments.documents import to_text

        return to_text(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()
