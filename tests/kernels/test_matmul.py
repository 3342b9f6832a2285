"""Products of packed weights, and sums of outer products, against NumPy's."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqlab.cells.base import packed_size
from seqlab.kernels import matmul, vectors
from tests.kernels.cases import TOLERANCE, relative_error, seeds

each_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
sizes = st.integers(1, 70)


@numba.njit
def pack(bias, column, U, W, N, packed):
    width = bias.size
    return matmul.pack(bias, column, U, width, len(U), W, width, len(W), column, N, packed, 0)


@numba.njit
def pack_transposed(U, packed, column, K):
    return matmul.pack_transposed(U, U.shape[1], column, U.shape[0], K, packed, 0)


@numba.njit
def packed_product(a, x, packed, c, M, N):
    """`a` [parts,M,K], `x` [M,F], `c` [·,·]."""
    parts, _, K = a.shape
    F = x.shape[1]
    return matmul.product(
        a, 0, K, 1, parts, M * K, K, x, 0, F, F, packed, 0, 0, c, 0, c.shape[1], M, N
    )  # fmt: skip


@numba.njit
def add_outer_products(a, b, c, M, N):
    """The first M columns of `a` and N columns from the second on of `b` and `c`."""
    depth = len(a)
    matmul.product(
        a, 0, 1, a.shape[1], 1, 0, depth, a, 0, 0, 0, b, 1, b.shape[1], c, 1, c.shape[1], M, N
    )  # fmt: skip


def draw(seed, dtype):
    rng = np.random.default_rng(seed)
    return lambda *shape: rng.standard_normal(shape).astype(dtype)


@each_dtype
@settings(deadline=None, derandomize=True, max_examples=80)
@given(M=sizes, N=sizes, K=sizes, F=st.integers(0, 20), parts=st.integers(0, 4), seed=seeds)
@example(M=1, N=1, K=1, F=0, parts=1, seed=0)
@example(M=33, N=130, K=40, F=3, parts=1, seed=0)
def test_a_product_adds_the_bias_every_part_and_the_inputs(dtype, M, N, K, F, parts, seed):
    some = draw(seed, dtype)
    a, x, bias = some(parts, M, K), some(M, F), some(N + 2)
    U, W = some(parts * K, N + 2), some(F, N + 2)
    packed = np.zeros(packed_size(parts * K + F, N), dtype)
    end = pack(bias, 2, U, W, N, packed)
    assert end <= packed.size
    c = np.full((M + 1, N + 1), 7e7, dtype)
    assert packed_product(a, x, packed, c, M, N) == end
    wide = U.astype(float)[:, 2:], W.astype(float)[:, 2:], bias.astype(float)[2:]
    expected = wide[2] + x @ wide[1] + sum(a[p] @ wide[0][p * K : (p + 1) * K] for p in range(parts))
    assert relative_error(c[:M, :N], expected) <= TOLERANCE[dtype]
    assert (c[M] == dtype(7e7)).all()
    assert (c[:, N] == dtype(7e7)).all()


@each_dtype
@settings(deadline=None, derandomize=True, max_examples=40)
@given(M=sizes, N=sizes, K=sizes, seed=seeds)
def test_a_packed_transpose_multiplies_as_the_transpose(dtype, M, N, K, seed):
    some = draw(seed, dtype)
    a, U = some(M, K), some(N, K)
    packed = np.zeros(packed_size(K, N), dtype)
    pack_transposed(U, packed, 0, K)
    c = np.full((M, N), 7e7, dtype)
    packed_product(a[np.newaxis], a[:, :0].copy(), packed, c, M, N)
    assert relative_error(c, a.astype(float) @ U.astype(float).T) <= TOLERANCE[dtype]


@each_dtype
@settings(deadline=None, derandomize=True, max_examples=40)
@given(before=st.integers(0, 40), N=sizes, K=sizes, after=st.integers(0, 40), seed=seeds)
def test_columns_are_packed_transposed_as_if_they_stood_alone(dtype, before, N, K, after, seed):
    U = draw(seed, dtype)(N, before + K + after)
    alone, among = np.zeros((2, packed_size(K, N)), dtype)
    end = pack_transposed(U[:, before : before + K].copy(), alone, 0, K)
    assert pack_transposed(U, among, before, K) == end
    np.testing.assert_array_equal(among, alone)


@each_dtype
@settings(deadline=None, derandomize=True, max_examples=60)
@given(M=sizes, N=sizes, depth=st.integers(1, matmul.DEPTH), seed=seeds)
@example(M=13, N=65, depth=matmul.DEPTH, seed=0)
def test_a_product_with_a_matrix_as_it_is_adds_the_sum_of_outer_products(dtype, M, N, depth, seed):
    some = draw(seed, dtype)
    a, b, c = some(depth, M + 1), some(depth, N + 2), some(M, N + 3)
    expected = c.astype(float)
    expected[:, 1 : N + 1] += a[:, :M].astype(float).T @ b[:, 1 : N + 1].astype(float)
    add_outer_products(a, b, c, M, N)
    assert relative_error(c, expected) <= TOLERANCE[dtype]


def test_nan_stays_in_its_row():
    a = np.ones((5, 4), np.float32)
    a[2, 1] = np.nan
    packed = np.zeros(packed_size(4, 7), np.float32)
    pack_transposed(np.ones((7, 4), np.float32), packed, 0, 4)
    c = np.zeros((5, 7), np.float32)
    packed_product(a[np.newaxis], a[:, :0].copy(), packed, c, 5, 7)
    assert np.isnan(c[2]).all()
    assert (np.delete(c, 2, axis=0) == 4).all()


@pytest.mark.skipif(vectors.LANES != 16, reason="this machine has narrower vectors, which all tests use")
def test_narrower_vectors_give_the_same_products(tmp_path):
    """Where there is AVX-512, the code for AVX2 is tried in a process that compiles for such a machine."""
    environment = {**os.environ, "NUMBA_CPU_NAME": "haswell", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "float32"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
