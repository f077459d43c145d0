"""A convolution as a matrix: `ConvOperator`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from inspector.errors import InspectionError, ShapeError
from inspector.toeplitz import apply, costs, layouts
from inspector.toeplitz.configuration import ChannelsLast, Convolution, Padding, check_bias, check_like, configure
from inspector.toeplitz.costs import Layout
from inspector.toeplitz.modules import arguments_of
from inspector.toeplitz.paper_text import extent
from inspector.toeplitz.product import Product, multiplies, require_product

if TYPE_CHECKING:
    from inspector.toeplitz.axis import Axis
    from inspector.toeplitz.diagonals import Diagonals
    from inspector.toeplitz.grid import Grid
    from inspector.toeplitz.norms import Method, NormBracket


@dataclass(slots=True, eq=False, repr=False)
class ConvOperator:
    """The matrix A with A·vec(x) = vec(conv(x)), as an object that needs no memory until it is asked for.

    Made by `conv_operator` or `ConvOperator.from_module`. Products are differentiable in the vector and in the weight.

    Attributes:
        weight: as the windows apply it (cross-correlation), in PyTorch's layout for this convolution.
        bias: (C_out,), added by ``A(images)`` alone; the matrix is linear. Its transpose has none.
        convolution: everything but the values.
    """

    weight: Tensor
    bias: Tensor | None
    convolution: Convolution
    _built: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    _transpose: ConvOperator | None = field(default=None, init=False)

    @classmethod
    def from_module(
        cls, module: nn.Module, input_size: int | Sequence[int], *, channels_last: ChannelsLast = False
    ) -> ConvOperator:
        """The operator of a convolution module, sharing its weight and bias.

        Raises:
            InspectionError: the module is no convolution of 1, 2 or 3 axes.
            ShapeError: it cannot take an input of this size.

        >>> ConvOperator.from_module(nn.Conv2d(3, 8, 3, padding="same"), input_size=(16, 16)).shape
        (2048, 768)
        """
        return conv_operator(**arguments_of(module), input_size=input_size, channels_last=channels_last)

    def __repr__(self) -> str:
        return f"ConvOperator({extent(self)}, {self.dtype} on {self.device})"

    @property
    def shape(self) -> tuple[int, int]:
        """(n_out, n_in)."""
        return self.convolution.rows.numel, self.convolution.columns.numel

    @property
    def nnz(self) -> int:
        """Entries, in closed form: all that the kernel reaches, zeros of the weight among them."""
        return costs.nnz(self.convolution)

    def nbytes(self, layout: Layout = "csr", *, affine: bool = False) -> int:
        """Bytes of the matrix in this layout, in closed form."""
        return costs.nbytes(self.convolution, costs.known(layout), self.weight.element_size(), affine)

    @property
    def dtype(self) -> torch.dtype:
        return self.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.weight.device

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The windows along each axis; of a transposed convolution, those of the convolution that it transposes."""
        return self.convolution.axes

    @property
    def groups(self) -> int:
        return self.convolution.groups

    @property
    def transposed(self) -> bool:
        """Whether the matrix lays windows back onto an image, instead of reading them from one."""
        return self.convolution.transposed

    @property
    def rows(self) -> Grid:
        """The images that it gives: channels, size and their order in the vector."""
        return self.convolution.rows

    @property
    def columns(self) -> Grid:
        """The images that it takes."""
        return self.convolution.columns

    @property
    def T(self) -> ConvOperator:  # noqa: N802
        """The transposed matrix, as an operator of the same weight; not conjugated."""
        if self._transpose is None:  # kept, so that its matrix is built once
            self._transpose = ConvOperator(self.weight, None, self.convolution.T)
        return self._transpose

    @property
    def H(self) -> ConvOperator:  # noqa: N802
        """The adjoint: transposed and conjugated."""
        return self.with_weight(self.weight.conj()).T if self.weight.is_complex() else self.T

    def with_weight(self, weight: Tensor) -> ConvOperator:
        """The same convolution with other values, of any dtype and on any device, and without bias."""
        if not isinstance(weight, Tensor) or weight.shape != self.weight.shape:
            got = list(weight.shape) if isinstance(weight, Tensor) else type(weight).__name__
            raise ShapeError(f"weight: expected shape {list(self.weight.shape)}, got {got}")
        return ConvOperator(weight, None, self.convolution)

    def to(self, *arguments: Any, **named: Any) -> ConvOperator:
        """The same convolution, its weight and bias in another dtype or on another device, as by `torch.Tensor.to`.

        >>> conv_operator(torch.ones(1, 1, 3), input_size=5).to(torch.float64).dtype
        torch.float64
        """
        bias = None if self.bias is None else self.bias.to(*arguments, **named)
        return ConvOperator(self.weight.to(*arguments, **named), bias, self.convolution)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles leave a matrix that was built behind: it is large, and PyTorch copies no sparse one."""
        return ConvOperator, (self.weight, self.bias, self.convolution)

    def __call__(self, images: Tensor) -> Tensor:
        r"""The convolution itself, bias included: (\*batch, C_in, \*size) -> (\*batch, C_out, \*out)."""
        check_like(images, self.weight, "A(images)")
        wanted = self.columns.shape
        if images.shape[-len(wanted) :] != wanted:
            raise ShapeError(f"A(images): expected (*batch, {', '.join(map(str, wanted))}), got {list(images.shape)}")
        batch = images.shape[: images.dim() - len(wanted)]
        out = apply.forward(self.convolution, self.weight, images.reshape(batch.numel(), *wanted))
        if self.bias is not None:
            out = out + self.bias.view(-1, *[1] * len(self.rows.size))
        return out.reshape(*batch, *self.rows.shape)

    def __matmul__(self, x: Tensor) -> Tensor:
        return self.matmul(x)

    def matmul(self, x: Tensor, *, matrix_free: bool | None = None) -> Tensor:
        r"""A·x for x of shape (n_in,) or (\*batch, n_in, k), as with any matrix.

        Args:
            x: of the weight's dtype and device.
            matrix_free: True convolves, which is quicker and takes no memory for the matrix; False multiplies with the
                CSR matrix, which is built once and kept while the weight's values stay; None multiplies with the
                matrix where it fits and the device can, and convolves where not.

        Raises:
            DoesNotFit: ``matrix_free=False`` and there is no memory for the matrix.
            InspectionError: ``matrix_free=False`` and PyTorch has no product with CSR for this dtype and device.
        """
        check_like(x, self.weight, "A @ x")
        n_in = self.shape[1]
        if x.dim() == 0 or x.shape[0 if x.dim() == 1 else -2] != n_in:
            raise ShapeError(f"A @ x: expected ({n_in},) or (*batch, {n_in}, k), got {list(x.shape)}")
        if x.dim() == 1:
            return self.matmul(x[:, None], matrix_free=matrix_free)[:, 0]
        flat = x.movedim(-2, 0)
        vectors = flat.reshape(n_in, flat.shape[1:].numel())
        out = self._convolve(vectors) if self._goes_without(matrix_free) else Product.apply(self.weight, vectors, self)
        return out.reshape(self.shape[0], *flat.shape[1:]).movedim(0, -2)

    @property
    def matrix_free(self) -> bool:
        """Whether ``A @ x`` convolves, because the CSR matrix does not fit or PyTorch cannot multiply with it."""
        if not multiplies(self.dtype, self.device):
            return True
        return self._built is None and not costs.fits(self.convolution, "csr", self.weight.element_size(), self.device)

    def to_sparse(self, layout: Layout = "csr", *, affine: bool = False) -> Tensor:
        """The matrix as a sparse tensor, int32 indices while they fit (COO has int64); differentiable in the weight.

        Args:
            layout: ``"csr"``, ``"csc"``, ``"coo"``, or ``"bsr"``, whose dense blocks need ``channels_last=True``.
            affine: with the bias as last column, (n_out, n_in + 1): to be applied to a vector that ends in 1.

        Raises:
            DoesNotFit: before anything is allocated.
        """
        if costs.known(layout) == "dense":
            raise InspectionError("to_sparse: 'dense' is to_dense()")
        if affine and layout == "bsr":
            raise InspectionError("to_sparse: an affine column is no dense block of channels; ask for csr, csc or coo")
        self._require(layout, affine)
        return layouts.sparse(layout, self.convolution, self.weight, self._column(affine))

    def to_dense(self, *, affine: bool = False) -> Tensor:
        """The whole matrix (n_out, n_in), differentiable in the weight; ``affine`` as in `to_sparse`."""
        self._require("dense", affine)
        return layouts.dense(self.convolution, self.weight, self._column(affine))

    def to_scipy(self, layout: Layout = "csr", *, affine: bool = False) -> Any:
        """As `scipy.sparse.csr_array`, ``csc_array``, ``coo_array`` or ``bsr_array``; nothing is copied on the CPU."""
        from inspector.toeplitz.foreign import to_scipy  # scipy is an extra

        return to_scipy(self.to_sparse(layout, affine=affine))

    def diagonals(self, *, wrap: bool = False) -> Diagonals:
        """The diagonals that hold entries, by offset; ``wrap``: the generalised ones (r, (r + offset) mod n_in)."""
        from inspector.toeplitz.diagonals import diagonals

        return diagonals(self, wrap)

    def operator_norm(self, method: Method = "auto") -> NormBracket:
        """A certified bracket of the largest singular value: ``.lower``, ``.upper``, ``.certified``."""
        from inspector.toeplitz.norms import operator_norm  # above this file

        return operator_norm(self, method)

    def csr(self) -> Tensor:
        """The CSR matrix without gradient, built once and kept while the weight's values stay the same."""
        weight = self.weight.detach()
        if self._built is None or not torch.equal(self._built[0], weight):
            self._built = None  # let the old matrix go before the new one comes
            self._require("csr", affine=False)
            self._built = weight.clone(), layouts.csr(self.convolution, weight)
        return self._built[1]

    def _convolve(self, vectors: Tensor) -> Tensor:
        images = self.columns.to_images(vectors)
        return self.rows.to_vectors(apply.forward(self.convolution, self.weight, images))

    def _goes_without(self, matrix_free: bool | None) -> bool:
        if matrix_free is False:
            require_product(self.dtype, self.device)
        return self.matrix_free if matrix_free is None else matrix_free

    def _column(self, affine: bool) -> Tensor | None:
        if not affine:
            return None
        return self.weight.new_zeros(self.rows.channels) if self.bias is None else self.bias

    def _require(self, layout: Layout, affine: bool) -> None:
        costs.require(self.convolution, layout, self.weight.element_size(), self.device, affine)


