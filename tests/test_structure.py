"""Tensors in nested values."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from inspector.structure import deep_copy, map_tensors, tensors, unwrap

Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Box:
    inner: object
    label: str = "a"


class Cache:
    def __init__(self, keys: Tensor) -> None:
        self.keys = keys
        self.again = keys
        self.length = 3


def sizes(value: object) -> list[int]:
    return [tensor.numel() for tensor in tensors(value)]


def test_a_tensor_alone():
    one = torch.zeros(3)
    assert tensors(one)[0] is one


def test_order_follows_the_structure():
    a, b, c, d, e = (torch.zeros(n) for n in range(1, 6))
    assert sizes((a, [b, None, 7, "text"], {"x": c}, Pair(d, Box(e)))) == [1, 2, 3, 4, 5]


def test_one_tensor_twice_in_a_sequence_counts_twice():
    one = torch.zeros(2)
    assert sizes((one, one)) == [2, 2]


def test_attributes_of_objects_each_once():
    assert sizes(Cache(torch.zeros(4))) == [4]


def test_a_distribution_shows_its_parameters():
    assert sizes(torch.distributions.Normal(torch.zeros(2), torch.ones(2))) == [2, 2]


def test_circles_end():
    loop: list[object] = [torch.zeros(2)]
    loop.append(loop)
    assert sizes(loop) == [2]


def test_modules_and_plain_values_are_not_entered():
    assert sizes((nn.Linear(2, 2), 3, "x", None, torch.float32, torch.Size([2]))) == []


def test_mapping_keeps_every_container():
    value = (
        Pair(torch.zeros(1), 2),
        Box([torch.zeros(2)]),
        OrderedDict(x=torch.zeros(3)),
        pack_sequence([torch.zeros(2, 5), torch.zeros(1, 5)]),
    )
    mapped = map_tensors(value, lambda tensor: tensor + 1)
    assert [type(item) for item in mapped] == [type(item) for item in value]
    assert mapped[0].first.item() == 1
    assert mapped[0].second == 2
    assert mapped[1].inner[0].tolist() == [1, 1]
    assert mapped[1].label == "a"
    assert mapped[2]["x"].tolist() == [1, 1, 1]
    assert mapped[3].data.sum() == 15  # three steps of five features
    assert mapped[3].batch_sizes.tolist() == [2, 1]
    assert value[1].inner[0].tolist() == [0, 0], "the original is as it was"


def test_mapping_objects_and_circles():
    cache = Cache(torch.zeros(2))
    cache.me = cache
    twin = map_tensors(cache, lambda tensor: tensor + 1)
    assert twin is not cache
    assert twin.me is twin
    assert twin.keys.tolist() == [1, 1]
    assert cache.keys.tolist() == [0, 0]


def test_what_holds_no_tensor_stays_itself():
    for value in (3, "x", (1, 2), {"a": 1}, torch.Size([2])):
        assert map_tensors(value, torch.neg) is value


def test_unwrap():
    inner = nn.Linear(2, 2)
    assert unwrap(nn.DataParallel(inner)) is inner
    assert unwrap(torch.compile(inner)) is inner
    assert unwrap(inner) is inner


def test_lazy_models_can_be_copied():
    twin = deep_copy(nn.Sequential(nn.LazyBatchNorm1d(), nn.LazyLinear(2)))
    assert nn.parameter.is_lazy(twin[0].running_mean)
