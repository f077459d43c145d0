"""Tables of real papers, read to the facts that they print."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.errors import InspectionError
from inspector.tables import Table, read

PRINTED = Path(__file__).parent / "printed"


def printed(name: str, column: str | None = None) -> Table:
    table = read(PRINTED / name, column=column)
    assert not table.unread
    return table


def convolutions(table: Table) -> list[tuple[object, object, int]]:
    """(kernel, out channels, times) of each convolution, blocks counted."""
    found = []
    for index, row in enumerate(table.rows):
        above = [other for other in table.rows[:index] if other.depth < row.depth]
        if row.kind == "conv":
            found.append(
                (row.stated.get("kernel"), row.stated.get("out_channels"), above[-1].repeat if above else row.repeat)
            )
    return found


def test_lenet_as_torchsummary() -> None:
    table = printed("lenet_torchsummary.md")
    assert [row.output_shape for row in table.rows] == [
        *[(6, 28, 28)] * 2,
        (6, 14, 14),
        *[(16, 10, 10)] * 2,
        (16, 5, 5),
        *[(120, 1, 1)] * 2,
        *[(84,)] * 2,
        *[(10,)] * 2,
    ]
    assert [row.params for row in table.rows] == [None] * 12


def test_lenet5() -> None:
    table = printed("lenet5.md")
    assert table.input_shape == (1, 32, 32)
    assert [(row.kind, row.output_shape, row.params) for row in table.rows[1:6]] == [
        ("conv", (6, 28, 28), 156),
        ("avg_pool", (6, 14, 14), 12),
        ("conv", (16, 10, 10), 1516),
        ("avg_pool", (16, 5, 5), 32),
        ("conv", (120, 1, 1), 48120),
    ]
    assert [row.stated["out_features"] for row in table.rows[6:]] == [84, 10]


def test_alexnet() -> None:
    table = printed("alexnet.md")
    assert table.input_shape == (3, 224, 224)
    assert [
        (row.stated["kernel"], row.stated["out_channels"], row.stated["in_channels"])
        for row in table.rows
        if row.kind == "conv"
    ] == [
        ((11, 11), 96, 3),
        ((5, 5), 256, 48),
        ((3, 3), 384, 256),
        ((3, 3), 384, 192),
        ((3, 3), 256, 192),
    ]
    assert [row.stated.get("groups") for row in table.rows if row.kind == "conv"] == [None, 2, None, 2, 2]


@pytest.mark.parametrize(("column", "layers"), [("A", 11), ("B", 13), ("C", 16), ("D", 16), ("E", 19)])
def test_vgg_has_as_many_weight_layers_as_its_column_says(column: str, layers: int) -> None:
    table = printed("vgg.tex", column)
    assert table.input_shape == (3, 224, 224)
    assert sum(row.kind in ("conv", "linear") for row in table.rows) == layers
    assert sum(row.kind == "max_pool" for row in table.rows) == 5
    assert sum(row.stated["kernel"] == (1, 1) for row in table.rows if row.kind == "conv") == (
        3 if column == "C" else 0
    )


@pytest.mark.parametrize(
    ("column", "layers"), [("18-layer", 18), ("34-layer", 34), ("50-layer", 50), ("101-layer", 101), ("152-layer", 152)]
)
def test_resnet_has_as_many_weight_layers_as_its_name_says(column: str, layers: int) -> None:
    table = printed("resnet.tex", column)
    blocks = sum(times for _, _, times in convolutions(table))
    assert blocks + sum(row.kind == "linear" for row in table.rows) == layers


def test_resnet_in_markdown_and_latex_say_the_same() -> None:
    for column in ("18-layer", "34-layer", "50-layer"):
        tex, markdown = printed("resnet.tex", column), printed("resnet.md", column)
        assert [(row.kind, row.stated, row.repeat, row.depth) for row in tex.rows] == [
            (row.kind, row.stated, row.repeat, row.depth) for row in markdown.rows
        ]


def test_networks_side_by_side_are_asked_for_by_name() -> None:
    with pytest.raises(InspectionError, match="5 networks side by side, '18-layer', '34-layer'"):
        read(PRINTED / "resnet.tex")
    with pytest.raises(InspectionError, match="no column '20-layer' in the table"):
        read(PRINTED / "resnet.tex", column="20-layer")


def test_googlenet() -> None:
    table = printed("googlenet.md")
    inceptions = [row for row in table.rows if row.kind == "inception"]
    assert len(inceptions) == 9
    for row in inceptions:
        branches = row.stated["branches"]
        assert isinstance(branches, dict)
        assert row.output_shape is not None
        assert branches["1x1"] + branches["3x3"] + branches["5x5"] + branches["pool_proj"] == row.output_shape[0]
    assert convolutions(table) == [((7, 7), None, 1), ((1, 1), 64, 1), ((3, 3), 192, 1)]
    assert table.rows[0].stated["params_about"] == (2650, 2750)


def test_mobilenet_v1() -> None:
    table = printed("mobilenet_v1.md")
    assert table.input_shape == (3, 224, 224)
    assert sum(row.repeat for row in table.rows if row.kind in ("conv", "linear")) == 28
    assert sum(row.repeat for row in table.rows if row.stated.get("depthwise")) == 13
    linear = next(row for row in table.rows if row.kind == "linear")
    assert (linear.stated["in_features"], linear.stated["out_features"]) == (1024, 1000)


def test_mobilenet_v2() -> None:
    table = printed("mobilenet_v2.md")
    blocks = [row for row in table.rows if row.kind == "inverted_residual"]
    assert [
        (row.stated["expansion"], row.stated["out_channels"], row.repeat, row.stated["stride"]) for row in blocks
    ] == [
        (1, 16, 1, (1,)),
        (6, 24, 2, (2,)),
        (6, 32, 3, (2,)),
        (6, 64, 4, (2,)),
        (6, 96, 3, (1,)),
        (6, 160, 3, (2,)),
        (6, 320, 1, (1,)),
    ]
    assert table.rows[0].input_shape == (3, 224, 224)


@pytest.mark.parametrize(("column", "layers"), [("DenseNet-121", 121), ("DenseNet-169", 169)])
def test_densenet_has_as_many_weight_layers_as_its_name_says(column: str, layers: int) -> None:
    table = printed("densenet.html", column)
    assert sum(times for _, _, times in convolutions(table)) + sum(row.kind == "linear" for row in table.rows) == layers


def test_unet() -> None:
    table = printed("unet.csv")
    assert (
        sum(row.kind in ("conv", "conv_transpose") for row in table.rows) == 23
    )  # "In total the network has 23 convolutional layers"
    assert table.input_shape == (1, 572, 572)
    assert table.rows[-1].output_shape == (2, 388, 388)


def test_efficientnet_b0() -> None:
    table = printed("efficientnet_b0.md")
    assert [row.stated["input_size"] for row in table.rows if "input_size" in row.stated][:3] == [
        (224, 224),
        (112, 112),
        (112, 112),
    ]
    assert sum(row.repeat for row in table.rows if row.kind == "inverted_residual") == 16
    assert [row.kind for row in table.rows[-3:]] == ["conv", "global_avg_pool", "linear"]
    assert table.rows[-3].stated["out_channels"] == 1280


def test_vit() -> None:
    base = printed("vit.md").rows[0]
    assert (base.name, base.kind) == ("ViT-Base", "transformer")
    assert [base.stated[word] for word in ("layers", "hidden", "mlp", "heads")] == [12, 768, 3072, 12]
    assert base.stated["params_about"] == (85_500_000, 86_500_000)
