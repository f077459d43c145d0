"""Scaling over processes that torchrun starts."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from inspector.bench.scaling import scaling
from inspector.cli import main
from inspector.errors import InspectionError

ASKED = ["bench", "scaling", "models.lenet:LeNet5", "--input", "4,1,32,32", "--rounds", "4"]


def test_one_process_has_nothing_to_scale_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InspectionError, match="several processes"):
        scaling(nn.Linear(2, 2), (1, 2))
    monkeypatch.delenv("RANK", raising=False)
    found = CliRunner().invoke(main, ASKED)
    assert found.exit_code == 2
    assert "torchrun" in found.stderr


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
def test_two_processes_share_a_step() -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "inspector"]
    found = subprocess.run([*command, *ASKED], capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["alone", "2", "with", "efficiency"]  # rank 0 alone speaks
    assert lines[-1].endswith("of 2 times the speed")
