"""Recurrent layers and cells: LSTM, GRU and simple RNN, also bidirectional, stacked, projected and packed.

Each step of each layer and direction multiplies its input (F_in) and its hidden state by one matrix for each gate U:
4 in an LSTM, 3 in a GRU, 1 in a simple RNN. With a projection the hidden state has R features instead of H.

Sources: Hochreiter & Schmidhuber 1997 (LSTM); Sak et al. 2014, arXiv 1402.1128 (projection); Cho et al. 2014,
arXiv 1406.1078 (GRU); PyTorch documentation of ``LSTM``, ``GRU``, ``RNN`` and their cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from inspector.errors import ShapeError
from inspector.formula import Formula
from inspector.rules.common import Rule, ValuesNeeded, empty, product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inspector.formula import BoundFormula
    from inspector.rules.common import Outcome

_SYMBOLS = {"L": "layers", "B": "directions", "H": "hidden features", "n": "steps of all packed sequences"}
_SOURCE = "torch.nn.LSTM, GRU, RNN: the first layer reads F_in features, each further one the B directions below it"


def _formulas(steps: str, when: str = "") -> tuple[Formula, Formula]:
    """(plain, projected) MACs, ``steps`` being all time steps of all sequences."""
    return (
        Formula(f"{steps}*B*U*H*(F_in + H + (L - 1)*(B*H + H))", source=_SOURCE, symbols=_SYMBOLS, when=when),
        Formula(
            f"{steps}*B*(U*H*(F_in + R + (L - 1)*(B*R + R)) + L*H*R)",
            source=f"{_SOURCE}; each step projects H features to R",
            symbols=_SYMBOLS,
            when=f"{when} with proj_size".strip(),
        ),
    )


MACS, PROJECTED_MACS = _formulas("T*N")
PACKED_MACS, PACKED_PROJECTED_MACS = _formulas("n", "packed sequences")
CELL_MACS = Formula("N*U*H*(F_in + H)", source="torch.nn.LSTMCell, GRUCell, RNNCell")
PARAMS = Formula(
    "B*U*H*(F_in + H + 2*b + (L - 1)*(B*H + H + 2*b))",
    counts="params",
    source="torch.nn.LSTM, GRU, RNN: U·H·(F_in + H + 2) for each layer and direction, two biases for each gate",
    symbols=_SYMBOLS,
)
PROJECTED_PARAMS = Formula(
    "B*(U*H*(F_in + R + 2*b + (L - 1)*(B*R + R + 2*b)) + L*H*R)",
    counts="params",
    source="torch.nn.LSTM with proj_size",
    symbols=_SYMBOLS,
    when="with proj_size",
)
CELL_PARAMS = Formula("U*H*(F_in + H + 2*b)", counts="params", source="torch.nn.LSTMCell, GRUCell, RNNCell")


class _Call(NamedTuple):
    """The arguments of torch.lstm, gru, rnn_tanh or rnn_relu, of both its signatures."""

    input: Tensor  # (T, N, F_in), (N, T, F_in) where batch comes first, or packed (n, F_in)
    packed: bool
    hidden: Tensor
    states: Any  # the hidden state, with the cell state of an LSTM a list of both
    weights: Sequence[Any]
    b: int
    layers: int
    directions: int
    batch_first: bool


def _bound(input: Tensor, rest: tuple[Any, ...]) -> _Call:
    """What stands where in ``rest``.

    [batch sizes,] states, weights, has_biases, num_layers, dropout, train, bidirectional[, batch_first]; batch sizes
    belong to a packed sequence.
    """
    packed = isinstance(rest[2], (list, tuple))
    states, weights, biases, layers, _, _, both, *first = rest[1:] if packed else rest
    hidden = states[0] if isinstance(states, (list, tuple)) else states
    return _Call(input, packed, hidden, states, weights, int(biases), layers, 1 + int(both), bool(first and first[0]))


def _values(gates: int, call: _Call) -> dict[str, Any]:
    """Values of the symbols that all formulas of layers share; H is the width of an LSTM's cell state."""
    H = call.states[1].shape[-1] if gates == 4 else call.hidden.shape[-1]
    return {"B": call.directions, "U": gates, "H": H, "F_in": call.input.shape[-1], "L": call.layers}


def _projected(gates: int, call: _Call) -> bool:
    """An LSTM with ``proj_size`` has five weights, biases included, for each layer and direction."""
    return gates == 4 and len(call.weights) == (3 + 2 * call.b) * call.layers * call.directions


def layers(gates: int) -> Rule:
    """The rule of torch.lstm (4 gates), torch.gru (3), torch.rnn_tanh and rnn_relu (1)."""

    def rule(input: Tensor, *rest: Any, **settings: Any) -> Outcome:
        """(T, N, F_in) gives (T, N, B·R), and the last states (L·B, N, R); packed (n, F_in) gives (n, B·R)."""
        call = _bound(input, rest)
        values = _values(gates, call)
        first = call.weights[0]
        if isinstance(first, torch.Tensor) and first.shape[1] != values["F_in"]:
            raise ShapeError(f"the first layer takes {first.shape[1]} features, the input has {list(input.shape)}")
        R = call.hidden.shape[-1]
        dtype = input.dtype
        output = empty((*input.shape[:-1], R * call.directions), dtype)
        if call.batch_first:  # computed in time's order, then transposed
            N, T = input.shape[:2]
            output = empty((T, N, R * call.directions), dtype).transpose(0, 1)
        projected = _projected(gates, call)
        if projected:
            values["R"] = R
        if call.packed:
            formula = (PACKED_PROJECTED_MACS if projected else PACKED_MACS)(n=input.shape[0], **values)
        else:
            T, N = input.shape[:2] if not call.batch_first else (input.shape[1], input.shape[0])
            formula = (PROJECTED_MACS if projected else MACS)(T=T, N=N, **values)
        if gates == 4:
            return (output, *(empty(state.shape, dtype) for state in call.states)), formula
        return (output, empty(call.hidden.shape, dtype)), formula

    return rule


