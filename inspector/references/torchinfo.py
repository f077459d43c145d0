"""Witness: torchinfo's parameters, output sizes and "mult-adds" for every layer, as its users know them.

torchinfo multiplies each layer's parameters by output sizes and does not ask what the layer computes. What follows from
that for each kind of layer stands in :data:`LAYERS`: from the sizes torchinfo itself read, what it should have printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from math import prod
from typing import NamedTuple

import torch
import torchinfo as package
from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod
from torchinfo.layer_info import LayerInfo

from inspector.inputs import ModelInputs
from inspector.records import MeasuredModule, Measurement
from inspector.references.registered import identity
from inspector.references.running import Setting, conditions, run

#: Deeper than any model.
_ALL = 1_000_000


class Layer(NamedTuple):
    """What torchinfo read of one call of one layer."""

    module: nn.Module
    inputs: list[int]  # sizes of the first input
    outputs: list[int]  # sizes of the first output

    def elements(self, word: str) -> int:
        """Elements of the layer's parameters with this word in their name."""
        return sum(p.numel() for name, p in self.module.named_parameters() if word in name)

    def printed(self, word: str = "") -> int:
        """What torchinfo's arithmetic makes of these sizes and the parameters with this word in their name."""
        total = 0
        for name, parameter in self.module.named_parameters():
            if word not in name:
                continue
            elements, name = _unmasked(self.module, name, parameter)
            if name in ("weight", "bias"):
                pixels = (
                    self.outputs[:1] + self.outputs[2:] if "Conv" in type(self.module).__name__ else self.outputs[:1]
                )
                total += elements * prod(pixels)
            elif "weight" in name or "bias" in name:
                total += elements * prod(self.outputs[:2])
        return total


def _unmasked(module: nn.Module, name: str, parameter: Tensor) -> tuple[int, str]:
    """What torchinfo counts: what a pruning mask leaves, under the name before pruning."""
    mask = getattr(module, f"{name.removesuffix('_orig')}_mask", None)
    if not name.endswith("_orig") or mask is None:
        return parameter.numel(), name
    return int(mask.sum()), name.removesuffix("_orig")


def _real_convolutions(layer: Layer) -> int:
    """PyTorch convolves complex numbers by Gauss's three products, each a convolution of real numbers."""
    return 3 if layer.module.get_parameter("weight").is_complex() else 1


def _linear(layer: Layer) -> int:
    return layer.elements("weight") * prod(layer.outputs[:-1])


def _convolution(layer: Layer) -> int:
    return layer.elements("weight") * _positions(layer, layer.outputs) * _real_convolutions(layer)


def _transposed(layer: Layer) -> int:
    return layer.elements("weight") * _positions(layer, layer.inputs) * _real_convolutions(layer)


def _positions(layer: Layer, sizes: list[int]) -> int:
    """Batch times pixels; without a batch axis the channels come first."""
    axes = len(getattr(layer.module, "kernel_size"))  # noqa: B009  a Module's attributes have no type
    return prod(sizes[: -1 - axes]) * prod(sizes[-axes:])


def _recurrent(layer: Layer) -> int:
    return layer.elements("weight") * prod(layer.outputs[:-1])


def _bilinear(layer: Layer) -> int:
    F_out, F_1, _ = layer.module.get_parameter("weight").shape
    return (layer.elements("weight") + F_out * F_1) * prod(layer.outputs[:-1])


def _nothing(_: Layer) -> int:
    return 0


_BIAS = "adds the bias as mult-adds"
_NO_PRODUCT = "multiplies the layer's parameters by the batch, though it computes no matrix product"
_NO_BATCH = "takes the first axis for the batch"

#: Known faults: the classes whose own forward runs, what torchinfo does to their weights, and the MACs that its sizes
#: should have given.
LAYERS: tuple[tuple[tuple[type[nn.Module], ...], str, Callable[[Layer], int]], ...] = (
    ((nn.Linear,), "ignores the axes between the first and the features", _linear),
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d), _NO_BATCH, _convolution),
    (
        (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        "multiplies by the output's pixels where a transposed convolution runs over the input's",
        _transposed,
    ),
    ((nn.RNN, nn.LSTM, nn.GRU), "takes the first two axes for batch and time", _recurrent),
    ((nn.RNNCell, nn.LSTMCell, nn.GRUCell), "multiplies by both axes of the state", _recurrent),
    ((nn.Bilinear,), f"leaves out the product with the first input, and {_NO_BATCH}", _bilinear),
    (
        (
            *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm),
            *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.Embedding, nn.EmbeddingBag, nn.PReLU),
        ),
        _NO_PRODUCT,
        _nothing,
    ),
)
_NO_MULT_ADDS = "has mult-adds for parameters named weight or bias alone"
_UNKNOWN_LAYER = "multiplies a layer's parameters by output sizes without asking what it computes"
_HOOKS = "does not see what hooks of the layer compute"
_COMPLEX = "multiplies complex numbers once, where PyTorch makes three convolutions of real numbers"
_PRUNED = "counts the weights that pruning left, where the kernel multiplies by the zeros too"


