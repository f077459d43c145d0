"""What is noticed of a machine, from files and answers of the test's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inspector.bench import watching as room
from inspector.bench.watching import watching


@pytest.fixture
def stat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Sets ticks that all processors worked and idled."""
    file = tmp_path / "stat"
    monkeypatch.setattr(room, "_STAT", file)
    monkeypatch.setattr(room, "_FREQUENCY", tmp_path)
    monkeypatch.setattr(room, "_own", lambda: 0.0)

    def write(busy: int, idle: int) -> None:
        file.write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n")

    write(1000, 1000)
    return write


def test_other_load_is_noticed(stat: Callable[[int, int], None]) -> None:
    with watching("cpu") as seen:
        stat(1040, 1060)
    assert seen.remarks == ["other processes took 40% of the processors' time"]


def test_own_work_is_no_other_load(stat: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([0.0, 40 / os.sysconf("SC_CLK_TCK")])
    monkeypatch.setattr(room, "_own", lambda: next(spent))
    with watching("cpu") as seen:
        stat(1040, 1060)
    assert seen.remarks == []


def test_a_system_that_tells_nothing_gives_no_remark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_STAT", tmp_path / "absent")
    monkeypatch.setattr(room, "_FREQUENCY", tmp_path)
    with watching("cpu") as seen:
        pass
    assert seen.remarks == []
    assert seen.facts == {}


def test_the_clock_of_the_processor_is_recorded(tmp_path: Path, stat: Callable[[int, int], None]) -> None:
    (tmp_path / "scaling_cur_freq").write_text("2400000\n")
    (tmp_path / "cpuinfo_max_freq").write_text("3600000\n")
    with watching("cpu") as seen:
        pass
    assert seen.facts == {"cpu_clock": "2400 MHz", "cpu_clock_max": "3600 MHz"}


LINE = "1410, 1980, 350.1, 400.0, 61, {}\n"


def _answers(monkeypatch: pytest.MonkeyPatch, once: str, processes: str, often: str | None = "") -> list[list[str]]:
    """What nvidia-smi says when it is asked once, and until it is ended (None: it does not start so); the commands."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, processes if "--query-compute-apps=pid" in command else once, "")

    class Asks:
        def __init__(self, command: list[str], **_: object) -> None:
            if often is None:
                raise OSError("too many processes")
            self.ended = False
            commands.append(command)

        def terminate(self) -> None:
            self.ended = True

        def communicate(self, timeout: float) -> tuple[str, None]:
            assert self.ended
            return often or "", None

    monkeypatch.setattr(room.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(room.subprocess, "run", run)
    monkeypatch.setattr(room.subprocess, "Popen", Asks)
    return commands


@pytest.mark.usefixtures("stat")
@pytest.mark.parametrize("often", ["", None, "1410, 19"])
def test_a_gpu_that_lowers_its_clock_is_noticed_and_its_other_users(
    monkeypatch: pytest.MonkeyPatch, often: str | None
) -> None:
    """Asked once, where nothing, or a line that is cut off, came meanwhile."""
    _answers(monkeypatch, LINE.format("0x0000000000000044"), f"{os.getpid()}\n999999\n", often)
    with watching("cuda") as seen:
        pass
    assert seen.facts["clocks.sm"] == "1410"
    assert seen.facts["power.limit"] == "400.0"
    assert seen.remarks == ["the GPU lowered its clock: heat, power cap", "1 other process on the GPU"]


@pytest.mark.usefixtures("stat")
def test_what_a_gpu_did_meanwhile_is_told_and_not_what_it_does_when_it_is_idle_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = LINE.format("0x0000000000000004").replace("1410", "1200")
    commands = _answers(monkeypatch, LINE.format("0x1"), "7\n", LINE.format("0x0") + busy + LINE.format("0x1"))
    with watching("cuda") as seen:
        pass
    assert seen.facts["clocks.sm"] == "1200"
    assert seen.remarks == ["the GPU lowered its clock: power cap"], "the only user is this one, however numbered"
    assert commands[0][-2:] == ["-lms", "250"]


@pytest.mark.usefixtures("stat")
@pytest.mark.parametrize(
    ("visible", "number", "asked"), [("", 0, "0"), ("", 1, "1"), ("3,GPU-5", 1, "GPU-5"), ("MIG-9", 0, "MIG-9")]
)
def test_the_gpu_that_works_is_the_one_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, visible: str, number: int, asked: str
) -> None:
    commands = _answers(monkeypatch, LINE.format("0x0"), "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: number)
    with watching("cuda"):
        pass
    assert all(command[command.index("-i") + 1] == asked for command in commands)


@pytest.mark.usefixtures("stat")
@pytest.mark.parametrize("reasons", ["0x0000000000000000", "0x0000000000000001", "[N/A]"])
def test_a_gpu_at_its_wish_is_quiet(monkeypatch: pytest.MonkeyPatch, reasons: str) -> None:
    _answers(monkeypatch, LINE.format(reasons), "")
    with watching("cuda") as seen:
        pass
    assert seen.remarks == []


@pytest.mark.usefixtures("stat")
def test_without_nvidias_program_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.shutil, "which", lambda _: None)
    with watching("cuda") as seen:
        pass
    assert seen.facts == {}