def layer_params(gates: int) -> Any:
    """The formula of all weights and biases of an LSTM, a GRU or an RNN."""

    def params(input: Tensor, *rest: Any, **settings: Any) -> BoundFormula:
        call = _bound(input, rest)
        values = _values(gates, call)
        if _projected(gates, call):
            return PROJECTED_PARAMS(R=call.hidden.shape[-1], b=call.b, **values)
        return PARAMS(b=call.b, **values)

    return params


def _cell(gates: int, input: Tensor, hidden: Tensor, w_ih: Tensor) -> tuple[Any, BoundFormula]:
    rows, F_in = w_ih.shape
    if input.shape[-1] != F_in or input.shape[:-1] != hidden.shape[:-1]:
        raise ShapeError(
            f"the cell takes {F_in} features, got the input {list(input.shape)} and the state {list(hidden.shape)}"
        )
    lead = input.shape[:-1]
    return hidden.shape, CELL_MACS(N=product(lead), U=gates, H=rows // gates, F_in=F_in)


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Outcome:
    """torch.lstm_cell: (N, F_in) and two states (N, H) give the next two states."""
    shape, formula = _cell(4, input, hx[0], w_ih)
    return (empty(shape, input.dtype), empty(shape, input.dtype)), formula


def cell(gates: int) -> Rule:
    """The rule of torch.gru_cell (3 gates), torch.rnn_tanh_cell and rnn_relu_cell (1)."""

    def rule(
        input: Tensor,
        hx: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ) -> Outcome:
        """(N, F_in) and a state (N, H) give the next state."""
        return _cell(gates, input, hx, w_ih)

    return rule


def cell_params(
    input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> BoundFormula:
    """U gates, each with a matrix for the input, one for the state, and two biases."""
    rows, H = w_hh.shape
    return CELL_PARAMS(U=rows // H, H=H, F_in=w_ih.shape[1], b=int(b_ih is not None))


def pack(input: Tensor, lengths: Tensor, batch_first: bool) -> Outcome:
    """torch._pack_padded_sequence: (N, T, *) or (T, N, *) gives (n, *), n being the sum of the lengths' values."""
    if lengths.is_meta:
        raise ValuesNeeded
    T, N = (input.shape[1], input.shape[0]) if batch_first else input.shape[:2]
    steps = lengths.tolist()
    if len(steps) != N or steps[0] > T or steps[-1] < 1 or steps != sorted(steps, reverse=True):
        raise ShapeError(f"lengths {steps} for {N} sequences of {T} steps: each from 1 to {T}, the longest first")
    batch_sizes = torch.tensor([sum(length > step for length in steps) for step in range(steps[0])])
    return (empty((sum(steps), *input.shape[2:]), input.dtype), batch_sizes), None


def pad(data: Tensor, batch_sizes: Tensor, batch_first: bool, padding_value: float, total_length: int) -> Outcome:
    """torch._pad_packed_sequence: (n, *) gives (N, T, *) or (T, N, *), N being the first batch size's value."""
    if batch_sizes.is_meta:
        raise ValuesNeeded
    sizes = batch_sizes.tolist()
    N, T = sizes[0], max(len(sizes), total_length)
    lengths = torch.tensor([sum(size > sequence for size in sizes) for sequence in range(N)])
    padded = empty((T, N, *data.shape[1:]), data.dtype)
    return (padded.transpose(0, 1) if batch_first else padded, lengths), None


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Outcome:
    """torch.nn.utils.rnn.pad_sequence: N sequences (T, *) give (T, N, *), T being the longest."""
    T: Any = sequences[0].shape[0]
    rest = sequences[0].shape[1:]
    for sequence in sequences:
        if tuple(sequence.shape[1:]) != tuple(rest):
            raise ShapeError(f"pad_sequence: {list(sequence.shape)} and {list(sequences[0].shape)} differ beyond time")
        T = torch.sym_max(T, sequence.shape[0])
    N = len(sequences)
    shape = (N, T, *rest) if batch_first else (T, N, *rest)
    return empty(shape, sequences[0].dtype), None


_LAYERS = {gates: layers(gates) for gates in (1, 3, 4)}
_CELLS = {gates: cell(gates) for gates in (1, 3)}
RULES: dict[Any, Rule] = {
    torch.lstm: _LAYERS[4],
    torch.gru: _LAYERS[3],
    torch.rnn_tanh: _LAYERS[1],
    torch.rnn_relu: _LAYERS[1],
    torch.ops.aten.quantized_lstm: _LAYERS[4],
    torch.ops.aten.quantized_gru: _LAYERS[3],
    torch.lstm_cell: lstm_cell,
    torch.gru_cell: _CELLS[3],
    torch.rnn_tanh_cell: _CELLS[1],
    torch.rnn_relu_cell: _CELLS[1],
    torch._pack_padded_sequence: pack,
    torch._pad_packed_sequence: pad,
    torch._C._nn.pad_sequence: pad_sequence,
}
PARAMETERS: dict[Rule, Any] = {
    **{rule: layer_params(gates) for gates, rule in _LAYERS.items()},
    **dict.fromkeys((lstm_cell, *_CELLS.values()), cell_params),
}
