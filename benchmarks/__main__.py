"""Every suite, one after the other, each in a process of its own.

``python -m benchmarks [--gpu] [--only NAME] [--out DIR] [--quick] [--dry-run] [--time-limit SECONDS]``. ``--gpu`` runs
what a CUDA device can show, in under eight minutes; ``--dry-run`` walks the same code on the CPU, with little work and
nothing kept. Each suite writes DIR/NAME.json, and without --quick its table in benchmarks/README.md. At the time limit,
and on ctrl-C, the suite that runs is interrupted; what is finished is kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
#: Seconds of ``--gpu`` where no limit is given, those that an interrupted suite has to write what it found, and those
#: that each suite leaves to every later one.
GPU_LIMIT, LAST_WORDS, RESERVED = 450.0, 15.0, 60.0


@dataclass(frozen=True)
class Suite:
    """One suite: a module of this folder.

    Attributes:
        name: of the module.
        gpu: a CUDA device shows something here, and it takes ``--gpu``.
        needs: modules beside the project's own dependencies, peers of the CPU's tables.
    """

    name: str
    gpu: bool = False
    needs: tuple[str, ...] = ()

    def lacks(self, gpu: bool = False) -> list[str]:
        """What is not installed here; with ``gpu`` nothing is needed."""
        needs = () if gpu and self.gpu else self.needs
        return [name for name in (f"benchmarks.{self.name}", *needs) if importlib.util.find_spec(name) is None]


SUITES = (
    Suite("inspection", needs=("torchvision", "transformers", "fvcore", "ptflops", "thop")),
    Suite("bench", gpu=True),
    Suite("toeplitz", gpu=True, needs=("scipy", "einconv")),
    Suite("toeplitz_norms"),
    Suite("experiments", gpu=True),
)


def chosen(only: list[str], gpu: bool) -> list[Suite]:
    """The suites that are asked for: those named, else with ``gpu`` those that a GPU changes, else all."""
    if only:
        return [suite for suite in SUITES if suite.name in only]
    return [suite for suite in SUITES if suite.gpu or not gpu]


def arguments(suite: Suite, options: argparse.Namespace, out: Path) -> list[str]:
    """What the suite's own command line is given."""
    quick = ["--quick"] if options.quick or options.dry_run else []
    gpu = ["--gpu"] if options.gpu and suite.gpu and not options.dry_run else []
    return [*quick, *gpu, "--out", str(out)]


def run(suite: Suite, given: list[str], seconds: float | None) -> str:
    """Run one suite: ``done``, ``failed``, ``stopped`` at the limit or ``interrupted`` by hand."""
    running = subprocess.Popen([sys.executable, "-m", f"benchmarks.{suite.name}", *given], cwd=HERE.parent)
    try:
        return "failed" if running.wait(timeout=seconds) else "done"
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as ended:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(timeout=LAST_WORDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            running.kill()
            running.wait()
        return "interrupted" if isinstance(ended, KeyboardInterrupt) else "stopped"


def main(given: list[str] | None = None) -> int:
    """The command; 0 where no suite failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [suite.name for suite in SUITES]
    parser.add_argument("--gpu", action="store_true", help="what a CUDA device can show, on it")
    parser.add_argument("--only", action="append", default=[], choices=names, help="this suite; may be repeated")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the JSON files  [benchmarks/results]")
    parser.add_argument("--quick", action="store_true", help="little work, to see that all of it works")
    parser.add_argument("--dry-run", action="store_true", help="the same code on the CPU, quick, nothing kept")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help=f"stop then  [--gpu: {GPU_LIMIT:g}]")
    options = parser.parse_args(given)
    if options.time_limit is not None and options.time_limit <= 0:
        parser.error("--time-limit needs a positive number of seconds")
    limit = options.time_limit or (GPU_LIMIT if options.gpu else None)
    if options.gpu and not options.dry_run and not _cuda():
        parser.error("--gpu: PyTorch sees no CUDA device; --dry-run walks the same code on the CPU")
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or (Path(scratch) if options.dry_run else HERE / "results")
        return _all(options, out.resolve(), None if limit is None else time.monotonic() + limit)


def _all(options: argparse.Namespace, out: Path, end: float | None) -> int:
    ended: dict[str, str] = {}
    asked = chosen(options.only, options.gpu)
    for number, suite in enumerate(asked, 1):
        left = None if end is None else end - time.monotonic() - LAST_WORDS
        if left is not None:
            left = max(left / 2, left - RESERVED * (len(asked) - number)) if number < len(asked) else left
        lacking = suite.lacks(options.gpu)
        if lacking:
            ended[suite.name] = f"skipped: {', '.join(lacking)} not here"
        elif left is not None and left <= 0:
            ended[suite.name] = "skipped: no time left"
        else:
            start = time.monotonic()
            print(f"== {suite.name}", flush=True)
            ended[suite.name] = f"{run(suite, arguments(suite, options, out), left)} after "
            ended[suite.name] += f"{time.monotonic() - start:.0f} s"
            if ended[suite.name].startswith("interrupted"):
                break
    print("\n".join(f"{name}: {how}" for name, how in ended.items()), flush=True)
    return int(any(how.startswith("failed") for how in ended.values()))


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    sys.exit(main())
