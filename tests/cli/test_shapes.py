"""Every way to write an input that people know from other tools, and what is no input."""

from __future__ import annotations

import pytest

from inspector.cli.shapes import InputShape, arrange, parse_input
from inspector.errors import InspectionError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,3,224,224", InputShape((1, 3, 224, 224))),
        ("1x3x224x224", InputShape((1, 3, 224, 224))),
        ("[1,3,224,224]", InputShape((1, 3, 224, 224))),
        ("(1, 3, 224, 224)", InputShape((1, 3, 224, 224))),
        ("16", InputShape((16,))),
        ("16,", InputShape((16,))),
        ("[]", InputShape(())),
        ("N,3,H,W", InputShape(("N", 3, "H", "W"))),
        ("Nx3xHxW", InputShape(("N", 3, "H", "W"))),
        ("2,16:int64", InputShape((2, 16), None, "int64")),
        ("N:int64", InputShape(("N",), None, "int64")),
        ("2,16:torch.bool", InputShape((2, 16), None, "torch.bool")),
        ("tokens=2,16:int64", InputShape((2, 16), "tokens", "int64")),
        ("mask=2x16:bool", InputShape((2, 16), "mask", "bool")),
        ("x=[]", InputShape((), "x")),
        ("image:[1,3,224,224]", InputShape((1, 3, 224, 224), "image")),
        ("ids:8x128", InputShape((8, 128), "ids")),
        ("ids:8x128:int64", InputShape((8, 128), "ids", "int64")),
        ("ids:N", InputShape(("N",), "ids")),
    ],
)
def test_inputs_that_can_be_read(text: str, expected: InputShape) -> None:
    assert parse_input(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no size"),
        ("1,,3", "'' is no size"),
        ("1.5,3", "'1.5' is no size"),
        ("1;3", "'1;3' is no size"),
        ("2,0", "the size 0 must be at least 1"),
        ("2,-4", "the size -4 must be at least 1"),
        ("2,4:", "'' is no dtype"),
        ("1=2,4", "cannot be read"),
        ("=2,4", "cannot be read"),
        ("x=1:int64:int64", "cannot be read"),
    ],
)
def test_what_is_no_input_says_why_and_how_to_write_one(text: str, message: str) -> None:
    with pytest.raises(InspectionError) as caught:
        parse_input(text)
    assert message in str(caught.value)


def test_unnamed_inputs_are_positional() -> None:
    assert arrange([InputShape((2,)), InputShape((3,), dtype="bool")], ["a", "b"]) == ([(2,), (3,)], [None, "bool"])


def test_a_name_makes_all_of_them_named() -> None:
    shapes = [InputShape((2,)), InputShape((3,), "c", "bool")]
    assert arrange(shapes, ["a", "b", "c"]) == ({"a": (2,), "c": (3,)}, {"a": None, "c": "bool"})


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(InspectionError, match="'a' twice"):
        arrange([InputShape((2,)), InputShape((3,), "a")], ["a"])


def test_more_inputs_than_parameters_are_refused() -> None:
    with pytest.raises(InspectionError, match=r"2 times without a name.*\(a\)"):
        arrange([InputShape((2,)), InputShape((3,)), InputShape((3,), "b")], ["a"])
