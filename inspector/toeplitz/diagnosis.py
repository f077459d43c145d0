"""From a kernel's impulse response to the name of its fault."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

from inspector.toeplitz.configuration import Convolution
from inspector.toeplitz.faults import Fault, Variant, resized, respond, variants
from inspector.toeplitz.location import located, matching
from inspector.toeplitz.question import Question, allowed_error, wide

#: (channel, *place) of an impulse.
Place: TypeAlias = tuple[int, ...]

#: Impulses sent at most; of a larger input the corners, the middle and some between.
_IMPULSES = 4096
#: Numbers that all impulse responses together may take, and one batch of them.
_NUMBERS, _BATCH = 2**23, 2**22
#: Impulses that every variant is held against first.
_GLANCE = 12
#: Types in which a kernel may have summed without being asked, by their unit roundoff.
_NARROW = ((torch.float32, 2.0**-24), (torch.float16, 2.0**-11), (torch.bfloat16, 2.0**-8))
#: What no convolution does, by the check that tells it; the first one is the likeliest cause of the others.
_NO_CONVOLUTION = {
    "repeat": "not deterministic: two calls with the same input differ",
    "batch": "a sample's result depends on the other samples of the batch",
    "linearity": "not linear: the response to a sum is not the sum of the responses",
}


class Diagnosis:
    """The impulse response of a kernel beside the one it should have."""

    def __init__(self, question: Question) -> None:
        self.question = question
        operator = question.operator
        generator = torch.Generator().manual_seed(1)
        shape = operator.weight.shape
        # With a weight of its own no two taps are alike, and a fault shows that the user's weight may hide.
        drawn = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5
        sign = torch.where(torch.rand(shape, generator=generator) < 0.5, -1.0, 1.0)
        if operator.dtype.is_complex:
            sign = sign * torch.polar(
                torch.ones_like(drawn), 3 * torch.rand(shape, generator=generator, dtype=torch.float64)
            )
        own = (drawn * sign).to(operator.dtype).to(operator.device)
        self.weight = own if question.takes_weight else operator.weight
        self.sources, self.channels = _sources(operator.columns.shape, prod(operator.rows.shape))

    def response(self) -> tuple[bool, str]:
        """(ok, words): whether every impulse comes out as it should."""
        wrong = int(self._wrong.sum())
        total = prod(self.question.operator.columns.shape)
        part = "" if len(self.sources) == total else f" of {total}, chosen at corners, middle and between"
        return not wrong, f"{len(self.sources)} impulses{part}: {wrong} of {self._wrong.numel()} entries differ"

    def faults(self, x: Tensor, got: Tensor, failed: tuple[str, ...]) -> tuple[Fault, ...]:
        """Names for what the checks found."""
        if (lost := _not_finite(got, self.question.exact(x))) is not None:
            return (lost,)
        found = [fault for fault in (self._of_bias(), self._of_response()) if fault]
        if not found and (narrow := self._of_sums(x, got)):
            found = [narrow]
        # Of complex numbers no real impulse tells a conjugated result from conjugated taps.
        named = found and found[-1].kind != "unknown" and not self.question.operator.dtype.is_complex
        for check, said in _NO_CONVOLUTION.items():
            if check in failed and (not named or check == "repeat"):
                found = [Fault("unknown", said)]
                break
        if not found and "own adjoint" in failed:
            found.append(Fault("adjoint", "the forward is right, its backward in x is not its adjoint"))
        if "dtype" in failed:
            found.append(Fault("precision", "the result has another dtype than the weight"))
        return tuple(found) or (Fault("unknown", f"differs in {', '.join(failed)}"),)

    def of_shape(self, shape: tuple[int, ...]) -> tuple[Fault, ...]:
        """The fault of a kernel whose output has another shape."""
        operator = self.question.operator
        said = f"the output has shape {list(shape[1:])}, expected {list(operator.rows.shape)}"
        if len(shape) == len(operator.rows.shape) + 1 and shape[1] == operator.rows.channels:
            images = self._images(self.sources[:64])
            found = wide(self._answers(images))
            for variant in variants(operator.convolution, wide(self.weight), size=shape[2:]):
                other = resized(variant, shape[2:])
                if other is None:
                    continue
                if _same(found, respond(other.convolution, other.weight, wide(images)), self._near):
                    return (Fault(other.fault.kind, f"{other.fault.said}; {said}"),)
        return (Fault("shape", said),)

    @cached_property
    def _found(self) -> Tensor:
        return torch.cat([self._answers(self._images(part)) for part in self._parts()])

    @cached_property
    def _wanted(self) -> Tensor:
        matrix = self.question.operator.with_weight(wide(self.weight))
        return torch.cat([matrix(wide(self._images(part))) for part in self._parts()])

    @cached_property
    def _wrong(self) -> Tensor:
        missed = (wide(self._found) - self._wanted).abs()
        return ~(missed <= self._near * (1 + self._wanted.abs()))

    @property
    def _near(self) -> float:
        """Tolerance of one entry: a tap or the sum of some that padding folds together, beside the bias."""
        operator = self.question.operator
        folded = 1 if operator.axes[0].mode == "zeros" else prod(operator.weight.shape[2:])
        bias = 0.0 if operator.bias is None else float(operator.bias.detach().abs().max())
        scale = float(self.weight.detach().abs().max()) * folded + 2 * bias
        unit = max(torch.finfo(dtype).eps for dtype in (operator.dtype, self.question.accumulate))
        return 4 * (folded + 2) * unit * max(scale, torch.finfo(operator.dtype).smallest_normal)

    def _parts(self) -> Iterator[list[Place]]:
        step = max(1, _BATCH // max(1, prod(self.question.operator.rows.shape)))
        for first in range(0, len(self.sources), step):
            yield self.sources[first : first + step]

    def _images(self, places: list[Place]) -> Tensor:
        operator = self.question.operator
        images = torch.zeros(len(places), *operator.columns.shape, dtype=operator.dtype, device=operator.device)
        for number, place in enumerate(places):
            images[(number, *place)] = 1
        return images

    def _answers(self, images: Tensor) -> Tensor:
        """The kernel's linear part."""
        nothing = self.question.call(torch.zeros_like(images[:1]), self.weight).detach()
        return self.question.call(images, self.weight).detach() - nothing

    def _respond(self, convolution: Convolution, weight: Tensor) -> Tensor:
        return torch.cat([respond(convolution, weight, wide(self._images(part))) for part in self._parts()])

    def _of_bias(self) -> Fault | None:
        operator = self.question.operator
        nothing = torch.zeros(1, *operator.columns.shape, dtype=operator.dtype, device=operator.device)
        found = wide(self.question.call(nothing))[0]
        allowed = self.question.tolerance(nothing)[0]
        wanted = self.question.exact(nothing)[0]
        if bool(((found - wanted).abs() <= allowed).all()):
            return None
        if bool((found.abs() <= allowed).all()):
            return Fault("bias", "the bias is missing")
        for factor, word in ((2.0, "added twice"), (-1.0, "subtracted")):
            if bool(((found - factor * wanted).abs() <= 2 * allowed).all()):
                return Fault("bias", f"the bias is {word}")
        order = matching(found, wanted, 0, float(allowed.max()))
        if order is not None:
            channel = next(number for number, other in enumerate(order) if number != other)
            return Fault("bias", f"output channel {channel} gets the bias of channel {order[channel]}")
        spread = (found - found.flatten(1)[:, :1].view(-1, *[1] * (found.dim() - 1))).abs()
        if bool((spread > allowed).any()):
            return Fault("bias", "kernel(0) is not the same at every position")
        channel = int((~((found - wanted).abs() <= allowed)).flatten(1).any(1).nonzero()[0])
        got, asked = (tensor[channel].flatten()[0].item() for tensor in (found, wanted))
        return Fault("bias", f"output channel {channel} gets {got:.6g}, where {asked:.6g} is asked for")

    def _of_response(self) -> Fault | None:
        if not self._wrong.any() or self._rounded() is not None:
            return None
        found, convolution = wide(self._found), self.question.operator.convolution
        for variant in variants(convolution, wide(self.weight)):
            if self._is(variant, found):
                return variant.fault
        return (
            self._of_scale(found)
            or self._of_channels(found)
            or located(found, self._wanted, self._wrong, self._owners(), self.sources, tuple(self.weight.shape[2:]))
        )

    def _is(self, variant: Variant, found: Tensor) -> bool:
        """Whether the kernel is this variant: at a glance, then in everything."""
        some = slice(None, None, max(1, len(self.sources) // _GLANCE))
        images = wide(self._images(self.sources[some]))
        if not _same(found[some], respond(variant.convolution, variant.weight, images), self._near):
            return False
        return _same(found, self._respond(variant.convolution, variant.weight), self._near)

    def _of_scale(self, found: Tensor) -> Fault | None:
        """One factor that explains everything."""
        largest = int(self._wanted.abs().argmax())
        factor = (found.flatten()[largest] / self._wanted.flatten()[largest]).item()
        if not factor or not _same(found, factor * self._wanted, self._near * max(1.0, abs(factor))):
            return None
        return Fault(
            "tap", "the sign is turned" if factor == -1 else f"every tap is {factor:.6g} times what it should be"
        )

    def _of_channels(self, found: Tensor) -> Fault | None:
        """Channels that stand in each other's places."""
        operator = self.question.operator
        for dim, word in ((1, "output"), (0, "input")):
            parts = (found, self._wanted)
            if dim == 0:
                parts = (found.unflatten(0, (self.channels, -1)), self._wanted.unflatten(0, (self.channels, -1)))
            order = matching(*parts, dim, self._near * (1 + float(self._wanted.abs().max())))
            if order is None or order == list(range(len(order))):
                continue
            moved = next(number for number, other in enumerate(order) if number != other)
            size = len(order) // operator.groups
            blocks = operator.groups > 1 and all(a // size != b // size for a, b in enumerate(order) if a != b)
            said = f"{word} channel {moved} stands where {word} channel {order[moved]} belongs"
            if not blocks:
                return Fault("channel", said)
            whole = all(order[at] // size == order[at - at % size] // size for at in range(len(order)))
            if whole:
                said = f"group {moved // size}'s {word}s stand where group {order[moved] // size}'s belong"
            return Fault("group", f"{'groups are exchanged' if whole else 'channels are in the wrong group'}: {said}")
        return None

    def _owners(self) -> Tensor:
        """Which tap joins each impulse and output: −1 none, −2 several."""
        operator = self.question.operator
        shape = operator.weight.shape
        ones = torch.ones(shape, dtype=torch.float64, device=operator.device)
        numbers = (
            torch.arange(prod(shape[2:]), dtype=torch.float64, device=operator.device).view(shape[2:]).expand(shape)
        )
        count, number = (self._respond(operator.convolution, weight) for weight in (ones, numbers))
        owners = torch.where(count == 1, number, torch.where(count == 0, -1.0, -2.0))
        return owners.round().long()

    def _rounded(self) -> tuple[torch.dtype, float] | None:
        """The narrow type whose rounding explains every entry that differs."""
        missed = (wide(self._found) - self._wanted).abs()
        for dtype, unit in _NARROW:
            bias = (
                0.0
                if self.question.operator.bias is None
                else 2 * float(self.question.operator.bias.detach().abs().max())
            )
            if bool((missed <= 3 * unit * (self._wanted.abs() + bias) + 1e-7 * unit).all()):
                return dtype, unit
        return None

    def _of_sums(self, x: Tensor, got: Tensor) -> Fault | None:
        """Sums in a narrower type: every tap is right, and the results differ by no more than that type explains."""
        question, exact = self.question, self.question.exact(x)
        rounded = self._rounded() if self._wrong.any() else None
        if self._wrong.any() and rounded is None:
            return None
        missed = (wide(got) - exact).abs()
        if bool((missed <= question.tolerance(x)).all()):
            return None
        for dtype, unit in _NARROW if rounded is None else (rounded,):
            if torch.finfo(question.accumulate).eps >= 2 * unit:
                continue
            allowed = allowed_error(question.operator, wide(x), dtype, 2 * question.terms + 1, question.shift)
            if bool((missed <= allowed + 4 * unit * exact.abs()).all()):
                return Fault("precision", f"{self._narrow(dtype, got)}; largest error {float(missed.max()):.3g}")
        return None

    def _narrow(self, dtype: torch.dtype, got: Tensor) -> str:
        """Which type the results betray: those that round to it without change are its own numbers."""
        results = torch.view_as_real(got) if got.is_complex() else got
        own, asked = (str(each).removeprefix("torch.") for each in (results.dtype, self.question.accumulate))
        if torch.finfo(dtype).eps <= torch.finfo(results.dtype).eps:
            return f"sums are rounded to {own} on the way, where accumulation in {asked} is asked for"
        for narrow in (torch.bfloat16, torch.float16, torch.float32):
            if torch.finfo(narrow).eps > torch.finfo(results.dtype).eps and torch.equal(
                results.to(narrow).to(results.dtype), results
            ):
                word = str(narrow).removeprefix("torch.")
                return f"results are numbers of {word}: accumulation in {word}, where {asked} is asked for"
        word = "TF32 or float16" if dtype is torch.float16 else str(dtype).removeprefix("torch.")
        return f"the inputs of the products are rounded to {word}, the sums are not"


def _not_finite(got: Tensor, exact: Tensor) -> Fault | None:
    """Where nothing is written, memory holds what it will."""
    lost = ~got.isfinite() & exact.isfinite()
    if not lost.any():
        return None
    place = tuple(lost.nonzero()[0].tolist())
    said = f"{int(lost.sum())} of {lost.numel()} results are not finite, {got[place].item()} at output {place[1:]}"
    return Fault("unknown", f"{said}; where no thread writes, memory holds anything")


def _same(found: Tensor, wanted: Tensor, near: float) -> bool:
    return bool(((found - wanted).abs() <= near * (1 + wanted.abs())).all())


def _sources(shape: tuple[int, ...], outputs: int) -> tuple[list[Place], int]:
    """Places of the impulses, and of how many channels: all places, or for each channel the same few.

    These are the middle, the corners, some at the borders, and others drawn.
    """
    channels, *size = shape
    most = max(8, min(_IMPULSES, _NUMBERS // max(1, outputs)))
    chosen_channels = range(channels)
    if channels * 4 > most:  # the ends of the range and some between
        chosen_channels = sorted({round(n * (channels - 1) / (most // 4)) for n in range(most // 4 + 1)})  # type: ignore[assignment]
    places = max(1, most // len(chosen_channels))
    spots = [tuple(place) for place in product(*(range(length) for length in size))] if prod(size) <= places else []
    if not spots:
        preferred = [tuple(length // 2 for length in size), *product(*((0, length - 1) for length in size))]
        preferred += product(*(sorted({0, 1, length // 2, max(0, length - 2), length - 1}) for length in size))
        drawn = torch.randint(2**31, (places, len(size)), generator=torch.Generator().manual_seed(2)).tolist()
        preferred += [tuple(n % length for n, length in zip(spot, size, strict=True)) for spot in drawn]
        spots = list(dict.fromkeys(preferred))[:places]
    return [(channel, *spot) for channel in chosen_channels for spot in spots], len(chosen_channels)