def conv_operator(
    weight: Tensor,
    input_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    transposed: bool = False,
    output_padding: int | Sequence[int] = 0,
    bias: Tensor | None = None,
    *,
    flip: bool = False,
    channels_last: ChannelsLast = False,
) -> ConvOperator:
    r"""The matrix of a convolution; arguments as `torch.nn.functional.conv2d` and `torch.nn.Conv2d` take them.

    Args:
        weight: (C_out, C_in/groups, \*kernel), or with ``transposed`` (C_in, C_out/groups, \*kernel); 1 to 3 axes.
        input_size: sizes of the input's axes, without batch and channels.
        stride: a number, or one for each axis.
        padding: a number, one for each axis, one pair (before, after) for each axis, ``"same"`` or ``"valid"``.
        dilation: a number, or one for each axis.
        groups: channels mix within a group only; C_in for a depthwise convolution.
        padding_mode: ``"zeros"``, ``"circular"``, ``"reflect"`` or ``"replicate"``.
        transposed: a transposed convolution.
        output_padding: of a transposed convolution alone, a number, or one for each axis.
        bias: (C_out,).
        flip: true convolution, which turns the kernel around; PyTorch's is cross-correlation.
        channels_last: flattens images as (\*size, C): both of them, or the ``"rows"`` or the ``"columns"`` alone.

    Raises:
        ShapeError: PyTorch would refuse these arguments, or the output would be empty.

    >>> kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> A = conv_operator(kernel[None, None], input_size=(4, 4))
    >>> A.shape, A.nnz, (A @ torch.tensor([10.0, 10, 0, 0] * 4)).tolist()
    ((4, 16), 36, [-40.0, -40.0, -40.0, -40.0])
    """
    numbers = isinstance(weight, Tensor) and weight.dtype != torch.bool and not weight.is_quantized
    if not numbers or weight.layout != torch.strided:
        got = f"{weight.layout} {weight.dtype}" if isinstance(weight, Tensor) else type(weight).__name__
        raise ShapeError(f"weight: expected a dense tensor of numbers, got {got}")
    convolution = configure(
        weight.shape,
        input_size,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        transposed,
        output_padding,
        channels_last,
    )
    if bias is not None:
        check_bias(bias, weight, convolution.rows.channels)
    return ConvOperator(weight.flip(*range(2, weight.dim())) if flip else weight, bias, convolution)
