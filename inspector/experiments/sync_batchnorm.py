"""``sync-batchnorm``: several real processes normalise as one, or do not."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from inspector.errors import InspectionError
from inspector.experiments.environment import seed_of, world_size
from inspector.experiments.experiment import Experiment, series
from inspector.experiments.figures import COLORS, beside
from inspector.experiments.records import Cell, Claim, Config, Measured, Predicted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from inspector.experiments.records import JSON, Result

#: Samples of one process, and values of one channel in it: a layer's input is (_BATCH, _CHANNELS, _LENGTH).
_BATCH, _CHANNELS, _LENGTH, _CLASSES = 4, 64, 2, 3
_VALUES = _BATCH * _LENGTH
_ROUNDING = 1e-10
_EPS = 1e-18  # lost in the rounding of a variance near 1; PyTorch takes no 0
_CELL = "ranks"
#: What each process that is started runs.
_CHILD = "import sys; from inspector.experiments.sync_batchnorm import answer; answer(*sys.argv[1:])"


def mean_square_apart(n: int, processes: int) -> float:
    """E (x̂ − x̂')² of normal values: x̂ normalised by the n of its own process, x̂' by all N = n·W.

    Over one process's values the mean of x̂x̂' is s/S, so that the mean square is 2(1 − E s/S). By Cochran's theorem
    n·s²/(N·S²) has the distribution Beta((n − 1)/2, (N − n)/2), whose root has the mean
    Γ(a + ½)Γ(a + b)/(Γ(a)Γ(a + b + ½)).

    >>> round(mean_square_apart(8, 2), 6), mean_square_apart(8, 1)
    (0.10407, 0.0)
    """
    if processes == 1:
        return 0.0
    a, b = (n - 1) / 2, (n * processes - n) / 2
    logs = math.lgamma(a + 0.5) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(a + b + 0.5)
    return 2 * (1 - math.sqrt(processes) * math.exp(logs))


class SyncBatchnorm(Experiment):
    """See ``about``."""

    name = "sync-batchnorm"
    title = "Batch normalisation over several processes"
    about = (
        "Under data parallelism each process normalises with its own part of the batch, unless the statistics are "
        "merged. Merged over W processes of b samples, outputs, gradients and running statistics are those of one "
        "process with W·b, and the variance of the batch mean falls by 1/W. Without merging the outputs differ, by "
        "an amount that is known exactly for normal values. Under torchrun its processes are taken, else two start."
    )
    faults: ClassVar = {
        "no-sync": "each process keeps to its own statistics where merged ones are claimed",
        "mean-of-variances": "variances are averaged, and what lies between the processes' means is left out",
        "summed-gradients": "gradients are summed over the processes instead of averaged",
        "same-data": "every process gets the samples of the first",
    }

    def predict(self, config: Config) -> Sequence[Claim]:
        w = _processes()
        if config.control:
            return [
                Claim(
                    "outputs", "merged twice: largest difference of outputs", _exact(_ROUNDING, "rounding"), "at most"
                ),
                Claim(
                    "ratio",
                    "variance of the first process's batch mean over the second's, logarithm",
                    _exact(0.0, "ln 1"),
                    decides=0.2,
                ),
            ]
        same = f"{w} processes of {_BATCH} against one of {w * _BATCH}: largest relative difference of"
        equal = [
            Claim(
                name, f"{same} {name.replace('-', ' ')}", _exact(_ROUNDING, "0, up to rounding in float64"), "at most"
            )
            for name in ("outputs", "gradients", "running-statistics")
        ]
        return [
            *equal,
            Claim(
                "variance",
                "variance of the merged batch mean over that of one process's",
                _exact(1 / w, f"1/W, W = {w}"),
            ),
            Claim(
                "plain",
                "mean square by which outputs differ without merging",
                _exact(mean_square_apart(_VALUES, w), f"2(1 − √W·E√Beta((n − 1)/2, (N − n)/2)), n = {_VALUES}"),
            ),
        ]

    def cells(self, config: Config) -> Sequence[Cell]:  # noqa: ARG002
        return [Cell(_CELL)]  # one: its processes take longer to start than all they measure

    def measure(self, config: Config, cell: Cell) -> dict[str, JSON]:  # noqa: ARG002
        if world_size() == 1:
            return _started(config)
        _join(config, int(os.environ["RANK"]), world_size(), "env://")
        found = [_measured(config)]
        dist.broadcast_object_list(found)  # the first speaks for all
        return found[0]

    def gather(
        self, config: Config, values: Mapping[str, Mapping[str, JSON]]
    ) -> Mapping[str, Sequence[float] | Measured]:
        exact = {
            name: Measured.exactly(max(series(values, _CELL, name)))
            for name in ("outputs", "gradients", "running-statistics")
        }
        if config.control:
            return {
                "outputs": Measured.exactly(max(series(values, _CELL, "again"))),
                "ratio": series(values, _CELL, "ratio"),
            }
        return {**exact, "variance": series(values, _CELL, "variance"), "plain": series(values, _CELL, "plain")}

    def draw(self, figure: Figure, result: Result) -> None:
        left, right = figure.subplots(1, 2)
        known = {judged.claim.name: judged for judged in result.claims}
        beside(left, [known[name] for name in _SHOWN], _SHOWN.values())
        left.set_ylim(bottom=0)
        left.set(title="what merging changes", ylabel="without unit")
        exact = [name for name in known if name not in _SHOWN]
        found = [max(known[name].measured.value, 1e-18) for name in exact]  # type: ignore[union-attr]  # measured exactly
        right.bar(range(len(exact)), found, color=COLORS[0])
        right.axhline(_ROUNDING, color=COLORS[1], label="allowed for rounding")
        right.set_xticks(range(len(exact)), exact)
        right.set(yscale="log", ylabel="largest relative difference", title="as one process")
        for axes in (left, right):
            axes.legend(fontsize="small")


#: What is measured with an interval, in a figure's words.
_SHOWN = {
    "variance": "variance of the mean,\nmerged over alone",
    "plain": "mean square of outputs,\nalone less merged",
}


def _exact(value: float, formula: str) -> Predicted:
    return Predicted.exactly(value, formula)


def _processes() -> int:
    return max(2, world_size())


class _Summed(torch.autograd.Function):
    """The sum over all processes; so is the gradient's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004  autograd passes it
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:  # noqa: ARG004  autograd passes it
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


class MergedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation whose statistics (n, mean, sum of squares about it) are merged over all processes.

    What ``torch.nn.SyncBatchNorm``, which takes no tensors of the CPU, does on GPUs. Source of the merging: Chan, Golub
    & LeVeque 1979. In training alone; every process has to give as many values.
    """

    fault: str | None = None

    def forward(self, x: Tensor) -> Tensor:
        count, w = x.numel() // x.shape[1], dist.get_world_size()
        own = x.mean((0, 2))
        squares = (x - own[:, None]).square().sum((0, 2))
        if self.fault == "no-sync":
            mean, total, n = own, squares, count
        else:
            mean, n = _summed(own) / w, count * w
            between = 0.0 if self.fault == "mean-of-variances" else count * (own - mean).square()
            total = _summed(squares + between)
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(total / (n - 1), self.momentum)
        normal = (x - mean[:, None]) / (total[:, None] / n + self.eps).sqrt()
        return normal * self.weight[:, None] + self.bias[:, None]


def _summed(x: Tensor) -> Tensor:
    found: Tensor = _Summed.apply(x)
    return found


def _started(config: Config) -> dict[str, JSON]:
    """Start the processes, and read what the first of them wrote.

    Not by multiprocessing, which would run the caller's script once more in each of them.

    Raises:
        InspectionError: one of them gave no answer.
    """
    # They find the package where this process did.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each or os.getcwd() for each in sys.path)}
    asked = json.dumps(dataclasses.asdict(config))
    with TemporaryDirectory(prefix="inspector-") as folder:
        answers = [Path(folder) / f"answer-{rank}.json" for rank in range(_processes())]
        started = [
            subprocess.Popen(  # noqa: S603  our own code
                [sys.executable, "-c", _CHILD, asked, folder, str(rank)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            for rank in range(_processes())
        ]
        try:
            while any(process.poll() is None for process in started):
                if any(
                    process.poll() is not None and not answer.exists()
                    for process, answer in zip(started, answers, strict=True)
                ):
                    break  # the others would wait for it in vain
                time.sleep(0.05)
        finally:
            for process in started:
                process.terminate()
                process.wait()
        # Not by exit codes: threads of gloo now and then abort a process that has answered and only has to end.
        if not all(answer.exists() for answer in answers):
            codes = ", ".join(str(process.returncode) for process in started)
            raise InspectionError(
                f"of {len(started)} processes some gave no answer (exit codes {codes}); their messages stand above. Do "
                "they reach each other over this machine's loopback network?"
            )
        found: dict[str, JSON] = json.loads(answers[0].read_text())
        return found


def answer(asked: str, folder: str, rank: str) -> None:
    """In one of the processes: measure with the others, and write ``answer-RANK.json`` to the folder.

    Args:
        asked: the configuration, as JSON.
        folder: where the processes meet.
        rank: of this one.
    """
    config = Config(**json.loads(asked))
    torch.set_num_threads(1)
    _join(config, int(rank), _processes(), f"file://{folder}/meeting")
    torch.manual_seed(0)
    (Path(folder) / f"answer-{rank}.json").write_text(json.dumps(_measured(config)))
    dist.barrier()
    dist.destroy_process_group()


def _join(config: Config, rank: int, world: int, where: str) -> None:
    if dist.is_initialized():
        return
    on_gpu = torch.device(config.device).type == "cuda"
    if on_gpu:
        if torch.cuda.device_count() < world:
            raise InspectionError(
                f"{world} processes need a GPU each, and there are {torch.cuda.device_count()}: use --device cpu"
            )
        torch.cuda.set_device(rank % torch.cuda.device_count())
    dist.init_process_group(
        "nccl" if on_gpu else "gloo", init_method=where, rank=rank, world_size=world, timeout=timedelta(minutes=10)
    )


def _measured(config: Config) -> dict[str, JSON]:
    """All that the processes find together; the same in each of them."""
    generator = torch.Generator().manual_seed(seed_of(config.seed, "sync"))
    found: dict[str, list[float]] = {}
    for _ in range(30 if config.quick else 200):
        for name, value in _round(config, generator).items():
            found.setdefault(name, []).append(value)
    return {name: [*values] for name, values in found.items()}


def _round(config: Config, generator: torch.Generator) -> dict[str, float]:
    """One batch: every process draws all of it, and takes its part."""
    w, rank = dist.get_world_size(), dist.get_rank()
    device = (
        torch.device("cuda", torch.cuda.current_device()) if config.device.startswith("cuda") else torch.device("cpu")
    )
    x = torch.randn(w * _BATCH, _CHANNELS, _LENGTH, generator=generator, dtype=torch.float64).to(device)
    y = torch.randint(_CLASSES, (w * _BATCH,), generator=generator).to(device)
    part = slice(0, _BATCH) if config.fault == "same-data" else slice(rank * _BATCH, (rank + 1) * _BATCH)
    alone = _network(nn.BatchNorm1d(_CHANNELS), device)
    outputs = alone(x)
    cross_entropy(outputs, y).backward()

    several = _network(_merging(config, device), device)
    merged = _forward_backward(several, x[part], y[part], config)
    own = nn.BatchNorm1d(_CHANNELS, affine=False, eps=_EPS).double().to(device)
    plain, whole = own(x[part]), nn.functional.batch_norm(x, None, None, training=True, eps=_EPS)
    gradients = [
        (ours.grad, theirs.grad) for ours, theirs in zip(several.parameters(), alone.parameters(), strict=True)
    ]
    means = _gathered(x[part].mean((0, 2)))
    over = means.mean(0) if config.fault != "no-sync" else means[0]
    return {
        "outputs": _apart([(merged, outputs[rank * _BATCH : (rank + 1) * _BATCH])]),
        "gradients": _apart(gradients),
        "running-statistics": _apart(
            [(several[0].running_mean, alone[0].running_mean), (several[0].running_var, alone[0].running_var)]
        ),
        "again": _apart(
            [(_forward_backward(_network(_merging(config, device), device), x[part], y[part], config), merged)]
        ),
        "variance": float(over.square().mean() * _VALUES),
        "ratio": float((means[0].square().mean() / means[1].square().mean()).log()),
        "plain": float(_gathered((plain - whole[rank * _BATCH : (rank + 1) * _BATCH]).square().mean()).mean()),
    }


def _network(norm: nn.Module, device: torch.device) -> nn.Sequential:
    """Normalise, then classify; from the same weights everywhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        found = nn.Sequential(norm, nn.ReLU(), nn.Flatten(), nn.Linear(_CHANNELS * _LENGTH, _CLASSES))
    return found.double().to(device)


def _merging(config: Config, device: torch.device) -> nn.Module:
    if device.type == "cuda" and config.fault not in ("no-sync", "mean-of-variances"):
        return nn.SyncBatchNorm(_CHANNELS)
    made = MergedBatchNorm(_CHANNELS)
    made.fault = config.fault
    return made


def _forward_backward(network: nn.Sequential, x: Tensor, y: Tensor, config: Config) -> Tensor:
    """One step under DistributedDataParallel, which averages gradients."""
    parallel = DistributedDataParallel(network)
    outputs: Tensor = parallel(x)
    cross_entropy(outputs, y).backward()
    if config.fault == "summed-gradients":
        for parameter in network.parameters():
            assert parameter.grad is not None
            parameter.grad *= dist.get_world_size()
    return outputs.detach()


def _gathered(x: Tensor) -> Tensor:
    """(W, ...) of all processes."""
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.detach().contiguous())
    return torch.stack(parts)


def _apart(pairs: Sequence[tuple[Any, Any]]) -> float:
    """Largest difference of these pairs, relative to the second's largest entry, over all processes."""
    found = 0.0
    for ours, theirs in pairs:
        found = max(found, float((ours - theirs).detach().abs().max() / theirs.detach().abs().max()))
    return float(_gathered(torch.tensor(found, device=pairs[0][0].device)).max())
