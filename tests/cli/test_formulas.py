"""`inspector formulas`: the textbook is read from the rules, so that it cannot say anything else."""

from __future__ import annotations

import json

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
