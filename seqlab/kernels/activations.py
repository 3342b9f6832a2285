"""tanh and σ, for one number at a time, compiled into the loops that call them.

In float64 these are the library's tanh and exp. In float32 the library's tanh would be a call per element,
fifty times the cost of everything around it, so here it is a rational function that runs on vector units.
With u = x² it takes

    tanh(x/2) ≈ (x/2) P(u) / Q(u),    P = 1 + p₁u + p₂u²,    Q = 1 + q₁u + q₂u² + q₃u³,

and doubles the argument by tanh(x) = 2t / (1 + t²), which with n = x P(u) needs no second division:

    tanh(x) ≈ n Q / (Q² + n²/4).

Doubling brings the error of t down by (1 - t²)/(1 + t²), to nothing where tanh saturates. The coefficients
minimise the largest relative error of the doubled form over |x| ≤ 9.02, before rounding: it is 0.1264 · 2⁻²⁴,
and 0.1295 · 2⁻²⁴ with the coefficients in float32. `python -m benchmarks.fit_tanh` finds them, by Lawson's
iteratively reweighted least squares on 4,000 Chebyshev nodes in u, and shows that there are none better.

Swept over all 2³² float32 inputs, with fused multiply-add | without:

    tanh    error at most, units in the last place      4.77    | 5.19      (6 is what tests allow)
    tanh    error at most                               1.79e-7 | 2.02e-7   (2.1e-7)
    tanh    largest size                                1       | 1         (1)
    σ       error at most                               1.16e-7 | 1.27e-7   (1.3e-7)
    σ       smallest and largest value                  0, 1    | 0, 1      (0, 1)

tanh(-x) is -tanh(x) to the bit, NaN of any pattern stays NaN, and ±∞ give ±1, for σ 1 and 0. The unit in the
last place is that of the exact value. σ(x) = 1/2 + tanh(x/2)/2 has no relative accuracy far below zero, where
σ itself is as small as the error.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from seqlab.kernels.jit import FLAGS

_P1 = np.float32(0.029774569)
_P2 = np.float32(0.0001142703)
_Q1 = np.float32(0.11310787)
_Q2 = np.float32(0.0012066292)
_Q3 = np.float32(1.2293434e-06)
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_LIMIT = np.float32(9.02)  # tanh rounds to 1 in float32 a little below


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of a float32 or float64 number, for use inside kernels."""
    return x.dtype.type(np.tanh(x))


def sigmoid(x: Any) -> Any:
    """The logistic function 1/(1 + e^(-x)) of a float32 or float64 number, for use inside kernels."""
    return x.dtype.type(1 / (1 + np.exp(-x)))


@overload(tanh, jit_options=FLAGS)
def _tanh(x: Any) -> Callable[[Any], Any]:
    return _tanh32 if x == types.float32 else _tanh64


@overload(sigmoid, jit_options=FLAGS)
def _sigmoid(x: Any) -> Callable[[Any], Any]:
    return _sigmoid32 if x == types.float32 else _sigmoid64


def _tanh32(x: Any) -> Any:
    # Written as comparisons, which are false for NaN and so let it through.
    x = _LIMIT if x > _LIMIT else x
    x = -_LIMIT if x < -_LIMIT else x
    u = x * x
    n = x * (_ONE + u * (_P1 + u * _P2))
    q = _ONE + u * (_Q1 + u * (_Q2 + u * _Q3))
    half = _HALF * n
    y = n * q / (q * q + half * half)
    y = _ONE if y > _ONE else y
    return -_ONE if y < -_ONE else y


def _sigmoid32(x: Any) -> Any:
    return _HALF + _HALF * tanh(_HALF * x)


def _tanh64(x: Any) -> Any:
    return math.tanh(x)


def _sigmoid64(x: Any) -> Any:
    return 1.0 / (1.0 + math.exp(-x))
