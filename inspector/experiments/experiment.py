"""What an experiment is: it predicts, measures in independent cells, gathers, and draws.

The frame (:mod:`inspector.experiments.running`) does the rest, in this order: ``predict`` (stored with its time),
``cells``, ``measure`` of each cell that is not stored yet, ``gather``, judging, ``draw``. Two things it adds for every
cell: PyTorch's generators are seeded from the configuration's seed and the cell's key, and are as they were afterwards;
and an :class:`InspectionError` is told with the cell's key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from inspector.experiments.records import JSON, Cell, Claim, Config, Measured, Result


class Experiment(ABC):
    """Base of every experiment; it is made without arguments and keeps no state.

    Attributes:
        name: as the command line takes it.
        title: of its figure.
        about: what it shows, in two to four sentences.
        faults: name of each planted fault, and what is broken under it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    faults: ClassVar[Mapping[str, str]]

    @abstractmethod
    def predict(self, config: Config) -> Sequence[Claim]:
        """The claims; they may be calibrated, on data of their own. A planted fault never enters here."""

    @abstractmethod
    def cells(self, config: Config) -> Sequence[Cell]:
        """The units of measurement; they are pickled and may run in any order, in any process."""

    @abstractmethod
    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:
        """One cell's numbers: on the CPU a pure function of both arguments. ``config.fault`` breaks what is measured.

        The key ``notes``, a list of sentences, is for readers: a size that was halved for want of memory, for example.
        """

    @abstractmethod
    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        """For each claim by name: replicated samples, of which the frame makes the interval, or a ready measurement."""

    @abstractmethod
    def draw(self, figure: Figure, result: Result) -> None:
        """For a lecture: labelled axes with units, predictions as lines, measurements with interval bars.

        Not of a control, whose claims the frame draws.
        """

    def notes(self, config: Config, values: Mapping[str, Mapping[str, JSON]]) -> Sequence[str]:  # noqa: ARG002
        """What else a reader of this run must know."""
        return ()


def column(values: Mapping[str, Mapping[str, JSON]], name: str, starts: str = "") -> list[float]:
    """One number of every cell whose key starts so, in the order of the cells; cells that lack it are passed over.

    >>> column({"b=2,seed=0": {"loss": 1.5}, "b=4,seed=0": {"loss": 1.0}}, "loss", "b=2,")
    [1.5]
    """
    found = (value.get(name) for key, value in values.items() if key.startswith(starts))
    return [float(number) for number in found if isinstance(number, (int, float))]


def series(values: Mapping[str, Mapping[str, JSON]], key: str, name: str) -> list[float]:
    """A list of numbers that one cell measured; empty where it lacks it.

    >>> series({"a": {"losses": [1, 0.5]}}, "a", "losses")
    [1.0, 0.5]
    """
    found = values.get(key, {}).get(name)
    return [float(number) for number in found if isinstance(number, (int, float))] if isinstance(found, list) else []
