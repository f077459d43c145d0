"""One table of two or three layers in every format, and what each format has of its own."""

from __future__ import annotations

import json

import pytest

from inspector.errors import InspectionError
from inspector.tables import Table, read

KERAS_CONNECTED = """\
Model: "model_1"
__________________________________________________________________________________________________
Layer (type)                    Output Shape         Param #     Connected to
==================================================================================================
input_1 (InputLayer)            [(None, 224, 224, 3) 0
__________________________________________________________________________________________________
conv1_conv (Conv2D)             (None, 112, 112, 64) 9472        input_1[0][0]
__________________________________________________________________________________________________
block1_1_bn (BatchNormalization (None, 112, 112, 64) 256         conv1_conv[0][0]
__________________________________________________________________________________________________
block1_add (Add)                (None, 112, 112, 64) 0           conv1_conv[0][0]
                                                                 block1_1_bn[0][0]
==================================================================================================
Total params: 9,728
Trainable params: 9,600
Non-trainable params: 128
__________________________________________________________________________________________________
"""
KERAS_BOXES = """\
Model: "functional"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ input_layer         │ (None, 224, 224,  │          0 │ -                 │
│ (InputLayer)        │ 3)                │            │                   │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ conv1_pad           │ (None, 230, 230,  │          0 │ input_layer[0][0] │
│ (ZeroPadding2D)     │ 3)                │            │                   │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ add (Add)           │ (None, 56, 56,    │      1,000 │ conv1_pad[0][0],  │
│                     │ 256)              │            │ input_layer[0][0] │
└─────────────────────┴───────────────────┴────────────┴───────────────────┘
 Total params: 1,000 (3.91 KB)
"""


def figures(table: Table) -> list[tuple[str, str, object, object]]:
    return [(row.name, row.kind, row.output_shape, row.params) for row in table.rows]


TWO = [("conv1", "conv", (6, 28, 28), 156), ("fc", "linear", (10,), 850)]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("csv", "layer,type,output shape,params\nconv1,Conv2d,6@28x28,156\nfc,Linear,10,850\n"),
        ("csv", 'layer;type;output shape;params\nconv1;Conv2d;"[-1, 6, 28, 28]";156\nfc;Linear;"[-1, 10]";850\n'),
        ("tsv", "layer\ttype\toutput shape\tparams\nconv1\tConv2d\t6×28×28\t156\nfc\tLinear\t10\t850\n"),
        (
            "text",
            "layer   type     output shape   params\nconv1   Conv2d   6@28x28        156\nfc      Linear   10    850\n",
        ),
        (
            "text",
            "+-------+--------+---------+--------+\n"
            "| Layer | Type   | Output  | Params |\n+=======+========+=========+========+\n"
            "| conv1 | Conv2d | 6@28x28 | 156    |\n+-------+--------+---------+--------+\n"
            "| fc    | Linear | 10      | 850    |\n+-------+--------+---------+--------+\n",
        ),
        (
            "text",
            "  | Name  | Type   | Params | Out sizes\n--------------------------------\n"
            "0 | conv1 | Conv2d | 156    | [1, 6, 28, 28]\n1 | fc    | Linear | 850    | [1, 10]\n",
        ),
        (
            "markdown",
            "|layer|type|output shape|params|\n|---|:-:|---|--:|\n|conv1|Conv2d|28x28x6|156|\n|fc|Linear|10|850|\n",
        ),
        (
            "markdown",
            "layer|type|output|params\n-|-|-|-\n`conv1`|**Conv2d**|$28\\times28\\times6$|156\nfc|Linear|10|850\n",
        ),
        (
            "html",
            "<p>A net</p><table><thead><tr><th>Layer<th>Type<th>Output Shape<th># Params</thead>"
            "<tr><td>conv1<td>Conv2d<td>28<sup>2</sup> &times; 6<td>156<tr><td>fc<td>Linear<td>10<td>850</table>",
        ),
        (
            "latex",
            r"\begin{tabular}{lccr}\toprule Layer & Type & Output & Params \\ \cmidrule(lr){1-4}"
            r"\texttt{conv1} & Conv2d & $28^2 \times 6$ & 156 \\[2pt]"
            r"fc & Linear & 10 & {850} \\ \bottomrule\end{tabular}",
        ),
        (
            "json",
            json.dumps(
                [
                    {"layer": "conv1", "type": "Conv2d", "output_shape": [1, 6, 28, 28], "params": 156},
                    {"layer": "fc", "type": "Linear", "output_shape": [1, 10], "params": 850},
                ]
            ),
        ),
    ],
)
def test_one_table_reads_alike_in_every_format(form: str, text: str) -> None:
    table = read(text)
    assert table.format == form
    assert figures(table) == TWO
    assert not table.unread


def test_a_paste_with_its_columns_one_after_another_is_paired_again() -> None:
    text = "Layer (type)\nConv2d-1\nReLU-2\nOutput Shape\n[-1, 6, 28, 28]\n[-1, 6, 28, 28]\nParam #\n156\n0\n"
    assert figures(read(text)) == [("Conv2d-1", "conv", (6, 28, 28), 156), ("ReLU-2", "activation", (6, 28, 28), 0)]


