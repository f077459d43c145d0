"""Blocks that papers print as one row: written out, solved, built, and refused where the print contradicts itself."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

import inspector
from inspector.errors import InspectionError
from inspector.tables import Contradiction, Conventions, Solution, build, read, solve

PRINTED = Path(__file__).parent / "printed"
IMAGE = (3, 224, 224)
PAPERS = {
    "resnet18": ("resnet.md", "18-layer"),
    "resnet50": ("resnet.tex", "50-layer"),
    "mobilenet_v2": ("mobilenet_v2.md", None),
    "efficientnet_b0": ("efficientnet_b0.md", None),
    "densenet121": ("densenet.html", "DenseNet-121"),
    "vit_b_16": ("vit.md", "ViT-Base"),
}


def solved(name: str, **given: object) -> Solution:
    file, column = PAPERS[name]
    return solve(read(PRINTED / file, column=column), IMAGE, **given)  # type: ignore[arg-type]


def theirs(name: str) -> nn.Module:
    with torch.device("meta"):
        return getattr(torchvision.models, name)(weights=None)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_ends_in_torchvisions_tensors(name: str) -> None:
    """Not in the total alone: the same number of weights of each size, whatever their names and order."""
    with torch.device("meta"):
        ours = build(solved(name))
    sizes = sorted(parameter.numel() for parameter in ours.parameters())
    expected = sorted(parameter.numel() for parameter in theirs(name).parameters())
    assert sum(sizes) == sum(expected) == solved(name).total_params
    if name == "mobilenet_v2":  # its classifier is printed as a 1×1 convolution
        assert sizes == expected
    assert sizes == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_is_built_and_verifies(name: str) -> None:
    solution = solved(name)
    verification = inspector.verify(build(solution), (2, *IMAGE))
    assert verification.ok, verification
    macs = inspector.predict(theirs(name), (2, *IMAGE)).total_macs
    assert verification.prediction.total_macs == macs


def test_every_convention_that_was_used_is_said() -> None:
    notes = " ".join(solved("resnet50").notes)
    for words in ("batch normalizations", "adds its input", "projects a block's input", "has the stride"):
        assert words in notes
    assert "1 000 classes, whose number the table does not print" in " ".join(solved("mobilenet_v2").notes)
    assert "By convention: every block in brackets adds its input" in solved("resnet18").source()


def test_the_additions_join_what_they_should() -> None:
    """Of conv3_x's first block: the projection of what came in; of its second: what came in."""
    solution = solved("resnet18")
    first, second = solution["conv3_x.1.add"], solution["conv3_x.2.add"]
    names = [{solution.rows[index].name for index in row.inputs} for row in (first, second)]
    assert names == [{"conv3_x.1.norm2", "conv3_x.1.projection_norm"}, {"conv3_x.2.norm2", "conv3_x.1.act2"}]
    assert solution["conv3_x.1.conv1"].hyperparameters["stride"] == (2, 2)
    assert solution["conv3_x.1.conv2"].hyperparameters["stride"] == (1, 1)


@pytest.mark.parametrize(("old", "new"), [("28×28 | [3×3", "27×27 | [3×3"), ("14×14 | [3×3", "15×15 | [3×3")])
def test_a_size_that_no_stride_gives_is_refused_at_its_stage(old: str, new: str) -> None:
    text = (PRINTED / "resnet.md").read_text()
    assert old in text
    line = next(at for at, words in enumerate(text.splitlines(), 1) if old in words)
    with pytest.raises(Contradiction) as caught:
        solve(read(text.replace(old, new), column="18-layer"), IMAGE)
    assert caught.value.conflicts[0].row.line == line
    assert caught.value.changes


def test_a_stage_that_leaves_what_the_next_row_does_not_take_is_refused() -> None:
    text = (PRINTED / "mobilenet_v2.md").read_text()
    with pytest.raises(InspectionError, match=r"line 8 takes 25×56×56"):
        solve(read(text.replace("56² × 24", "56² × 25")), IMAGE)


def test_a_total_chooses_between_residual_and_chain() -> None:
    """18 layers as a chain without normalization: 11 507 880 without biases, and 4 800 biases before the classifier."""
    chain = solved("resnet18", conventions=Conventions(blocks="chain"), rows={"conv": {"bias": False}})
    plain = sum(
        parameter.numel()
        for path, layer in theirs("resnet18").named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and "downsample" not in path
        for parameter in layer.parameters(recurse=False)
    )
    assert chain.total_params == plain
    assert solved("resnet18", param_total=plain).total_params == plain
    assert not [row for row in solved("resnet18", param_total=plain).rows if row.kind == "add"]
    whole = sum(parameter.numel() for parameter in theirs("resnet18").parameters())
    assert [row for row in solved("resnet18", param_total=whole).rows if row.kind == "add"]
    with pytest.raises(Contradiction, match="no solution of the rows adds up to 12 345 678"):
        solved("resnet18", param_total=12_345_678)