def mended(layer: Layer, printed: int) -> tuple[str, int | None]:
    """(the known fault that explains what was printed, the MACs it should have given, or None where nothing tells).

    A figure that torchinfo's arithmetic does not give has no known fault: ``("", None)``.
    """
    if layer.printed() != printed:
        return "", None
    for classes, fault, arithmetic in LAYERS:
        for known in classes:
            if isinstance(layer.module, known) and type(layer.module).forward is known.forward:
                true = arithmetic(layer)
                pruned = any(name.endswith("_mask") for name, _ in layer.module.named_buffers())
                faults = [_PRUNED] if pruned else []
                if arithmetic in (_convolution, _transposed) and _real_convolutions(layer) > 1:
                    faults.append(_COMPLEX)
                elif fault is _NO_PRODUCT or (layer.printed("weight") != true and not pruned):
                    faults.append(fault)
                if fault is not _NO_PRODUCT and layer.printed("bias"):
                    faults.append(_BIAS)
                if not all(isinstance(hook, BasePruningMethod) for hook in layer.module._forward_pre_hooks.values()):
                    return ", and ".join([*faults, _HOOKS]), None
                return ", and ".join(faults), true
    return (_UNKNOWN_LAYER if printed else _NO_MULT_ADDS), None


def torchinfo(model: nn.Module, inputs: ModelInputs, device: torch.device | None = None) -> Measurement:
    """Parameters, first output size and mult-adds of every module call that torchinfo lists, and its totals.

    Containers carry no mult-adds in torchinfo, nor do they here. ``corrected_params`` counts each parameter where it is
    first used by a listed call, ``corrected_macs`` is what :data:`LAYERS` makes of the sizes.
    """
    seen: list[MeasuredModule] = []
    totals: dict[str, int] = {}

    def watch(setting: Setting) -> None:
        seen.clear()
        try:
            statistics = _summary(setting)
        except RuntimeError as error:
            raise error.__cause__ or error from None  # torchinfo wraps what the forward raised
        paths = {id(module): path for path, module in setting.model.named_modules()}
        numbers: Counter[str] = Counter()
        counted: set[Hashable] = set()
        for entry in statistics.summary_list:
            if id(entry.module) not in paths:
                continue
            path = paths[id(entry.module)]
            numbers[path] += 1  # also for a call that raised what the forward caught
            if entry.executed:
                seen.append(_measured(entry, path, numbers[path], counted))
        totals.update(
            params=statistics.total_params,
            trainable_params=statistics.trainable_params,
            macs=statistics.total_mult_adds,
        )

    setting, failure = run(model, inputs, watch, device, prefer_meta=device is None)
    stated = {"torchinfo": package.__version__, **conditions(setting, model)}
    return Measurement("torchinfo", tuple(seen), totals, stated, None if failure is None else failure.message)


def _summary(setting: Setting) -> package.ModelStatistics:
    """The summary; arguments that torchinfo would misread reach the forward around it."""
    mode = "train" if setting.model.training else "eval"
    model, args, kwargs = setting.model, setting.args, setting.kwargs
    with setting.around():
        if args and not kwargs and all(isinstance(value, Tensor) for value in args):
            return package.summary(model, input_data=list(args), mode=mode, depth=_ALL, verbose=0)
        forward = model.forward
        model.forward = lambda *_: forward(*args, **kwargs)
        try:
            return package.summary(model, input_data=[], mode=mode, depth=_ALL, verbose=0)
        finally:
            del model.forward


def _measured(entry: LayerInfo, path: str, number: int, counted: set[Hashable]) -> MeasuredModule:
    inside = {identity(parameter): parameter.numel() for parameter in entry.module.parameters()}
    own = sum(numel for key, numel in inside.items() if key not in counted)
    counted |= {identity(parameter) for parameter in entry.module.parameters(recurse=False)}
    fault, macs = "", None
    if entry.is_leaf_layer:
        fault, macs = mended(Layer(entry.module, entry.input_size, entry.output_size), entry.macs)
    return MeasuredModule(
        path,
        type(entry.module).__name__,
        number,
        output_shapes=(tuple(entry.output_size),) if all(isinstance(size, int) for size in entry.output_size) else None,
        params=None if entry.is_recursive else entry.num_params,
        macs=entry.macs if entry.is_leaf_layer else None,
        fault=fault,
        corrected_params=own,
        corrected_macs=macs,
    )
