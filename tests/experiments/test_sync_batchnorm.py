"""What merging the statistics of several processes gives; the processes themselves run in the slow part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from inspector.errors import InspectionError
from inspector.experiments import run, sync_batchnorm
from inspector.experiments.sync_batchnorm import mean_square_apart

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("n", "processes"), [(2, 2), (8, 2), (8, 4)])
def test_the_distance_of_plain_normalisation_by_many_draws(n: int, processes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200_000, processes, n, generator=generator, dtype=torch.float64)
    own = (x - x.mean(2, keepdim=True)) / x.std(2, correction=0, keepdim=True)
    flat = x.flatten(1)
    merged = ((flat - flat.mean(1, keepdim=True)) / flat.std(1, correction=0, keepdim=True)).view_as(x)
    found = (own - merged).square().mean((1, 2))
    error = float(found.std() / len(found) ** 0.5)
    assert abs(float(found.mean()) - mean_square_apart(n, processes)) < 4 * error


def test_one_process_is_itself() -> None:
    assert mean_square_apart(8, 1) == 0


def test_a_process_that_dies_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first waits for the second, which is gone."""
    child = "import os, sys, time; os._exit(9) if sys.argv[-1] == '1' else time.sleep(600)"
    monkeypatch.setattr(sync_batchnorm, "_CHILD", child)
    with pytest.raises(InspectionError, match=r"of 2 processes some gave no answer \(exit codes -15, 9\)"):
        run("sync-batchnorm", quick=True)


@pytest.mark.slow
def test_under_torchrun_as_with_processes_of_its_own(tmp_path: Path) -> None:
    """The first of torchrun's two processes answers for both, and finds what two processes of a plain script find.

    The script has no ``if __name__ == "__main__"``, without which multiprocessing would start it over and over.
    """
    asked = ["experiment", "sync-batchnorm", "--quick", "--json"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m", "inspector"]
    script = tmp_path / "script.py"
    script.write_text(
        "from inspector import experiments\nprint(experiments.run('sync-batchnorm', quick=True).to_json())\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    answers = [
        subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        for command in ([*launcher, *asked], [sys.executable, str(script)])
    ]
    for answer in answers:
        assert answer.returncode == 0, answer.stderr
    together, alone = (json.loads(answer.stdout) for answer in answers)
    assert together["verdict"] == alone["verdict"] == "pass"
    assert [claim["measured"]["value"] for claim in together["claims"][-2:]] == pytest.approx(
        [claim["measured"]["value"] for claim in alone["claims"][-2:]], rel=1e-9
    )