def test_conventions_are_open_to_change() -> None:
    assert solved("vit_b_16", conventions=Conventions(classes=10)).rows[-1].output_shape == (10,)
    with pytest.raises(Contradiction, match=r"85 500 000 to 86 500 000, as rounded.* adds up to 87 455 232"):
        solved("vit_b_16", conventions=Conventions(patch=32))  # the count printed for ViT-Base decides the patches
    bare = solved("resnet18", conventions=Conventions(norms=False))
    assert not [row for row in bare.rows if row.kind == "batch_norm"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": "no"}, "auto, residual or chain"),
        ({"classes": 0}, "classes is an integer from 1"),
        ({"growth": -1}, "growth is an integer from 0"),
        ({"norms": 1}, "true or false"),
        ({"patch": True}, "patch is an integer"),
    ],
)
def test_conventions_are_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(InspectionError, match=message):
        Conventions(**change)  # type: ignore[arg-type]


def test_patches_must_tile() -> None:
    with pytest.raises(InspectionError, match="patches of 15×15 do not tile it"):
        solved("vit_b_16", conventions=Conventions(patch=15))


def test_a_dense_block_needs_its_growth() -> None:
    text = (PRINTED / "densenet.html").read_text().replace("k = 32", "k is small")
    with pytest.raises(InspectionError, match="prints neither an output shape nor its channels"):
        solve(read(text, column="DenseNet-121"), IMAGE)
    given = solve(read(text, column="DenseNet-121"), IMAGE, conventions=Conventions(growth=32))
    assert given.total_params == solved("densenet121").total_params


def test_rows_that_are_networks_are_chosen_by_name() -> None:
    with pytest.raises(InspectionError, match="ViT-Base, ViT-Large, ViT-Huge"):
        solve(read(PRINTED / "vit.md"), IMAGE)
    with pytest.raises(InspectionError, match="no network 'ViT-Tiny' in the table; it has 'ViT-Base'"):
        read(PRINTED / "vit.md", column="ViT-Tiny")


def test_what_is_copied_and_cropped_is_joined() -> None:
    """U-Net: convolutions 3×3 and up-convolutions 2×2 with biases, from the channels that its rows print."""
    solution = solve(read(PRINTED / "unet.csv"))
    down = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
    low = [(512, 1024), (1024, 1024)]
    up = [(2 * C, C) for C in (512, 256, 128, 64)]
    again = [pair for C in (512, 256, 128, 64) for pair in ((2 * C, C), (C, C))]
    convolutions = sum(9 * C_in * C_out + C_out for C_in, C_out in (*down, *low, *again))
    assert solution.total_params == convolutions + sum(4 * C_in * C_out + C_out for C_in, C_out in up) + 64 * 2 + 2
    inputs = [solution.rows[index].name for index in solution["copy6.concat"].inputs]
    assert inputs == ["copy6.crop", "up6"]
    assert build(solution).to("meta")(torch.empty(1, 1, 572, 572, device="meta")).shape == (1, 2, 388, 388)


def test_a_copy_of_nothing_is_refused() -> None:
    text = (PRINTED / "unet.csv").read_text().replace("copy and crop conv4b", "copy and crop conv9z")
    with pytest.raises(Contradiction, match=r"copy6: from 512×56×56 to 1024×56×56 has no solution"):
        solve(read(text))


def test_a_count_printed_for_a_block_is_met_or_refused() -> None:
    """GoogLeNet's 3a: weights 192·64 + 192·96 + 96·128·9 + 192·16 + 16·32·25 + 192·32 = 163 328 = 159.5 · 1 024."""
    row = "| inception (3a) | 28×28×256 | 64 | 96 | 128 | 16 | 32 | 32 | {} |"
    head = "| type | output size | #1×1 | #3×3 reduce | #3×3 | #5×5 reduce | #5×5 | pool proj | params |\n" + "|---" * 9
    found = solve(read(f"{head}|\n{row.format('159K')}"), (192, 28, 28))
    assert found.total_params == 163_328
    assert solve(read(f"{head}|\n{row.format('163,696')}"), (192, 28, 28)).total_params == 163_696
    with pytest.raises(Contradiction, match=r"inception \(3a\): 163 000 parameters are printed"):
        solve(read(f"{head}|\n{row.format('163,000')}"), (192, 28, 28))


