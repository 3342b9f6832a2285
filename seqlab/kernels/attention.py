"""Attention: a decoder looks back at all states of its encoder (Luong et al. 2015, the "general" score).

    q_t = s_t A        score_tj = q_t · e_j        a_t = softmax over j of score_t        c_t = Σ_j a_tj e_j

The context c_t is joined to s_t, and the readout sees both: (s_t ‖ c_t). Back from ∂L/∂(s_t ‖ c_t):

    ∂L/∂a_tj = ∂L/∂c_t · e_j            ∂L/∂score_tj = a_tj (∂L/∂a_tj - Σ_i a_ti ∂L/∂a_ti)
    ∂L/∂q_t = Σ_j ∂L/∂score_tj e_j      ∂L/∂e_j = Σ_t a_tj ∂L/∂c_t + ∂L/∂score_tj q_t
    ∂L/∂A = Σ s_tᵀ ∂L/∂q_t              ∂L/∂s_t = its own part + ∂L/∂q_t Aᵀ

Shapes: s [T,B,H] of the decoder's T steps, e [S,B,H] of the encoder's S, A [H,H]; `weights` a [T,B,S],
`queries` q [T,B,H], `joined` [T,B,2H].
"""

import math

from seqlab.kernels.jit import Array, jit


@jit
def forward(s: Array, e: Array, A: Array, weights: Array, queries: Array, joined: Array) -> None:
    """Write `weights`, `queries` and `joined`."""
    T, B, H = s.shape
    S = len(e)
    zero = s.dtype.type(0)
    for t in range(T):
        for b in range(B):
            state, query, shares, both = s[t, b], queries[t, b], weights[t, b], joined[t, b]
            query[:] = zero
            for i in range(H):
                value, row = state[i], A[i]
                for k in range(H):
                    query[k] += value * row[k]
            for j in range(S):
                seen, score = e[j, b], zero
                for k in range(H):
                    score += query[k] * seen[k]
                shares[j] = score
            top, total = shares.max(), zero
            for j in range(S):
                shares[j] = math.exp(shares[j] - top)
                total += shares[j]
            both[:H] = state
            context = both[H:]
            context[:] = zero
            for j in range(S):
                shares[j] /= total
                share, seen = shares[j], e[j, b]
                for k in range(H):
                    context[k] += share * seen[k]


@jit
def backward(
    s: Array,
    e: Array,
    A: Array,
    weights: Array,
    queries: Array,
    djoined: Array,
    dA: Array,
    ds: Array,
    de: Array,
    slopes: Array,
    dquery: Array,
) -> None:
    """Go back through attention.

    Args:
        s: [T,B,H], as `forward` had it.
        e: [S,B,H], likewise.
        A: [H,H], likewise.
        weights: [T,B,S], as it left them.
        queries: [T,B,H], likewise.
        djoined: [T,B,2H], ∂L/∂(s ‖ c).
        dA: [H,H], added to.
        ds: [T,B,H], overwritten with ∂L/∂s.
        de: [S,B,H], overwritten with ∂L/∂e.
        slopes: [S], a work array.
        dquery: [H], a work array.
    """
    T, B, H = s.shape
    S = len(e)
    zero = s.dtype.type(0)
    de[:, :, :] = zero
    for t in range(T):
        for b in range(B):
            state, query, shares = s[t, b], queries[t, b], weights[t, b]
            own, context, down = djoined[t, b, :H], djoined[t, b, H:], ds[t, b]
            mean = zero
            for j in range(S):
                seen, slope = e[j, b], zero
                for k in range(H):
                    slope += context[k] * seen[k]
                slopes[j] = slope
                mean += shares[j] * slope
            dquery[:] = zero
            for j in range(S):
                seen, back, share = e[j, b], de[j, b], shares[j]
                slope = share * (slopes[j] - mean)
                for k in range(H):
                    dquery[k] += slope * seen[k]
                    back[k] += share * context[k] + slope * query[k]
            for i in range(H):
                value, row, drow, sent = state[i], A[i], dA[i], own[i]
                for k in range(H):
                    sent += dquery[k] * row[k]
                for k in range(H):
                    drow[k] += value * dquery[k]
                down[i] = sent
