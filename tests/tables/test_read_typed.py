"""Tables as people type them: headings in two rows, units, other languages, several layers in a cell, lost columns."""

from __future__ import annotations

import pytest

from inspector.tables import Contradiction, PrintedRow, Table, build, read, solve
from inspector.tables.reading.columns import field_of

LENET = [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,)]
COUNTS = [156, 0, 2416, 0, 48_120, 10_164, 850]


def shapes(table: Table) -> list[tuple[int, ...] | None]:
    return [row.output_shape for row in table.rows]


LATEX = r"""\begin{tabular}{l|c|c|r}
\multirow{2}{*}{Layer} & \multicolumn{2}{c|}{Feature map} & \multirow{2}{*}{\#Params}\\
 & Kernel / stride & Output size & \\ \midrule
Input & -- & $3\times 32\times 32$ & 0 \\
Conv1 & $3\times3$ / 1 & $32\times 32\times 32$ & 896 \\
Pool1 & $2\times2$ / 2 & $32\times16\times16$ & 0\\
Conv2 & $5\times5$ / 1 & $64 \times 16 \times 16$ & 51{,}264 \\
\end{tabular}"""
HTML = """<table><thead><tr><th rowspan=2>Layer</th><th colspan=2>Details</th></tr>
<tr><th>Output</th><th>Params</th></tr></thead>
<tbody><tr><td>conv1 (5&times;5)</td><td>6&nbsp;@&nbsp;28&times;28</td><td>156</td></tr>
<tr><td>pool1</td><td>6@14&times;14</td><td>0</td></tr></tbody></table>"""


def test_headings_below_headings_that_span_them() -> None:
    table = read(LATEX)
    assert shapes(table) == [(3, 32, 32), (32, 32, 32), (32, 16, 16), (64, 16, 16)]
    assert solve(table).total_params == 896 + 51_264
    assert [(row.output_shape, row.params) for row in read(HTML).rows] == [((6, 28, 28), 156), ((6, 14, 14), 0)]


CHINESE = """层            输出形状            参数量
卷积层1       6×28×28             156
池化层1       6×14×14             0
卷积层2       16×10×10            2416
池化层2       16×5×5              0
全连接层1     120                 48120
全连接层2     84                  10164
全连接层3     10                  850
"""
GERMAN = """| Schicht | Ausgabegröße | Parameter |
|---|---|---|
| Faltung 5x5 | 6x28x28 | 156 |
| Max-Pooling | 6x14x14 | 0 |
| Faltung 5x5 | 16x10x10 | 2.416 |
| Max-Pooling | 16x5x5 | 0 |
| Vollverbunden | 120 | 48.120 |
| Vollverbunden | 84 | 10.164 |
| Vollverbunden | 10 | 850 |
"""
PASTED = """Table 2: Architecture of the proposed CNN.
Layer Output shape Params
Conv2D (6 filters, 5×5) 6×28×28 156
MaxPooling 6×14×14 0
Conv2D (16 filters, 5×5) 16×10×10 2,416
MaxPooling 16×5×5 0
Dense 120 48,120
Dense 84 10,164
Dense 10 850
Total parameters: 61,706
"""


@pytest.mark.parametrize("text", [CHINESE, GERMAN, PASTED], ids=["Chinese", "German", "pasted"])
def test_lenet_in_other_words(text: str) -> None:
    table = read(text)
    assert shapes(table) == LENET
    assert [row.params for row in table.rows] == COUNTS
    solution = solve(table, (1, 32, 32))
    assert solution.total_params == 61_706
    assert [row.hyperparameters["kernel"] for row in solution.rows if row.kind == "conv"] == [(5, 5)] * 2


def test_a_heading_may_say_the_order_or_the_unit_in_brackets() -> None:
    assert field_of("Output (C×H×W)") == "output"
    text = "| Layer | Output (C×H×W) | Params (M) |\n|---|---|---|\n| Conv | 64×112×112 | 0.0094 |\n| FC | 10 | 8.03 |"
    table = read(text)
    assert [row.stated["params_about"] for row in table.rows] == [(9350, 9450), (8_025_000, 8_035_000)]
    assert solve(table, (3, 224, 224), stride=2, padding=3).total_params == 64 * 3 * 49 + 10 * (64 * 112 * 112 + 1)


GENERATOR = """| Layer | Output |
|---|---|
| ConvTranspose2d, BN, ReLU | 8×4×4 |
| ConvTranspose2d, BN, ReLU | 4×8×8 |
| ConvTranspose2d, Tanh | 3×16×16 |
"""


def test_a_cells_shape_is_that_of_its_convolution_too() -> None:
    solution = solve(read(GENERATOR), (10, 1, 1), kernel=4)
    assert [row.output_shape for row in solution.rows if row.kind == "conv_transpose"] == [
        (8, 4, 4),
        (4, 8, 8),
        (3, 16, 16),
    ]
    # 10·8·16 + 8 + 2·8, 8·4·16 + 4 + 2·4, 4·3·16 + 3
    assert solution.total_params == (1280 + 24) + (512 + 12) + (192 + 3)
    assert sum(parameter.numel() for parameter in build(solution).parameters()) == solution.total_params


