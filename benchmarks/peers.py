"""inspector and its peers behind one call: a model and its input in, the figures that the tool states out.

Each adapter is the tool's quickest documented way to its totals. A peer that is not installed is left out.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable
from io import StringIO
from typing import Any, NamedTuple

from torch import Tensor, nn

from inspector.predict import predict
from inspector.rules.common import MEMORIES


class Figures(NamedTuple):
    """What a tool states of a model; None where it states no such thing.

    Attributes:
        macs: its total as it prints it, as multiply-accumulates.
        params: its total of parameters.
    """

    macs: int | None
    params: int | None


class Peer(NamedTuple):
    """One tool.

    Attributes:
        name: as its users call it, and its import name.
        distribution: what its version is asked of.
        figures: totals by its quickest way.
        rows: how many lines of detail it reports; None where it has no such report.
        unit: what its figure means.
    """

    name: str
    distribution: str
    figures: Callable[[nn.Module, Tensor], Figures]
    rows: Callable[[nn.Module, Tensor], int] | None
    unit: str

    @property
    def installed(self) -> bool:
        """It can be imported."""
        return importlib.util.find_spec(self.name.partition(".")[0]) is not None

    @property
    def version(self) -> str:
        """Of the installed distribution."""
        return importlib.metadata.version(self.distribution)


def _inspector(model: nn.Module, x: Tensor) -> Figures:
    for memory in MEMORIES:  # as on the first prediction: nothing is known from the one before
        memory.cache_clear()
    prediction = predict(model, input_data=x)
    return Figures(prediction.total_macs, prediction.total_params)


def _inspector_rows(model: nn.Module, x: Tensor) -> int:
    return len(predict(model, input_data=x).rows)


def _torchinfo_statistics(model: nn.Module, x: Tensor) -> Any:
    from torchinfo import summary

    return summary(model, input_data=[x], verbose=0, col_names=("num_params",), device=x.device.type)


def _torchinfo(model: nn.Module, x: Tensor) -> Figures:
    statistics = _torchinfo_statistics(model, x)
    return Figures(statistics.total_mult_adds, statistics.total_params)


def _fvcore_analysis(model: nn.Module, x: Tensor) -> Any:
    from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    return FlopCountAnalysis(model, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)


def _fvcore(model: nn.Module, x: Tensor) -> Figures:
    from fvcore.nn import parameter_count

    return Figures(int(_fvcore_analysis(model, x).total()), parameter_count(model)[""])


def _ptflops_report(model: nn.Module, x: Tensor, **options: Any) -> Figures:
    from ptflops import get_model_complexity_info

    with contextlib.redirect_stdout(StringIO()), contextlib.redirect_stderr(StringIO()) as trouble:
        macs, params = get_model_complexity_info(
            model, tuple(x.shape[1:]), as_strings=False, input_constructor=lambda _: x, **options
        )
    if macs is None:  # it prints what was raised inside, and goes on
        raise RuntimeError(trouble.getvalue().strip().rpartition("\n")[2])
    return Figures(macs, params)


def _ptflops(model: nn.Module, x: Tensor) -> Figures:
    return _ptflops_report(model, x, print_per_layer_stat=False)


def _ptflops_rows(model: nn.Module, x: Tensor) -> int:
    screen = StringIO()
    _ptflops_report(model, x, print_per_layer_stat=True, ost=screen)
    return screen.getvalue().count("% MACs")


def _thop(model: nn.Module, x: Tensor) -> Figures:
    from thop import profile

    macs, params = profile(model, inputs=(x,), verbose=False)
    return Figures(int(macs), int(params))


def _thop_rows(model: nn.Module, x: Tensor) -> int:
    from thop import profile

    def count(tree: dict[str, Any]) -> int:
        return sum(1 + count(below) for _, _, below in tree.values())

    return count(profile(model, inputs=(x,), verbose=False, ret_layer_info=True)[2])


def _counter(model: nn.Module, x: Tensor) -> Any:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(x)
    return counter


def _flop_counter(model: nn.Module, x: Tensor) -> Figures:
    return Figures(_counter(model, x).get_total_flops() // 2, None)


INSPECTOR = Peer("inspector", "inspector", _inspector, _inspector_rows, "MACs")
TORCHINFO = Peer(
    "torchinfo",
    "torchinfo",
    _torchinfo,
    lambda model, x: len(_torchinfo_statistics(model, x).summary_list),
    "mult-adds",
)
COUNTER = Peer(
    "torch.utils.flop_counter",
    "torch",
    _flop_counter,
    lambda model, x: len(_counter(model, x).get_flop_counts()),
    "FLOPs, halved here",
)
#: In the order of the tables' columns.
PEERS = (
    INSPECTOR,
    TORCHINFO,
    COUNTER,
    Peer(
        "fvcore", "fvcore", _fvcore, lambda model, x: len(_fvcore_analysis(model, x).by_module()), "MACs, called flops"
    ),
    Peer("ptflops", "ptflops", _ptflops, _ptflops_rows, "MACs"),
    Peer("thop", "thop", _thop, _thop_rows, "MACs"),
)
