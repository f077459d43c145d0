"""Every class of torch.nn: what its forward must give, parameters and MACs, each of its calls known by formula."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import inspector
from inspector.structure import tensors

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(deprecated|nested_tensor|enable_nested|batchmean|under heavy development).*"
)


@dataclass(frozen=True)
class Case:
    """How a class is made and called.

    Attributes:
        args: constructor arguments.
        inputs: shapes of float inputs, or the inputs themselves.
        kwargs: constructor keyword arguments.
        device: where PyTorch answers; "cpu" where its meta kernels cannot.
        counted: PyTorch's counter sees all multiplications; those of ``bilinear`` happen inside one kernel.
    """

    args: tuple[Any, ...]
    inputs: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    device: str = "meta"
    counted: bool = True


def case(*args: Any, on: tuple[Any, ...], device: str = "meta", counted: bool = True, **kwargs: Any) -> Case:
    return Case(args, on, kwargs, device, counted)


def whole(*shape: int, below: int = 2) -> Tensor:
    """Integers."""
    return torch.arange(torch.Size(shape).numel()).remainder(below).reshape(shape)


LINE, IMAGE, VOLUME = (2, 4, 12), (2, 4, 12, 10), (2, 4, 6, 8, 10)
ROWS = (3, 5)
WHERE_1, WHERE_2, WHERE_3 = (whole(2, 4, *size, below=8) for size in ((6,), (6, 5), (3, 4, 5)))
PAIR = (ROWS, ROWS)
STEPS = (7, 2, 5)


def encoder_layer(**kwargs: Any) -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, **kwargs)


def decoder_layer(**kwargs: Any) -> nn.Module:
    return nn.TransformerDecoderLayer(8, 2, 16, **kwargs)


CASES: dict[str, list[Case]] = {
    # Convolutions, also lazy ones
    "Conv1d": [
        case(4, 6, 3, on=(LINE,)),
        case(4, 6, 3, on=((4, 12),), stride=2, padding=1, dilation=2, groups=2, bias=False),
        case(4, 6, 4, on=(LINE,), padding="same", padding_mode="circular"),
    ],
    "Conv2d": [
        case(4, 6, (3, 5), on=(IMAGE,)),
        case(4, 8, 3, on=((4, 12, 10),), stride=(2, 1), padding=(1, 2), groups=4),
        case(4, 6, 3, on=(IMAGE,), padding="valid", padding_mode="reflect"),
        case(4, 6, 4, on=(IMAGE,), padding="same", dilation=2),
    ],
    "Conv3d": [case(4, 6, 3, on=(VOLUME,)), case(4, 6, (1, 2, 3), on=((4, 6, 8, 10),), padding=1)],
    "ConvTranspose1d": [case(4, 6, 3, on=(LINE,), stride=2, padding=1, output_padding=1)],
    "ConvTranspose2d": [case(4, 6, 3, on=(IMAGE,), stride=2, groups=2), case(4, 6, 2, on=((4, 5, 5),), bias=False)],
    "ConvTranspose3d": [case(4, 6, 2, on=(VOLUME,), stride=2, dilation=2)],
    "LazyConv1d": [case(6, 3, on=(LINE,))],
    "LazyConv2d": [case(6, 3, on=(IMAGE,))],
    "LazyConv3d": [case(6, 3, on=(VOLUME,))],
    "LazyConvTranspose1d": [case(6, 3, on=(LINE,))],
    "LazyConvTranspose2d": [case(6, 3, on=(IMAGE,))],
    "LazyConvTranspose3d": [case(6, 3, on=(VOLUME,))],
    "Fold": [case((4, 5), (2, 2), on=((2, 12, 12),))],
    "Unfold": [case((2, 3), on=(IMAGE,), stride=2, padding=1)],
    # Pooling
    "MaxPool1d": [case(3, on=(LINE,)), case(3, on=((4, 12),), stride=2, padding=1, ceil_mode=True)],
    "MaxPool2d": [
        case(2, on=(IMAGE,)),
        case(3, on=(IMAGE,), stride=2, padding=1, ceil_mode=True, return_indices=True),
        case((3, 2), on=((4, 12, 10),), dilation=2),
    ],
    "MaxPool3d": [case(2, on=(VOLUME,)), case(2, on=((4, 6, 8, 10),), return_indices=True)],
    "MaxUnpool1d": [case(2, on=((2, 4, 6), WHERE_1))],
    "MaxUnpool2d": [case(2, on=((2, 4, 6, 5), WHERE_2))],
    "MaxUnpool3d": [case(2, on=((2, 4, 3, 4, 5), WHERE_3))],
    "AvgPool1d": [case(3, on=(LINE,), ceil_mode=True)],
    "AvgPool2d": [case((3, 2), on=(IMAGE,), stride=(2, 1), padding=(1, 1), count_include_pad=False)],
    "AvgPool3d": [case(2, on=(VOLUME,), divisor_override=3)],
    "FractionalMaxPool2d": [
        case(2, on=(IMAGE,), output_ratio=(0.5, 0.6)),
        case(2, on=(IMAGE,), output_size=(4, 5), return_indices=True),
    ],
    "FractionalMaxPool3d": [case(2, on=(VOLUME,), output_size=3)],
    "LPPool1d": [case(2.0, 3, on=(LINE,))],
    "LPPool2d": [case(1.5, 2, on=(IMAGE,), stride=1, ceil_mode=True)],
    "LPPool3d": [case(2.0, 2, on=(VOLUME,))],
    "AdaptiveMaxPool1d": [case(5, on=(LINE,)), case(5, on=(LINE,), return_indices=True)],
    "AdaptiveMaxPool2d": [case((5, None), on=(IMAGE,))],
    "AdaptiveMaxPool3d": [case((2, None, 3), on=(VOLUME,), return_indices=True)],
    "AdaptiveAvgPool1d": [case(5, on=(LINE,))],
    "AdaptiveAvgPool2d": [case((None, 7), on=(IMAGE,)), case(1, on=((4, 12, 10),))],
    "AdaptiveAvgPool3d": [case(2, on=(VOLUME,))],
    # Padding
    **{
        f"{kind}Pad{rank}d": [case(padding, on=(shape,))]
        for kind in ("Reflection", "Replication", "Zero", "Circular")
        for rank, shape, padding in ((1, LINE, (1, 2)), (2, IMAGE, (1, 2, 0, 1)), (3, VOLUME, 1))
    },
    **{f"ConstantPad{rank}d": [case(2, 1.5, on=(shape,))] for rank, shape in ((1, LINE), (2, IMAGE), (3, VOLUME))},
    # Activations
    **{
        name: [case(on=(ROWS,))]
        for name in (
            *(
                "ELU",
                "Hardshrink",
                "Hardsigmoid",
                "Hardtanh",
                "Hardswish",
                "LeakyReLU",
                "LogSigmoid",
                "PReLU",
                "ReLU",
                "ReLU6",
            ),
            *("RReLU", "SELU", "CELU", "GELU", "Sigmoid", "SiLU", "Mish", "Softplus", "Softshrink", "Softsign", "Tanh"),
            *("Tanhshrink", "Identity"),
        )
    },
    "Threshold": [case(0.1, 20, on=(ROWS,)), case(0.1, 20, on=(ROWS,), inplace=True)],
    "GLU": [case(on=((2, 6),)), case(0, on=((4, 5),))],
    "Softmin": [case(1, on=(ROWS,))],
    "Softmax": [case(-1, on=(ROWS,))],
    "Softmax2d": [case(on=(IMAGE,))],
    "LogSoftmax": [case(0, on=(ROWS,))],
    "MultiheadAttention": [
        case(8, 2, on=((7, 3, 8),) * 3),
        case(8, 2, on=((3, 7, 8),) * 3, batch_first=True, dropout=0.1),
        case(8, 2, on=((7, 3, 8), (5, 3, 6), (5, 3, 4)), kdim=6, vdim=4, bias=False),
        case(8, 2, on=((7, 8),) * 3, add_bias_kv=True, add_zero_attn=True),
    ],
    "AdaptiveLogSoftmaxWithLoss": [
        case(8, 10, [3, 6], 2.0, on=(torch.ones(4, 8), torch.tensor([1, 2, 8, 9])), device="cpu")
    ],
    # Normalization
    "BatchNorm1d": [case(5, on=(ROWS,)), case(4, on=(LINE,), affine=False)],
    "BatchNorm2d": [case(4, on=(IMAGE,)), case(4, on=(IMAGE,), track_running_stats=False)],
    "BatchNorm3d": [case(4, on=(VOLUME,)), case(4, on=(VOLUME,), momentum=None, device="cpu")],
    "LazyBatchNorm1d": [case(on=(ROWS,))],
    "LazyBatchNorm2d": [case(on=(IMAGE,))],
    "LazyBatchNorm3d": [case(on=(VOLUME,))],
    "SyncBatchNorm": [case(4, on=(IMAGE,))],
    "InstanceNorm1d": [case(4, on=(LINE,)), case(4, on=((4, 12),), affine=True)],
    "InstanceNorm2d": [case(4, on=(IMAGE,), track_running_stats=True)],
    "InstanceNorm3d": [case(4, on=(VOLUME,))],
    "LazyInstanceNorm1d": [case(on=(LINE,))],
    "LazyInstanceNorm2d": [case(on=(IMAGE,), affine=True)],
    "LazyInstanceNorm3d": [case(on=(VOLUME,))],
    "GroupNorm": [case(2, 4, on=(IMAGE,)), case(4, 4, on=((3, 4),), affine=False)],
    "LayerNorm": [case(5, on=(ROWS,)), case((12, 10), on=(IMAGE,), bias=False)],
    "RMSNorm": [case(5, on=(ROWS,)), case((12, 10), on=(IMAGE,), eps=1e-6)],
    "LocalResponseNorm": [case(2, on=(IMAGE,)), case(3, on=(LINE,))],
    "CrossMapLRN2d": [case(3, on=(IMAGE,), device="cpu")],
    # Recurrent
    **{
        name: [
            case(5, 4, on=(STEPS,)),
            case(5, 4, 2, on=((7, 5),), bidirectional=True, bias=False),
            case(5, 4, 3, on=(STEPS,), batch_first=True, dropout=0.1),
        ]
        for name in ("RNN", "LSTM", "GRU")
    },
    **{
        name: [case(5, 4, on=(ROWS,)), case(5, 4, on=((5,),), bias=False)]
        for name in ("RNNCell", "LSTMCell", "GRUCell")
    },
    # Transformers
    "TransformerEncoderLayer": [
        case(8, 2, 16, on=((7, 3, 8),)),
        case(8, 2, 16, on=((3, 7, 8),), batch_first=True, norm_first=True, activation="gelu"),
    ],
    "TransformerDecoderLayer": [case(8, 2, 16, on=((7, 3, 8), (5, 3, 8)))],
    "TransformerEncoder": [
        case(encoder_layer(), 2, on=((7, 3, 8),)),
        case(encoder_layer(batch_first=True), 2, on=((3, 7, 8),)),
    ],
    "TransformerDecoder": [case(decoder_layer(), 2, on=((7, 3, 8), (5, 3, 8)))],
    "Transformer": [case(8, 2, 1, 1, 16, on=((7, 3, 8), (5, 3, 8)))],
    # Linear
    "Linear": [case(5, 7, on=(ROWS,)), case(5, 7, on=((2, 3, 5),), bias=False), case(5, 1, on=((5,),))],
    "LazyLinear": [case(7, on=(ROWS,))],
    "Bilinear": [case(5, 4, 3, on=((2, 5), (2, 4)), counted=False)],
    # Dropout
    **{
        name: [case(on=(shape,)), case(0.2, True, on=(shape,))]
        for name, shape in (
            *(("Dropout", ROWS), ("Dropout1d", LINE), ("Dropout2d", IMAGE), ("Dropout3d", VOLUME)),
            *(("AlphaDropout", ROWS), ("FeatureAlphaDropout", IMAGE)),
        )
    },
    # Embedding
    "Embedding": [
        case(10, 3, on=(whole(2, 4, below=9),)),
        case(10, 3, on=(whole(4, below=9),), max_norm=1.0, padding_idx=0),
    ],
    "EmbeddingBag": [
        case(10, 3, on=(whole(2, 4, below=9),)),
        case(10, 3, on=(whole(6, below=9), torch.tensor([0, 2, 3])), mode="max"),
        case(10, 3, on=(whole(6, below=9), torch.tensor([0, 2, 6])), mode="sum", include_last_offset=True),
    ],
    # Distances and losses
    "CosineSimilarity": [case(on=PAIR), case(dim=0, on=PAIR)],
    "PairwiseDistance": [case(on=PAIR), case(on=PAIR, keepdim=True, p=1.0)],
    **{
        name: [case(on=PAIR), case(on=PAIR, reduction="none"), case(on=PAIR, reduction="sum")]
        for name in (
            *("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss", "SoftMarginLoss", "KLDivLoss", "PoissonNLLLoss"),
            *("HingeEmbeddingLoss", "BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss"),
        )
    },
    "CrossEntropyLoss": [
        case(on=(ROWS, whole(3))),
        case(on=((2, 4, 6), whole(2, 6)), reduction="none", label_smoothing=0.1),
        case(on=PAIR),
    ],
    "NLLLoss": [case(on=(ROWS, whole(3))), case(on=(IMAGE, whole(2, 12, 10)), reduction="sum")],
    "NLLLoss2d": [case(on=(IMAGE, whole(2, 12, 10)))],
    "LinearCrossEntropyLoss": [case(5, 7, on=(ROWS, whole(3)))],
    "GaussianNLLLoss": [case(on=(torch.ones(3, 5),) * 3, device="cpu")],
    "CTCLoss": [
        case(
            on=(
                torch.zeros(12, 2, 5),
                torch.ones(2, 6, dtype=torch.int64),
                torch.tensor([12, 10]),
                torch.tensor([6, 5]),
            ),
            device="cpu",
        )
    ],
    "MultiMarginLoss": [
        case(on=(ROWS, whole(3)), device="cpu"),
        case(on=(ROWS, whole(3)), reduction="none", device="cpu"),
    ],
    "MultiLabelMarginLoss": [case(on=(ROWS, whole(3, 5)), device="cpu")],
    "CosineEmbeddingLoss": [case(on=(*PAIR, whole(3)))],
    "MarginRankingLoss": [case(on=((3,), (3,), (3,)))],
    "TripletMarginLoss": [case(on=(*PAIR, ROWS)), case(on=(*PAIR, ROWS), swap=True, reduction="none")],
    "TripletMarginWithDistanceLoss": [case(on=(*PAIR, ROWS)), case(on=(*PAIR, ROWS), swap=True)],
    # Images
    "PixelShuffle": [case(2, on=(IMAGE,))],
    "PixelUnshuffle": [case(2, on=(IMAGE,))],
    "ChannelShuffle": [case(2, on=(IMAGE,))],
    "Upsample": [
        case((5, 7), on=(IMAGE,)),
        case(on=(IMAGE,), scale_factor=1.5, mode="bilinear", align_corners=True),
        case(on=(LINE,), scale_factor=2, mode="linear"),
        case(on=(VOLUME,), scale_factor=(1, 2, 2), mode="trilinear"),
    ],
    "UpsamplingNearest2d": [case(on=(IMAGE,), scale_factor=2)],
    "UpsamplingBilinear2d": [case((5, 7), on=(IMAGE,))],
    # Structure
    "Flatten": [case(on=(IMAGE,)), case(0, 1, on=(IMAGE,))],
    "Unflatten": [case(1, (2, 2), on=(IMAGE,))],
    "Sequential": [case(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2), on=(ROWS,))],
    "DataParallel": [case(nn.Linear(5, 4), on=(ROWS,))],
}
WITHOUT_FORWARD = {
    **dict.fromkeys(("Module", "RNNBase", "RNNCellBase"), "abstract: a base of others"),
    **dict.fromkeys(
        ("Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"), "holds, computes nothing"
    ),
    **dict.fromkeys(("Parameter", "Buffer", "UninitializedParameter", "UninitializedBuffer"), "a tensor"),
    "LinearCrossEntropyOptions": "settings of a loss",
}
PRESENT = sorted(name for name, value in vars(nn).items() if inspect.isclass(value))
#: Only some versions of PyTorch have them.
LATER = {"LinearCrossEntropyLoss", "LinearCrossEntropyOptions", "Buffer"}


def test_no_class_is_forgotten() -> None:
    known = set(CASES) | set(WITHOUT_FORWARD)
    assert set(PRESENT) - known == set()
    assert known - set(PRESENT) <= LATER


def made(name: str, wanted: Case) -> nn.Module:
    torch.manual_seed(0)
    return getattr(nn, name)(*wanted.args, **wanted.kwargs)


def inputs(wanted: Case, device: str) -> tuple[Tensor, ...]:
    given = [value if isinstance(value, Tensor) else torch.full(value, 0.5) for value in wanted.inputs]
    return tuple([value.to(device, copy=True) for value in given])


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name in PRESENT for number in range(len(CASES.get(name, ())))],
)
def test_every_class(name: str, number: int, mode: str) -> None:
    wanted = CASES[name][number]
    prediction = inspector.predict(made(name, wanted), input_data=inputs(wanted, wanted.device), mode=mode)
    module = made(name, wanted)
    with torch.no_grad():
        if name.startswith("Lazy"):
            module(*inputs(wanted, "cpu"))  # takes its sizes
        module.train(mode == "train").to(wanted.device)
        with FlopCounterMode(display=False) as counter:
            output = module(*inputs(wanted, wanted.device))
    unknown = [row.kind for row in prediction.rows if row.source != "formula"]
    assert not unknown
    root = prediction.modules[0]
    measured = tensors(output)
    assert root.output_shapes == tuple(tuple(tensor.shape) for tensor in measured)
    assert root.dtypes == tuple(str(tensor.dtype).removeprefix("torch.") for tensor in measured)
    assert prediction.total_params == sum(parameter.numel() for parameter in module.parameters())
    assert all(row.params_formula is None or row.params_formula.number == row.params for row in prediction.rows)
    if wanted.counted:
        assert prediction.total_macs == counter.get_total_flops() // 2