@pytest.mark.parametrize(
    ("cell", "count", "found"),
    [
        ("BN + ReLU", "16", {"batch_norm": 16}),
        ("3x3 conv, 8, BN, ReLU", "592", {"conv": 576, "batch_norm": 16}),
        ("3x3 conv, 8, BN, ReLU", "600", {"conv": 584, "batch_norm": 16}),
        ("3x3 conv, 8, BN, ReLU", "0.6K", {"conv": 584, "batch_norm": 16}),
    ],
)
def test_a_cells_count_is_that_of_all_its_layers(cell: str, count: str, found: dict[str, int]) -> None:
    """8·8·9 = 576, 8 more with a bias, and 2·8 of the normalization."""
    text = f"| Layer | Output | Params |\n|---|---|---|\n| {cell} | 8×6×6 | {count} |"
    solution = solve(read(text), (8, 6, 6))
    assert {row.kind: row.params for row in solution.rows if row.params} == found


def test_a_cells_count_that_its_layers_do_not_give_is_refused() -> None:
    text = "| Layer | Output | Params |\n|---|---|---|\n| 3x3 conv, 8, BN, ReLU | 8×6×6 | 593 |"
    with pytest.raises(Contradiction, match=r"line 3: .*593 parameters are printed for what adds up to"):
        solve(read(text), (8, 6, 6))


def test_kernels_of_three_axes() -> None:
    text = "| Layer | Output |\n|---|---|\n| Conv3D 3×3×3, 4 | 4×8×16×16 |\n| MaxPool3D 1×2×2 | 4×8×8×8 |"
    solution = solve(read(text), (1, 8, 16, 16))
    assert solution.rows[1].hyperparameters["kernel"] == (1, 2, 2)


@pytest.mark.parametrize(("word", "stated"), [("DWConv", {"groups": 8}), ("PWConv", {"kernel": (1, 1), "groups": 1})])
def test_short_words_of_separable_convolutions(word: str, stated: dict[str, object]) -> None:
    table = read(f"| Layer | Output |\n|---|---|\n| {word} | 8×6×6 |\n| GAP | 8 |")
    (row, pool) = solve(table, (8, 6, 6), kernel=1).rows
    assert stated.items() <= row.hyperparameters.items()
    assert pool.kind == "global_avg_pool"
    assert isinstance(table.rows[0], PrintedRow)


def test_links_struck_words_and_lines_in_a_cell() -> None:
    text = """| **Layer** | **Output** | **Parameters** |
|:--|:-:|--:|
| [Conv1](https://example.org/x) 5×5 | `6×28×28` | *156* |
| **MaxPool** 2×2<br>stride 2 | `6×14×14` | – |
| Conv2 5×5 | `16×10×10` | ~~2,415~~ 2,416 |
"""
    table = read(text)
    assert [row.name for row in table.rows] == ["Conv1 5×5", "MaxPool 2×2, stride 2", "Conv2 5×5"]
    assert table.rows[1].stated == {"kernel": (2, 2), "stride": (2,)}
    assert solve(table, (1, 32, 32)).total_params == 156 + 2416


def test_a_course_sheet_that_asks_for_what_it_leaves_out() -> None:
    """8 kernels of 5×5 over 3 channels, 64 − 5 + 1 = 60; 28/2 = 14: 608 + 1 168 + 10·(16·14·14 + 1)."""
    text = """| Layer | Filter | Output | # parameters |
|---|---|---|---|
| Input | | 3x64x64 | 0 |
| Conv | 8 @ 5x5 | ? | ? |
| Pool | 2x2, stride 2 | 8x30x30 | 0 |
| Conv | 16 @ 3x3 | 16x28x28 | ? |
| Pool | 2x2, stride 2 | ? | 0 |
| FC | | 10 | ? |
"""
    solution = solve(read(text), stride=1, padding=0)
    assert [row.output_shape for row in solution.rows] == [(8, 60, 60), (8, 30, 30), (16, 28, 28), (16, 14, 14), (10,)]
    assert solution.total_params == 608 + 1168 + 31_370


ROUNDED = "| Layer | Output | Params |\n|---|---|---|\n| Conv 3×3 | 8×6×6 | 584 |\n| FC | 10 | {} |\n| Total | | {} |\n"


def test_a_rounded_total_is_met_or_refused() -> None:
    """584 + 10·(288 + 1) = 3 474."""
    met = solve(read(ROUNDED.format("2,890", "3.5K")), (8, 6, 6))
    assert "the printed total, 3 450 to 3 550 as rounded, is met" in met.notes
    with pytest.raises(Contradiction, match=r"no solution of the rows adds up to 3 650 parameters; .* 3 474"):
        solve(read(ROUNDED.format("2,890", "3.7K")), (8, 6, 6))
    still = solve(read(ROUNDED.format("2.9K", "3.7K")), (8, 6, 6))
    assert "is not that of the solutions ranked first, which have 3 474" in " ".join(still.notes)