def test_a_paste_with_some_cells_on_lines_of_their_own() -> None:
    text = "Layer (type) Output Shape Param #\nConv2d-1 [-1, 6, 28, 28] 156\nReLU-2\n"
    text += "[-1, 6, 28, 28]\nLinear-3 [-1, 10] 850\n"
    assert [(row.name, row.output_shape) for row in read(text).rows] == [
        ("Conv2d-1", (6, 28, 28)),
        ("ReLU-2", (6, 28, 28)),
        ("Linear-3", (10,)),
    ]


def test_a_paste_in_one_line() -> None:
    rows = read("Conv2d-1 [-1, 6, 28, 28] ReLU-2 [-1, 6, 28, 28] MaxPool2d-3 [-1, 6, 14, 14] Linear-9 [-1, 84]").rows
    assert [row.name for row in rows] == ["Conv2d-1", "ReLU-2", "MaxPool2d-3", "Linear-9"]
    assert rows[2].output_shape == (6, 14, 14)


def test_names_and_shapes_that_cannot_be_paired_are_told_of_not_guessed() -> None:
    with pytest.raises(InspectionError, match="3 names stand beside 2 shapes"):
        read("Conv2d-1\nReLU-2\nMaxPool2d-3\n[-1, 6, 28, 28]\n[-1, 6, 14, 14]\n")


def test_old_keras_with_connections_cut_classes_and_cut_shapes() -> None:
    table = read(KERAS_CONNECTED)
    assert (table.format, table.channels_last, table.input_shape) == ("keras", True, (3, 224, 224))
    assert figures(table) == [
        ("input_1", "input", (3, 224, 224), 0),
        ("conv1_conv", "conv", (64, 112, 112), 9472),
        ("block1_1_bn", "batch_norm", (64, 112, 112), 256),
        ("block1_add", "add", (64, 112, 112), 0),
    ]
    assert table.rows[3].input_names == ("conv1_conv", "block1_1_bn")
    assert (table.total_params, table.trainable_params) == (9728, 9600)
    assert table.rows[1].printed_shape == (None, 112, 112, 64)


def test_keras_3_boxes_with_wrapped_cells() -> None:
    table = read(KERAS_BOXES)
    assert figures(table) == [
        ("input_layer", "input", (3, 224, 224), 0),
        ("conv1_pad", "pad", (3, 230, 230), 0),
        ("add", "add", (256, 56, 56), 1000),
    ]
    assert table.rows[2].input_names == ("conv1_pad", "input_layer")
    assert not table.unread
    assert not table.outside


def test_what_cannot_be_read_is_named_with_its_line() -> None:
    table = read(
        "| Layer | Output Shape |\n|---|---|\n| Conv2d-1 | [-1, 6, 28, 28] |\n| Gizmo | about right |\n"
        "| ReLU-2 | [-1, 6, 28, |\n| MaxPool2d-3 | [-1, 6, 14, 14] |\n"
    )
    assert [row.line for row in table.rows] == [3, 6]
    assert [(line.line, line.text) for line in table.unread] == [
        (4, "Gizmo | about right"),
        (5, "ReLU-2 | [-1, 6, 28,"),
    ]
    assert "[-1, 6, 28," in table.unread[1].reason


def test_prose_and_other_tables_around_are_kept_as_such() -> None:
    table = read(
        "We use:\n\n| Layer | Output |\n|---|---|\n| Conv2d-1 | [-1, 6, 28, 28] |\n"
        "\nIt works.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    assert [line.line for line in table.outside] == [1, 7, 9]
    assert not table.unread


def test_equal_names_are_told_apart() -> None:
    table = read(
        "| Layer | Output |\n|---|---|\n| ReLU | [-1, 6, 2, 2] |\n| ReLU | [-1, 6, 2, 2] |\n| ReLU | [-1, 6, 2, 2] |\n"
    )
    assert [row.name for row in table.rows] == ["ReLU", "ReLU#2", "ReLU#3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        ("hello", "no file 'hello', and no table either"),
        ("a | b\n---|---\n1 | 2", "no row could be read"),
        ("\n\n", "no table of layers|the text is empty"),
        ('{"a": 1', "line 1: not JSON"),
        ("{}", "expected a list of objects"),
        ("Some words.\nMore words follow here.", "no table of layers found"),
    ],
)
def test_no_table_is_an_error_in_words(text: str, message: str) -> None:
    with pytest.raises(InspectionError, match=message):
        read(text)


def test_a_file_is_read_and_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "net.csv"
    path.write_text("layer,type,output shape,params\nconv1,Conv2d,6@28x28,156\nfc,Linear,10,850\n", encoding="utf-16")
    assert read(path).source == "net.csv"
    assert figures(read(str(path))) == TWO
    with pytest.raises(InspectionError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "x.bin").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(InspectionError, match="is no text"):
        read(tmp_path / "x.bin")


def test_no_torch_is_loaded() -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom inspector.tables import read\n"
        "read('| Layer | Output |\\n|---|---|\\n| Conv2d-1 | [-1, 6, 28, 28] |')\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
