"""What else a machine does while something is timed: other processes, throttling. It is noticed, never changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The share of the processors' time that others may take before it is told.
_OTHERS = 0.1
_STAT = Path("/proc/stat")
_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_GPU = ("clocks.sm", "clocks.max.sm", "power.draw", "power.limit", "temperature.gpu")
_QUERY = f"--query-gpu={','.join(_GPU)},clocks_throttle_reasons.active"
_EVERY = "250"  # milliseconds
#: Reasons for which a GPU lowers its clock against its wish; idling and applications' settings are none.
_THROTTLED = {0x4: "power cap", 0x8: "hardware", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}


@dataclass(slots=True)
class Seen:
    """What was noticed, filled in when the watch ends.

    Attributes:
        remarks: sentences for a reader, empty on a quiet machine.
        facts: clocks, power and temperature by name, where the machine tells them.
    """

    remarks: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


@contextmanager
def watching(device: str) -> Iterator[Seen]:
    """Notice what happens until the end of the block, also where it is left by an exception.

    >>> with watching("cpu") as seen:
    ...     pass
    >>> isinstance(seen.remarks, list)
    True
    """
    seen = Seen()
    before, own, start = _busy(), _own(), time.perf_counter()
    asking: AbstractContextManager[list[str]] = _asking(_QUERY) if device == "cuda" else nullcontext([])
    try:
        with asking as answers:
            yield seen
    finally:
        after, wall = _busy(), time.perf_counter() - start
        if before is not None and after is not None and after[1] > before[1]:
            used = after[0] - before[0] - (_own() - own)
            share = used / (after[1] - before[1])
            if share > _OTHERS and wall > 0:
                seen.remarks.append(f"other processes took {share:.0%} of the processors' time")
        seen.facts |= _frequency()
        if device == "cuda":
            _gpu(seen, answers)


def _own() -> float:
    """Seconds of processor time of this process and its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _busy() -> tuple[float, float] | None:
    """Seconds that all processors worked since the machine started, and all they had; None where nothing tells."""
    try:
        words = _STAT.read_text().splitlines()[0].split()[1:9]
        user, nice, system, idle, waiting, interrupts, soft, stolen = (int(word) for word in words)
    except (OSError, ValueError, IndexError):
        return None
    second = os.sysconf("SC_CLK_TCK")
    busy = user + nice + system + interrupts + soft + stolen
    return busy / second, (busy + idle + waiting) / second


def _frequency() -> dict[str, str]:
    """Clock of the first processor now and at most, in MHz, where the system tells it."""
    found = {}
    for name, file in (("cpu_clock", "scaling_cur_freq"), ("cpu_clock_max", "cpuinfo_max_freq")):
        try:
            found[name] = f"{int((_FREQUENCY / file).read_text()) // 1000} MHz"
        except (OSError, ValueError):
            continue
    return found


def _gpu(seen: Seen, answers: list[str]) -> None:
    """Clocks, power and temperature in the middle of the time, throttling at any moment, and other users."""
    lines = [line for line in (_words(answer) for answer in answers) if line is not None]
    if not lines:
        return
    seen.facts |= lines[len(lines) // 2][0]
    active = 0
    for _, reasons in lines:
        active |= reasons
    found = sorted({said for bit, said in _THROTTLED.items() if active & bit})
    if found:
        seen.remarks.append(f"the GPU lowered its clock: {', '.join(found)}")
    users = _asked("--query-compute-apps=pid")
    others = len({line.strip() for line in users} - {""}) - 1  # a container may number this process otherwise
    if others > 0:
        seen.remarks.append(f"{others} other process{'es' * (others > 1)} on the GPU")


def _words(answer: str) -> tuple[dict[str, str], int] | None:
    """Facts, and the bits of the reasons for a lower clock; None of what was cut off."""
    *facts, reasons = [word.strip() for word in answer.split(",")]
    if len(facts) != len(_GPU):
        return None
    try:
        return dict(zip(_GPU, facts, strict=True)), int(reasons, 16)
    except ValueError:  # a GPU that does not tell
        return dict(zip(_GPU, facts, strict=True)), 0


def _command(query: str) -> list[str] | None:
    """What asks nvidia-smi of the current GPU; None where it is not there."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    number = torch.cuda.current_device() if torch.cuda.is_initialized() else 0
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    which = visible[number] if number < len(visible) else str(number)
    return [program, query, "--format=csv,noheader,nounits", "-i", which]


def _asked(query: str) -> list[str]:
    """Lines of an answer of nvidia-smi; none where it is not there or does not know."""
    command = _command(query)
    if command is None:
        return []
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return answer.stdout.splitlines()


@contextmanager
def _asking(query: str) -> Iterator[list[str]]:
    """Ask nvidia-smi again and again until the block ends, when its answers are there: then an idle GPU tells nothing.

    Where it gave none, as in a short block, it is asked once more.
    """
    answers: list[str] = []
    asks = _often(query)
    try:
        yield answers
    finally:
        if asks is not None:
            asks.terminate()
            try:
                answers += asks.communicate(timeout=5)[0].splitlines()
            except subprocess.TimeoutExpired:
                asks.kill()
                asks.communicate()
        answers[:] = [answer for answer in answers if _words(answer) is not None] or _asked(query)


def _often(query: str) -> subprocess.Popen[str] | None:
    command = _command(query)
    if command is None:
        return None
    try:
        return subprocess.Popen(  # noqa: S603
            [*command, "-lms", _EVERY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return None
