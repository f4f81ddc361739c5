"""Small dense eigenproblems, and other small BLAS work, on one thread.

At these sizes (d up to a few thousand) a second thread gains LAPACK's reductions almost nothing,
but its barriers spin: on two cores shared with another busy process the eigenvalues of a 512×512
matrix took 0.4 to 4 s with two threads and 25 ms with one. Matrix products keep all threads.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
SCIPY_BLAS = ("scipy.linalg._fblas", "scipy.linalg.cython_blas")
"""Modules that load SciPy's BLAS."""
P = ParamSpec("P")
Result = TypeVar("Result")


class Begin(Protocol):
    """Begins a task on a thread of its own."""

    def __call__(
        self, function: Callable[P, Result], *arguments: P.args, **more: P.kwargs
    ) -> Future[Result]:
        """Begin ``function(*arguments)``."""


class _OneThread:
    """The process-wide limit: the first who asks sets it, the last who leaves lifts it.

    SciPy has a BLAS of its own, and takes longer to import than small fits to run: where it is not
    loaded it is not limited, and whoever comes with it loaded limits it too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limits: list[Any] = []
        self._with_scipy = False

    def __enter__(self) -> None:
        with self._lock:
            with_scipy = any(name in sys.modules for name in SCIPY_BLAS)
            if self._inside == 0 or with_scipy > self._with_scipy:
                _let_any_thread_limit()
                self._limits.append(_controller(with_scipy).limit(limits=1, user_api="blas"))
                self._with_scipy = with_scipy
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _let_any_thread_limit()
                while self._limits:
                    self._limits.pop().restore_original_limits()
                _let_any_thread_limit()


_ONE_THREAD = _OneThread()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS to one thread inside the block; blocks of several threads may overlap."""
    with _ONE_THREAD:
        yield


@contextmanager
def beside(workers: int) -> Iterator[Begin]:
    """Let independent tasks run beside each other, each on one thread of BLAS.

    Work that LAPACK does on one thread anyway is done in a fraction of the time, and what comes
    out does not depend on how many cores there are.

    Yields
    ------
    begin : Begin
        Begins tasks in the order in which they come; ask for their ``result()``. When the block
        is left by an error, what has not begun never does.
    """
    with one_thread(), ThreadPoolExecutor(workers, "anisoalign") as pool:
        try:
            yield lambda function, *arguments, **more: pool.submit(
                copy_context().run, function, *arguments, **more
            )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def limit_blas(threads: int) -> None:
    """Limit BLAS to a number of threads, for all of this process and from now on."""
    import scipy.linalg  # noqa: F401  (its BLAS must be loaded to be limited)

    _let_any_thread_limit()
    _controller(with_scipy=True).limit(limits=threads, user_api="blas")


def eigensystem(matrix: Float64) -> tuple[Float64, Float64]:
    """Eigenvalues, descending, and eigenvectors (columns) of a (d, d) symmetric matrix.

    Signs of eigenvectors are arbitrary here; :func:`anisoalign_core.numerics.eigh` fixes them.
    """
    from scipy import linalg

    with one_thread():
        values, vectors = linalg.eigh(matrix, check_finite=False)
    return values[::-1].copy(), vectors[:, ::-1]


def eigenvalues(matrix: Float64) -> Float64:
    """Eigenvalues of a (d, d) symmetric matrix, descending."""
    from scipy import linalg

    with one_thread():
        return np.asarray(linalg.eigvalsh(matrix, check_finite=False)[::-1])


def largest_eigenvalue(matrix: Float64) -> float:
    """Largest eigenvalue of a (d, d) symmetric matrix."""
    from scipy import linalg

    last = len(matrix) - 1
    with one_thread():
        top = linalg.eigh(
            matrix, eigvals_only=True, subset_by_index=[last, last], check_finite=False
        )
    return float(top[0])


def psd_factor(matrix: Float64) -> Float64:
    """Factor F, (d, r), with ``F Fᵀ = matrix``: pivoted Cholesky, so rank r < d is no error."""
    from scipy.linalg import lapack

    with one_thread():
        packed, pivots, rank, _ = lapack.dpstrf(matrix, lower=1)
    factor = np.empty((len(matrix), rank))
    factor[pivots - 1] = np.tril(packed)[:, :rank]
    return factor


def orthogonal_triangular(matrix: Float64) -> tuple[Float64, Float64]:
    """Orthogonal Q and upper triangular R, both (d, d), with ``Q R = matrix``."""
    from scipy import linalg

    with one_thread():
        q, r = linalg.qr(matrix, check_finite=False)
    return np.asarray(q), np.asarray(r)


def thin_orthogonal_triangular(matrix: Float64) -> tuple[Float64, Float64]:
    """Q (d, k) with orthonormal columns and upper triangular R (k, k), ``Q R = matrix``, k ≤ d."""
    from scipy import linalg

    with one_thread():
        q, r = linalg.qr(matrix, mode="economic", check_finite=False)
    return np.asarray(q), np.asarray(r)


def orthonormal(columns: Float64) -> Float64:
    """Orthonormal columns (d, k) whose span holds that of the (d, k) columns, of any rank."""
    return thin_orthogonal_triangular(columns)[0]


def _let_any_thread_limit() -> None:
    """Make threadpoolctl obey whichever thread asks next.

    Newer versions obey the first thread to set a limit for as long as that lives, and ignore
    others: the last to leave, being another, would leave all BLAS on one thread. They also keep
    that thread, with what hangs on it, after its end.
    """
    from threadpoolctl import OpenBLASController  # type: ignore[import-untyped]

    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


@cache
def _controller(with_scipy: bool) -> Any:
    """Return what limits the BLAS that are loaded: NumPy's, and ``with_scipy`` SciPy's."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
