"""Where a model computes, and in what precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anisoalign_core.errors import ParameterError
from anisoalign_core.files.source import first_line, printable

if TYPE_CHECKING:
    import torch

PRECISIONS = ("fp32", "fp16", "bf16")


@contextmanager
def inference(device: str, precision: str) -> Iterator[None]:
    """Have torch compute in a precision, and keep nothing for gradients."""
    import torch

    cast = _torch_type(precision)
    kind = device.partition(":")[0]
    with torch.inference_mode(), torch.autocast(kind, dtype=cast, enabled=cast != torch.float32):
        yield


def plain(rows: Any) -> Any:
    """Return what a tower of torch gives as a float32 array; some give their tokens beside it."""
    rows = rows[0] if isinstance(rows, tuple) else rows
    return rows.float().cpu().numpy()


def check_computing(device: str, precision: str) -> None:
    """Refuse a device that is not there, and a precision that it does not compute with.

    Raises
    ------
    ParameterError
    """
    _check_device(device)
    _check_precision(precision, device)


def _check_device(device: str) -> None:
    """Refuse a device that is not there: ``cpu``, ``cuda``, ``cuda:1``, …, or ``mps``."""
    import torch

    kind, colon, number = device.partition(":")
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind not in there or (colon and (kind == "cpu" or not number.isdecimal())):
        raise ParameterError(
            f'device is "{printable(device, 40)}"; choose cpu, cuda, cuda:1 (a card by number) or '
            "mps."
        )
    if not there[kind]:
        names = ", ".join(name for name, found in there.items() if found)
        raise ParameterError(
            f"PyTorch {torch.__version__} finds no {kind} device here; there is: {names}. Choose "
            "one of these, or install PyTorch for that device."
        )
    if colon and kind == "cuda" and int(number) >= torch.cuda.device_count():
        raise ParameterError(
            f"device is {device}, and this machine has {torch.cuda.device_count()} card(s), "
            "counted from 0."
        )


def _check_precision(precision: str, device: str) -> None:
    """Refuse a precision that the device does not compute with: a small product is tried."""
    import torch

    if precision not in PRECISIONS:
        raise ParameterError(
            f'precision is "{printable(precision, 40)}"; choose {", ".join(PRECISIONS)}.'
        )
    cast = _torch_type(precision)
    if cast == torch.float32:
        return
    try:
        ones = torch.ones(8, 8, device=device)
        with torch.autocast(device.partition(":")[0], dtype=cast):
            found = torch.nn.functional.linear(ones, ones)
        reason = "" if found.dtype == cast else "it computes in float32 instead"
    except (RuntimeError, ValueError, TypeError) as error:
        reason = first_line(error)
    if reason:
        raise ParameterError(
            f"{precision} does not work on {device} with PyTorch {torch.__version__} ({reason}). "
            "Choose another precision or device; fp32 works on all."
        )


def _torch_type(precision: str) -> torch.dtype:
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
