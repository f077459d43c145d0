"""What a benchmark leaves behind: frozen records with a versioned JSON form. No torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar

from inspector.errors import InspectionError

#: The first number changes when a reader of the former version would misread, the second when something is added.
SCHEMA_VERSION = "1.1"

#: What conditions may name: seconds, a share, bytes. The last two are known on CUDA alone.
QUANTITIES = ("p50", "efficiency", "floor", "fused", "iqr", "predicted", "peak", "reserved")

Bound: TypeAlias = Literal["memory", "compute", "launch"]
Interval: TypeAlias = tuple[float, float]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one call, measured many times.

    Attributes:
        samples: seconds for one call in the order of time, each the mean over as many calls as made it long
            enough; each round of the measurement gave two, one after the other.
        p50: their median.
        interval: 95 % bootstrap interval of the median.
        iqr: distance of their quartiles.
        noisy: the same call, measured twice, differs from itself.
        reason: why it is noisy, and what else was noticed: other load, throttling, too few rounds; or ``""``.
        stopped: ctrl-C ended it early.
    """

    samples: tuple[float, ...]
    p50: float
    interval: Interval
    iqr: float
    noisy: bool = False
    reason: str = ""
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a device was measured to do at most.

    Attributes:
        device: ``cpu`` or ``cuda``.
        name: of the processor or GPU.
        driver: its version, or the system's.
        date: of the measurement, ISO 8601.
        streams: (bytes of the working set, bytes moved per second).
        peaks: the most operations per second of matrix work by dtype; ``tf32`` apart.
        launch: seconds that starting a kernel takes.
        transfer: bytes per second between host and device by way, such as ``pinned to device``.
        cache: bytes of the last cache where the device tells them.
        nominal: the vendor's figures under the same names, where known.
        products: (dtype, shape such as ``512×512×512``, operations per second) of each that was tried.
        remarks: what was noticed meanwhile: other load, throttling.
    """

    device: str
    name: str
    driver: str
    date: str
    streams: tuple[tuple[int, float], ...]
    peaks: dict[str, float]
    launch: float
    transfer: dict[str, float] = field(default_factory=dict)
    cache: int | None = None
    nominal: dict[str, float] = field(default_factory=dict)
    products: tuple[tuple[str, str, float], ...] = ()
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A document that ``from_json`` reads."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, found: Any) -> Ceilings:
        """Read a document.

        Raises:
            InspectionError: it is none of this version.
        """
        fields = _fields(found, "ceilings")
        streams = tuple((int(size), float(speed)) for size, speed in fields["streams"])
        products = tuple((str(dtype), str(shape), float(speed)) for dtype, shape, speed in fields.get("products", ()))
        told = {"streams": streams, "products": products, "remarks": tuple(fields.get("remarks", ()))}
        return _built(cls, {**fields, **told})


@dataclass(frozen=True, slots=True)
class Row:
    """One module call: what it took, and the least it could take.

    Attributes:
        path: registered path, ``""`` for the root.
        kind: class name.
        measured: seconds without the modules inside it.
        floor: least seconds of the calls that its own forward makes.
        bound: what the floor is made of most.
        lost: ``measured`` − ``floor``.
        macs: multiply-accumulates that the formulas count.
        bytes: read and written at least.
    """

    path: str
    kind: str
    measured: float
    floor: float
    bound: Bound
    lost: float
    macs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Record:
    """One model on one device in one mode.

    Attributes:
        model: class name.
        input: one line for each argument.
        device: ``cpu`` or ``cuda``.
        dtype: of the parameters.
        mode: ``eager``, ``compile``, ``graph``, ...
        backward: a training step was timed, else a forward without gradients.
        timing: of the whole.
        floor: least seconds of the whole: call by call; of a compiled model, as a single kernel.
        fused: the same with ideal fusion.
        rows: per layer, the most time lost first; empty where layers were not timed.
        hooked: seconds of the whole while its layers were timed, or None.
        memory: bytes by name: ``peak``, ``reserved``, ``predicted``, as far as known.
        environment: device, driver, versions, git revision and what else a reader needs.
        notes: what a reader must know.
    """

    model: str
    input: tuple[str, ...]
    device: str
    dtype: str
    mode: str
    backward: bool
    timing: Timing
    floor: float
    fused: float
    rows: tuple[Row, ...]
    hooked: float | None
    memory: dict[str, int]
    environment: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def efficiency(self) -> float:
        """Floor over median: 1 where nothing is lost."""
        return self.floor / self.timing.p50

    @property
    def quantities(self) -> dict[str, Interval]:
        """What conditions may name, as intervals: times in seconds, memory in bytes."""
        low, high = self.timing.interval
        exact = {"floor": self.floor, "fused": self.fused, "iqr": self.timing.iqr, **self.memory}
        return {
            "p50": (low, high),
            "efficiency": (self.floor / high, self.floor / low),
            **{name: (float(value), float(value)) for name, value in exact.items()},
        }

    def to_json(self) -> dict[str, Any]:
        """A document that ``from_json`` reads."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, found: Any) -> Record:
        """Read a document.

        Raises:
            InspectionError: it is none of this version.
        """
        fields = _fields(found, "benchmark")
        timing = _built(Timing, {**fields.pop("timing", {})})
        rows = tuple(_built(Row, row) for row in fields.pop("rows", ()))
        low, high = map(float, timing.interval)
        samples = tuple(map(float, timing.samples))
        if len(samples) < 2 or not all(0 < seconds < math.inf for seconds in (*samples, low, timing.p50, high)):
            raise InspectionError("a timing holds two samples or more, and positive numbers of seconds")
        timing = replace(timing, samples=samples, interval=(low, high))
        fields |= {"input": tuple(fields.get("input", ())), "notes": tuple(fields.get("notes", ()))}
        told = fields.get("environment", {})
        if not isinstance(told, dict) or not all(isinstance(words, str) for words in told.values()):
            raise InspectionError("the environment of a benchmark is words by name")
        for name in ("floor", "fused"):
            fields[name] = float(fields[name])
        return _built(cls, {**fields, "timing": timing, "rows": rows})


def _fields(found: Any, what: str) -> dict[str, Any]:
    version = found.get("schema_version") if isinstance(found, dict) else None
    if not isinstance(version, str):
        raise InspectionError(f"this is no {what} record: it has no schema_version")
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise InspectionError(f"a {what} record of version {version}; this program reads {SCHEMA_VERSION}")
    return {name: value for name, value in found.items() if name != "schema_version"}


def _built(kind: type[_T], fields: dict[str, Any]) -> _T:
    known: Any = kind.__dataclass_fields__  # type: ignore[attr-defined]  # a later minor version may add others
    try:
        return kind(**{name: value for name, value in fields.items() if name in known})
    except TypeError as error:
        raise InspectionError(f"an incomplete {kind.__name__.lower()} record: {error}") from None