def test_branches_that_do_not_add_up_are_refused() -> None:
    text = (PRINTED / "googlenet.md").read_text().replace("28×28×256", "28×28×257")
    with pytest.raises(Contradiction, match=r"64 \+ 128 \+ 32 \+ 32|concatenated channels add up"):
        solve(read(text), IMAGE)


def test_the_encoder_alone_takes_tokens() -> None:
    head = "| Model | Hidden size | MLP size | Heads | Layers |\n|---|---|---|---|---|"
    text = f"{head}\n| Transformer encoder | 8 | 16 | 2 | 3 |"
    solution = solve(read(text), (5, 8))
    block = 2 * 2 * 8 + 4 * 8 * 9 + 16 * 9 + 8 * 17
    assert solution.total_params == 3 * block
    assert build(solution)(torch.randn(2, 5, 8)).shape == (2, 5, 8)


def test_fused_blocks_and_expansion_one() -> None:
    """Fused-MBConv1 is one convolution; Fused-MBConv4 widens with the kernel and narrows with 1×1."""
    text = (
        "| Stage | Operator | Stride | #Channels | #Layers |\n|---|---|---|---|---|\n"
        "| 1 | Fused-MBConv1, k3x3 | 1 | 4 | 1 |\n| 2 | Fused-MBConv4, k3x3 | 2 | 6 | 2 |"
    )
    solution = solve(read(text), (4, 8, 8))
    wide = [(4 * 9 * 4 + 2 * 4), (16 * 4 * 9 + 2 * 16) + (6 * 16 + 2 * 6), (24 * 6 * 9 + 2 * 24) + (6 * 24 + 2 * 6)]
    assert solution.total_params == sum(wide)
    assert prod(solution.rows[-1].output_shape) == 6 * 4 * 4


@pytest.mark.parametrize(
    ("file", "column", "old", "new"),
    [
        ("mobilenet_v2.md", None, "| 6 | 160 | 3 | 2 |", "| 6 | 160 | 999999 | 2 |"),
        ("vit.md", "ViT-Base", "| ViT-Base | 12 |", "| ViT-Base | 999999999 |"),
        ("densenet.html", "DenseNet-121", "&times; 24", "&times; 20000"),
        ("vit.md", "ViT-Base", "| 768 |", "| 99999999999999999999 |"),
    ],
)
def test_a_hostile_block_is_refused(file: str, column: str | None, old: str, new: str) -> None:
    text = (PRINTED / file).read_text()
    assert old in text
    with pytest.raises(InspectionError, match=r"(is|are) above|more digits than"):
        solve(read(text.replace(old, new), column=column), IMAGE)


def test_a_count_of_a_whole_network_may_hold_its_classifier() -> None:
    """DeiT-Tiny's 5.7M are those of vit_tiny with its 1 000 classes; ViT-Base's 86M are without them."""
    head = "| Model | Layers | Hidden size | MLP size | Heads | Params |\n|---|---|---|---|---|---|\n"
    width, tokens = 192, 197
    block = 4 * width + 4 * width * (width + 1) + 768 * (width + 1) + width * (768 + 1)
    encoder = width * (3 * 16**2 + 1) + width + tokens * width + 12 * block + 2 * width
    for printed in ("5.7M", "5.5M", f"{encoder:,}", f"{encoder + 1000 * (width + 1):,}"):
        solution = solve(read(f"{head}| DeiT-Tiny | 12 | 192 | 768 | 3 | {printed} |"), IMAGE)
        assert solution.total_params == encoder + 1000 * (width + 1)
    with pytest.raises(Contradiction, match="6 100 000"):
        solve(read(f"{head}| DeiT-Tiny | 12 | 192 | 768 | 3 | 6,100,000 |"), IMAGE)


def test_a_growth_in_the_heading_is_no_layer() -> None:
    text = """| Layers | Output Size | DenseNet-BC (k=12) |
|---|---|---|
| Convolution | 8 × 8 | 3 × 3 conv, stride 1 |
| Dense Block (1) | 8 × 8 | [1 × 1 conv; 3 × 3 conv] × 2 |
| Classification Layer | 1 × 1 | 8 × 8 global average pool |
| | | 10D fully-connected, softmax |
"""
    solution = solve(read(text), (3, 8, 8))
    layers = [(24 + 12 * n, 48) for n in range(2)]
    dense = sum(2 * C + C * out + 2 * out + 9 * out * 12 for C, out in layers)
    assert solution.total_params == 3 * 24 * 9 + 2 * 24 + dense + 2 * 48 + 10 * (48 + 1)
    assert not solution.uncounted
