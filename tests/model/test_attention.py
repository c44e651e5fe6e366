"""Attention, against torch's own module."""

import torch

from forecast.model.attention import Attention


def test_answers_and_weights_are_those_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(12, 3), torch.nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in (ours.query, ours.key, ours.value)]))
        theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in (ours.query, ours.key, ours.value)]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    queries, tokens = torch.randn(2, 4, 12), torch.randn(2, 5, 12)
    there = torch.tensor([[True, False, True, True, False], [True] * 5])
    for mask in (None, there):
        hidden = None if mask is None else ~mask
        answer, weights = theirs(queries, tokens, tokens, key_padding_mask=hidden, average_attn_weights=False)
        torch.testing.assert_close(ours(queries, tokens, mask), answer)
        torch.testing.assert_close(ours.weights(queries, tokens, mask), weights)
