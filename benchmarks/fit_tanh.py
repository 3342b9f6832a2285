"""Find the coefficients of the float32 tanh, and hold them against those that the kernels have.

    python -m benchmarks.fit_tanh

`seqlab.kernels.activations` computes tanh(x) as n Q / (Q² + n²/4), with n = x P and

    P = 1 + p₁u + p₂u²,    Q = 1 + q₁u + q₂u² + q₃u³,    u = x²,

which is the rational function (x/2) P/Q for t = tanh(x/2), its argument doubled by tanh(x) = 2t / (1 + t²).
Wanted are the coefficients whose largest relative error over |x| ≤ 9.02 is smallest.

A relative error ε of t leaves doubling as ε (1 - t²)/(1 + t²) = ε / cosh(x), up to terms in ε². With
f(u) = tanh(x/2) / (x/2) the error of tanh is therefore (P - f Q) / (f Q cosh(x)), linear in the coefficients
but for the Q below. That Q is taken from the round before (Loeb 1957), and the largest error is made small by
least squares with weights (Lawson 1961): each round multiplies the weight of every node by its error, so that
what stands out is pressed down. The nodes are 4,000 Chebyshev nodes in u, the sums are done in float64.

The best function has an error that swings six times between equal extremes, one more than there are
coefficients, and the smallest of six extremes that alternate bounds from below what any coefficients can
reach (de la Vallée Poussin 1910). It is printed beside the largest: the gap is all that a better fit could
still bring. Errors are relative, in units of 2⁻²⁴, half of float32's step above 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqlab.kernels import activations

Floats = NDArray[np.float64]

NAMES = ("p1", "p2", "q1", "q2", "q3")
NODES, ROUNDS = 4_000, 390
"""Ten rounds more or fewer round to the same float32; the largest error is then 1.00002 times the best."""
DENSE = 1_000_000
"""Points at which errors are looked for; many between two nodes."""
UNIT = 2.0**-24


def main() -> None:
    """Print the coefficients found and recorded, and their errors."""
    found, recorded = fit(), recorded_coefficients()
    rounded = found.astype(np.float32)
    apart = steps_apart(rounded, recorded)
    print(f"{'':<4} {'found':>22} {'in float32':>16} {'recorded':>16} {'float32 steps apart':>20}")
    for row in zip(NAMES, found, rounded, recorded, apart, strict=True):
        print("{:<4} {:>22.16g} {:>16.8g} {:>16.8g} {:>20}".format(*row))
    print()
    for name, coefficients in (("found", found), ("in float32", rounded), ("recorded", recorded)):
        extremes = np.abs(alternating_errors(coefficients.astype(np.float64)))
        print(f"{name:<12} largest error {extremes.max() / UNIT:.4f}, {len(extremes)} extremes", end="")
        print(f", the smallest {extremes.min() / UNIT:.4f}")
    print("\nthe recorded coefficients are " + ("those found" if not apart.any() else "NOT those found"))


def fit() -> Floats:
    """The five coefficients, in the order of `NAMES`."""
    limit = float(activations._LIMIT)
    angles = np.pi * (np.arange(NODES) + 0.5) / NODES
    u = limit**2 * (0.5 - 0.5 * np.cos(angles))
    x = np.sqrt(u)
    f = np.tanh(x / 2) / (x / 2)
    columns = np.stack([u, u**2, -f * u, -f * u**2, -f * u**3], axis=1)
    of_tanh = 1 / (f * np.cosh(x))
    weights, q = np.full(NODES, 1 / NODES), np.ones(NODES)
    for _ in range(ROUNDS):
        row = np.sqrt(weights) * of_tanh / q
        weighted = columns * row[:, None]
        size = np.linalg.norm(weighted, axis=0)  # of columns that differ by ten orders of magnitude
        coefficients: Floats = np.linalg.lstsq(weighted / size, (f - 1) * row, rcond=None)[0] / size
        q = _denominator(coefficients, u)
        weights *= np.abs(error(coefficients, x))
        weights /= weights.sum()
    return coefficients


def error(coefficients: Floats, x: Floats) -> Floats:
    """The relative error of the doubled function at x > 0, but for rounding."""
    u = x * x
    p1, p2, *_ = coefficients
    n, q = x * (1 + u * (p1 + u * p2)), _denominator(coefficients, u)
    relative: Floats = n * q / (q * q + n * n / 4) / np.tanh(x) - 1
    return relative


def alternating_errors(coefficients: Floats) -> Floats:
    """The error where it is largest between two changes of its sign."""
    x = float(activations._LIMIT) * np.arange(1, DENSE + 1) / DENSE
    # Near 0 the error is that of float64 alone, which changes its sign at every point.
    errors = error(coefficients, x[x > 0.05])
    changes = np.flatnonzero(np.diff(np.sign(errors))) + 1
    return np.array([stretch[np.argmax(np.abs(stretch))] for stretch in np.split(errors, changes)])


def recorded_coefficients() -> NDArray[np.float32]:
    """Those of the kernels, in the order of `NAMES`."""
    return np.array([getattr(activations, f"_{name.upper()}") for name in NAMES], np.float32)


def steps_apart(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.int32]:
    """How many float32 numbers lie from each of a to that of b, both positive."""
    return a.view(np.int32) - b.view(np.int32)


def _denominator(coefficients: Floats, u: Floats) -> Floats:
    _, _, q1, q2, q3 = coefficients
    q: Floats = 1 + u * (q1 + u * (q2 + u * q3))
    return q


if __name__ == "__main__":
    main()
