"""Run an experiment: predict, store, measure what is not stored yet, judge, draw."""

from __future__ import annotations

import dataclasses
from concurrent.futures import as_completed
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from inspect import getfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zlib import crc32

from inspector.bench.exhaustion import out_of_memory
from inspector.errors import InspectionError
from inspector.experiments import documents, figures, files
from inspector.experiments.distributed import Cells
from inspector.experiments.environment import described, rank, seed_of, seeded, usable, world_size
from inspector.experiments.judge import judge
from inspector.experiments.records import Config, Result
from inspector.experiments.registry import EXPERIMENTS, experiment
from inspector.experiments.store import Store, checked_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from typing import TypeAlias

    from inspector.experiments.experiment import Experiment
    from inspector.experiments.records import JSON, Cell, Claim

    #: Called with the number of cells done, the number of all, and the key of the one just done or ``""``.
    Progress: TypeAlias = Callable[[int, int, str], None]

_ON_CUDA = (
    "On CUDA sums are added in an order that may change from run to run, so that a second run with this seed need not "
    "give the same digits; on the CPU it does, with the same number of threads."
)


def run(
    name: str,
    *,
    device: str = "cpu",
    seed: int = 0,
    quick: bool = False,
    fault: str | None = None,
    control: bool = False,
    data: str | Path | None = None,
    out: str | Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run an experiment; with ``out``, go on where a former run with the same arguments stopped.

    Args:
        name: one of :func:`inspector.experiments.names`.
        device: where it computes, such as ``cpu`` or ``cuda``.
        seed: of everything random.
        quick: small sizes and few replications.
        fault: a planted fault; the verdict is then ``fail``.
        control: compare the same thing with itself; the verdict is then not ``fail``.
        data: file or folder of your own images.
        out: folder for predictions, cells, result and figures; None keeps nothing on disk.
        executor: runs the cells, any of concurrent.futures; None runs one after the other, here. Each cell runs alone
            in its process, see :class:`inspector.experiments.distributed.Cells`.
        progress: is told of every cell that is done.

    Returns:
        Claims with their measurements and verdicts.

    Raises:
        InspectionError: there is no such experiment, fault or device; data that do not suffice; memory that does not;
            a folder that holds the cells of another question.
    """
    config = Config(device, seed, quick, fault, control, None if data is None else str(data))
    if executor is not None and not isinstance(executor, Cells):
        executor = Cells(executor)
    asked = experiment(name)
    _check(asked, config)
    if out is not None:
        return _run(asked, config, Store(folder(Path(out), name, config), writes=rank() == 0), executor, progress)
    with TemporaryDirectory(prefix="inspector-") as scratch:
        return _run(asked, config, Store(Path(scratch), writes=rank() == 0), executor, progress)


def folder(out: Path, name: str, config: Config) -> Path:
    """Where a run keeps its records.

    >>> folder(Path("runs"), "outliers", Config(device="cuda:0", quick=True)).as_posix()
    'runs/outliers/cuda-0,seed=0,quick'
    """
    words = [config.device.replace(":", "-"), f"seed={config.seed}"]
    words += [f"fault={config.fault}"] if config.fault else []
    words += [word for word in ("quick", "control") if getattr(config, word)]
    return out / name / ",".join(words)


def _check(asked: Experiment, config: Config) -> None:
    if config.fault is not None and config.fault not in asked.faults:
        raise InspectionError(f"{asked.name} has no planted fault {config.fault!r}; it has {', '.join(asked.faults)}")
    if config.data is not None and not Path(config.data).exists():
        raise InspectionError(f"--data {config.data}: no such file or folder")
    if config.fault is not None and config.control:
        raise InspectionError("a control compares the same thing twice, so that nothing can be faulty: leave one out")


def _run(
    asked: Experiment, config: Config, store: Store, executor: Executor | None, progress: Progress | None
) -> Result:
    device = usable(config.device)
    environment = described(device) | {"inspector": _own_version(), "experiment_code": _fingerprint(asked)}
    if config.data is not None:
        environment["data"] = files.fingerprint(config.data)
    if world_size() > 1:
        environment["processes"] = world_size()
    claims, predicted_at = _predicted(asked, config, store, environment)
    values = _values(asked, config, store, executor, progress)
    found = asked.gather(config, values)
    unknown = set(found) - {claim.name for claim in claims}
    if unknown:
        raise ValueError(f"{asked.name} measured what it had not claimed: {', '.join(sorted(unknown))}")
    notes = [*asked.notes(config, values), *((_ON_CUDA,) if device.type == "cuda" else ())]
    for key, value in values.items():
        said = value.get("notes")
        notes += [f"{key}: {note}" for note in said] if isinstance(said, list) else []
    result = Result(
        experiment=asked.name,
        title=asked.title,
        about=asked.about,
        config=config,
        predicted_at=predicted_at,
        finished_at=_now(),
        claims=judge(claims, found),
        values=values,
        environment=environment,
        notes=tuple(notes),
    )
    return _kept(result, store)


def _predicted(
    asked: Experiment, config: Config, store: Store, environment: Mapping[str, JSON]
) -> tuple[Sequence[Claim], str]:
    """The claims, from the store where a former run left them there, else made now and stored."""
    question = {"experiment": asked.name, "config": dataclasses.asdict(config), "environment": dict(environment)}
    stored = store.read("prediction")
    if stored is None:
        with seeded(seed_of(config.seed, asked.name, "predict"), usable(config.device)):
            claims = tuple(asked.predict(dataclasses.replace(config, fault=None)))  # what is right knows no fault
        names = [claim.name for claim in claims]
        if len(set(names)) < len(names):
            raise ValueError(f"{asked.name} has two claims of one name")
        now = _now()
        record = {**question, "predicted_at": now, "claims": [dataclasses.asdict(claim) for claim in claims]}
        store.write("prediction", record)
        return claims, now
    for part, here in question.items():
        if stored.get(part) != here:
            theirs = ", ".join(_differences(stored.get(part), here))
            raise InspectionError(
                f"{store.folder} holds a run with another {part} ({theirs}): give another --out, or remove the folder"
            )
    try:
        return tuple(documents.claim(each) for each in stored["claims"]), str(stored["predicted_at"])
    except (KeyError, TypeError) as error:
        raise store.no_record("prediction", f"{type(error).__name__}: {error}") from error


def _differences(there: Any, here: Any) -> Iterator[str]:
    if not (isinstance(there, dict) and isinstance(here, dict)):
        yield f"{there!r} there, {here!r} here"
        return
    for key in there.keys() | here.keys():
        if there.get(key) != here.get(key):
            yield f"{key} {there.get(key)!r} there, {here.get(key)!r} here"


def _values(
    asked: Experiment, config: Config, store: Store, executor: Executor | None, progress: Progress | None
) -> dict[str, dict[str, JSON]]:
    """What every cell measured; each is stored as soon as it is there."""
    cells = asked.cells(config)
    found: dict[str, dict[str, JSON] | None] = {checked_key(cell.key): None for cell in cells}
    if len(found) < len(cells):
        raise ValueError(f"{asked.name} has two cells of one key")
    if world_size() == 1:  # several processes measure a cell together, or none does
        found = {key: store.read(f"cells/{key}") for key in found}
    waiting = [cell for cell in cells if found[cell.key] is None]
    _tell(progress, len(cells) - len(waiting), len(cells), "")
    for done, (cell, value) in enumerate(_measured(asked, config, waiting, executor, store), len(cells) - len(waiting)):
        found[cell.key] = value
        _tell(progress, done + 1, len(cells), cell.key)
    return {key: value for key, value in found.items() if value is not None}


def _measured(
    asked: Experiment, config: Config, cells: Sequence[Cell], executor: Executor | None, store: Store
) -> Iterator[tuple[Cell, dict[str, JSON]]]:
    place = EXPERIMENTS[asked.name]
    if executor is None:
        for cell in cells:
            value = measured(asked, config, cell)
            store.write(f"cells/{cell.key}", value)
            yield cell, value
        return
    futures = {executor.submit(measured_there, place, config, cell): cell for cell in cells}
    try:
        for future in as_completed(futures):
            value = future.result()
            store.write(f"cells/{futures[future].key}", value)
            yield futures[future], value
    except BaseException:
        for future, cell in futures.items():  # what is measured is kept, what is not begun is not begun
            if not future.cancel() and future.done() and future.exception() is None:
                store.write(f"cells/{cell.key}", future.result())
        raise


def measured_there(place: str, config: Config, cell: Cell) -> dict[str, JSON]:
    """One cell, in a process that knows the experiment by its module and class alone."""
    from importlib import import_module

    module, _, kind = place.partition(":")
    return measured(getattr(import_module(module), kind)(), config, cell)


def measured(asked: Experiment, config: Config, cell: Cell) -> dict[str, JSON]:
    """One cell, from a seed of its own; the generators are as they were afterwards."""
    try:
        with seeded(seed_of(config.seed, asked.name, cell.key), usable(config.device)):
            return asked.measure(config, cell)
    except InspectionError as error:
        raise InspectionError(f"{asked.name}, cell {cell.key}: {error}") from error
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise InspectionError(
            f"{asked.name}, cell {cell.key}: memory does not suffice on {config.device} "
            f"({str(error).partition('.')[0]}); with --out, what was measured before is kept. Give --quick, or a "
            "device with more memory"
        ) from error


def _kept(result: Result, store: Store) -> Result:
    """Write result and figures; where matplotlib is missing, a note says so."""
    try:
        pictures = figures.pictures(result)
    except figures.NoMatplotlib as error:
        pictures = {}
        result = dataclasses.replace(result, notes=(*result.notes, str(error)))
    for file, content in pictures.items():
        store.replace(file, content)
    store.replace("result.json", result.to_json().encode())
    store.replace("result.md", result.to_markdown().encode())
    return result


def _tell(progress: Progress | None, done: int, of: int, key: str) -> None:
    if progress is not None:
        progress(done, of, key)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _fingerprint(asked: Experiment) -> str:
    """Of the files that define it and what it measures with: cells of an older text are not mixed with a newer's."""
    try:
        paths = {Path(getfile(type(asked))), *Path(__file__).parent.glob("*.py")}
        return f"{crc32(b''.join(path.read_bytes() for path in sorted(paths))):08x}"
    except (OSError, TypeError):  # defined in a notebook
        return "unknown"


def _own_version() -> str:
    try:
        return version("inspector")
    except PackageNotFoundError:  # runs from its source tree
        return "of a source tree"
