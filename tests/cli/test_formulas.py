"""`inspector formulas`: the textbook is read from the rules, so that it cannot say anything else."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from inspector import rules
from inspector.calls import name_of
from inspector.cli import main
from inspector.cli.formulas import textbook
from inspector.formula import Formula


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["formulas", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_every_function_with_a_rule_is_in_the_textbook() -> None:
    listed = {(entry.family, name) for entry in textbook() for name in entry.functions}
    for family, table in rules.TABLES.items():
        for function in table:
            name = name_of(function)
            assert (family, name) in listed or (family, name.removesuffix("_")) in listed


def test_one_function_has_its_formulas_meanings_and_source() -> None:
    text = printed("conv2d")
    assert "parameters  C_out × (C_in/G × K_h × K_w + b)" in text
    assert "MACs        N × C_out × C_in/G × K_h × K_w × H_out × W_out" in text
    assert "G: groups" in text
    assert "arXiv 1603.07285" in text
    assert "K_d" not in text


def test_layers_and_families_are_found_too() -> None:
    assert printed("Conv2d") == printed("conv2d")
    assert "conv_transpose1d" in printed("convolution")
    assert "F_out × (F_in + b)" in printed("Linear")


def test_the_whole_textbook_prints() -> None:
    text = printed()
    assert all(f"{family}: " in text for family in rules.TABLES)


def test_a_name_it_lacks_brings_close_ones() -> None:
    result = CliRunner().invoke(main, ["formulas", "convd2"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "the textbook has no 'convd2'. Did you mean conv" in result.stderr


def test_json_says_the_same_as_the_text() -> None:
    (entry,) = json.loads(printed("conv2d", "--json"))
    assert entry["family"] == "convolution"
    assert "conv2d" in entry["functions"]
    text = " ".join(printed("conv2d").split())
    for formula in entry["formulas"]:
        assert Formula(formula["text"], symbols=formula["symbols"]).render() in text
        assert all(f"{symbol}: {meaning}" in text for symbol, meaning in formula["symbols"].items())
    assert {formula["counts"] for formula in entry["formulas"]} == {"macs", "params"}
    assert len(json.loads(printed("--json"))) == len(textbook())


@pytest.mark.parametrize(
    ("layer", "parts"),
    [
        ("MultiheadAttention", "baddbmm, bmm, linear, scaled_dot_product_attention"),
        ("TransformerEncoderLayer", "other layers and functions"),
    ],
)
def test_a_layer_of_several_functions_names_them(layer: str, parts: str) -> None:
    result = CliRunner().invoke(main, ["formulas", layer])
    assert result.exit_code == 2
    assert f"torch.nn.{layer} is made of {parts}; `inspector summary torch.nn:{layer}" in result.stderr


def test_a_far_off_name_brings_none() -> None:
    result = CliRunner().invoke(main, ["formulas", "nosuch"])
    assert result.exit_code == 2
    assert "Did you mean" not in result.stderr
    assert "prints all of it" in result.stderr


def test_several_sources_say_what_each_states() -> None:
    lines = [" ".join(line.split()) for line in printed("Linear").splitlines()]
    assert "source of parameters: torch.nn.Linear" in lines
    assert any(line.startswith("source of MACs: torch.nn.Linear: y = xA") for line in lines)
    assert "source of parameters, MACs: torch.nn.Conv2d" in printed("conv2d")
    assert "    source: " in printed("relu")


def test_a_symbol_without_meaning_in_the_textbook_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As somebody meets it who writes a rule: the formula, the symbol and the line, and no traceback."""

    def being_written() -> None:
        exec(compile("from inspector import Formula\nZ = Formula('n*Z')", "family.py", "exec"), {})

    monkeypatch.setitem(textbook.__globals__, "textbook", being_written)
    result = CliRunner().invoke(main, ["formulas"], catch_exceptions=False)
    assert result.exit_code == 2
    assert "formula 'n*Z': the symbol Z is explained nowhere" in result.stderr
    assert "at family.py:2" in result.stderr


def test_what_is_counted_by_elements_says_that_it_measures_no_transform() -> None:
    for name in ("fft_fft", "fft_irfft", "stft"):
        assert "no measure of the transform's work" in " ".join(printed(name).split())
