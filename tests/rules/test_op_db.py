"""Every sample that PyTorch tests its own operators with, held against our rules.

The samples run for real on the CPU. Each call of PyTorch in them that we have a rule for is compared: structure,
shapes, dtypes and strides of what it returned.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode, resolve_name

from inspector.rules import PASSIVE, RULES, ValuesNeeded, rule_for
from inspector.rules.dtypes import refuse_kinds
from tests.rules.harness import compare, twin

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch's own test tools warn of what this machine lacks
    op_db = pytest.importorskip("torch.testing._internal.common_methods_invocations", exc_type=ImportError).op_db

#: Operators whose memory layout a library chooses, other on another device: sizes and dtypes are held, strides are not.
LAYOUT_OPEN = ("fft_", "linalg_", "svd", "stft", "pca_lowrank", "ldexp", "nn.functional.max_unpool", "margin_ranking")
#: Samples that tell of PyTorch's own slips, or of one device alone.
PASSED_OVER = {
    "addbmm": "in place it enlarges a tensor of one element, which no other function does",
    "native_layer_norm": "statistics of half precision are single precision on some devices alone",
    "jiterator_": "needs a GPU",
}

DTYPES = (torch.float32, torch.int64, torch.bool, torch.complex64, torch.float16)
SAMPLES = 40


class Witness(TorchFunctionMode):
    """Runs every call for real and compares it with its rule, seen on twins that hold no data."""

    def __init__(self, strides: bool = True) -> None:
        super().__init__()
        self.strides = strides
        self.compared = 0
        self.errors: dict[str, str] = {}
        self.without: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = RULES.get(func) or rule_for(func)
        if rule is None or kwargs.get("out") is not None:
            if func not in PASSIVE:
                self.without.add(resolve_name(func) or repr(func))
            return func(*args, **kwargs)
        ours_args, ours_kwargs = twin(args), twin(kwargs)
        output = func(*args, **kwargs)
        if isinstance(output, tuple) and not output:
            return output  # no tensor at all, such as the index of a scalar
        try:
            refuse_kinds(func, ours_args, ours_kwargs)
            predicted, _ = rule(*ours_args, **ours_kwargs)
            if isinstance(predicted, torch.Size) or (
                isinstance(predicted, tuple) and not (predicted and isinstance(predicted[0], torch.Tensor))
            ):
                first = next(item for item in (*args, *kwargs.values()) if isinstance(item, torch.Tensor))
                predicted = torch.empty(predicted, dtype=first.dtype, device="meta")
            compare(predicted, output, self.strides)
            for given, real in zip(ours_args, args, strict=True):
                if isinstance(given, torch.Tensor):
                    assert (predicted is given) == (output is real), "returned the tensor itself, or not"
        except ValuesNeeded:
            pass
        except Exception as error:
            shown = ", ".join(_shown(arg) for arg in args) + "".join(f", {k}={_shown(v)}" for k, v in kwargs.items())
            self.errors.setdefault(f"{resolve_name(func)}({shown})", f"{type(error).__name__}: {error}")
        self.compared += 1
        return output


def _shown(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        tight = "" if value.is_contiguous() else f" strides {value.stride()}"
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{tight}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_shown, value))}]"
    return repr(value)


def transposed(value: Any) -> Any:
    """The same tensor with its first axis innermost in memory, to see what becomes of strides."""
    if isinstance(value, torch.Tensor) and value.dim() > 1 and value.layout is torch.strided:
        return value.movedim(0, -1).contiguous().movedim(-1, 0)
    return value


def held(op: Any) -> Witness:
    witness = Witness(strides=not any(part in op.name for part in LAYOUT_OPEN))
    for dtype in DTYPES:
        if not op.supports_dtype(dtype, "cpu"):
            continue
        for sample in itertools.islice(op.sample_inputs("cpu", dtype), SAMPLES):
            for name in ("op", "method_variant", "inplace_variant", "operator_variant", "inplace_operator_variant"):
                function = getattr(op, name, None)
                for change in (lambda value: value, transposed):
                    first = change(sample.input)
                    if isinstance(first, torch.Tensor):
                        first = first.detach().clone()
                    if function is None:
                        continue
                    try:
                        with torch.no_grad(), witness:
                            function(first, *map(change, sample.args), **sample.kwargs)
                    except (RuntimeError, TypeError, IndexError, ValueError, NotImplementedError):
                        continue  # not every sample fits every variant
    return witness


@pytest.mark.slow
@pytest.mark.parametrize(
    "op", op_db, ids=[op.full_name if hasattr(op, "full_name") else op.formatted_name for op in op_db]
)
@pytest.mark.filterwarnings("ignore")  # of deprecated spellings, which have rules too
def test_rules_agree_with_every_sample(op: Any) -> None:
    for name, reason in PASSED_OVER.items():
        if op.name.startswith(name):
            pytest.skip(reason)
    witness = held(op)
    told = [f"{call}\n    {error}" for call, error in witness.errors.items()]
    assert not told, "\n".join(told[:10])
    if not witness.compared:
        pytest.skip(f"no rule: {sorted(witness.without)}")
