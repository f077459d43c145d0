"""A decoder-only transformer small enough to work by hand."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalAttention(nn.Module):
    """Each position attends to itself and to those before it.

    Parameters: 3·D·(D + 1) of queries, keys and values, D·(D + 1) of the output.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.query_key_value(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output(attended.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Attention, then two linear layers with 4·D units between; each reads a normalized input and adds to the stream.

    Parameters: 2·D + 4·D·(D + 1) + 2·D + 4·D·(D + 1) + D·(4·D + 1) = 12·D² + 13·D.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads)
        self.norm_2 = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


class TinyTransformer(nn.Module):
    """Vaswani et al. 2017, "Attention is all you need", arXiv 1706.03762, in its decoder-only form.

    That form is of Radford et al. 2019, "Language models are unsupervised multitask learners". The output layer is
    the embedding table itself (Press & Wolf 2016, arXiv 1608.05859): one tensor, counted once. Input (N, L) of
    token numbers with L ≤ context, output (N, L, tokens) of logits.

    Parameters with 64 tokens, width D = 32, two blocks and a context of 16: embeddings 64·32 = 2 048, positions 16·32 =
    512, blocks 2·(12·32² + 13·32) = 2·12 704 = 25 408, last normalization 2·32 = 64. Together 28 032.
    """

    def __init__(self, tokens: int = 64, width: int = 32, heads: int = 4, depth: int = 2, context: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, tokens, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens) + self.positions(positions)
        return self.output(self.norm(self.blocks(x)))
