"""Which backend serves a call: by platform, by what each refuses, and said once in the log."""

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from animatrix_kernels.flash_attention import cudnn, xla
from animatrix_kernels.flash_attention.backend import Backend, Request

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A backend before it is imported: Pallas takes a second to load, and a CPU never needs it."""

    platforms: tuple[str, ...]
    load: Callable[[], Backend]


def _hopper() -> Backend:
    from animatrix_kernels.flash_attention import hopper, hopper_backward

    return Backend("hopper", ("gpu",), hopper.forward, hopper_backward.backward, hopper.refusal)


def _hopper_fp8() -> Backend:
    from animatrix_kernels.flash_attention import hopper_fp8

    return hopper_fp8.BACKEND


def _tpu() -> Backend:
    from animatrix_kernels.flash_attention import tpu

    return tpu.BACKEND


ENTRIES: Mapping[str, Entry] = {
    "hopper": Entry(("gpu",), _hopper),
    "hopper_fp8": Entry(("gpu",), _hopper_fp8),
    "cudnn": Entry(cudnn.BACKEND.platforms, lambda: cudnn.BACKEND),
    "tpu": Entry(("tpu",), _tpu),
    "xla": Entry(xla.BACKEND.platforms, lambda: xla.BACKEND),
}
"""All backends by name."""

SHORT = 1024
"""Up to so many keys (text), cuDNN comes before our kernel, which is made for long ones."""

PREFERRED: Mapping[str, tuple[str, ...]] = {
    "gpu": ("hopper", "cudnn", "xla"),
    "tpu": ("tpu", "xla"),
}
"""What a call is served by, best first; plain JAX on any other platform."""

PREFERRED_SHORT = {**PREFERRED, "gpu": ("cudnn", "hopper", "xla")}


def load(name: str) -> Backend:
    """Return a backend by its name, which is one of `ENTRIES`."""
    return ENTRIES[name].load()


def choose(request: Request, platform: str, name: str | None) -> Backend:
    """Return the backend that serves a request: the one named, or the best of the platform's.

    Raises:
      ValueError: a name that there is not, or a backend that cannot serve the request; the
        sentence says which can.
    """
    if name is not None:
        return _named(request, platform, name)
    reasons: list[str] = []
    for candidate in _order(request, platform):
        backend = load(candidate)
        reason = backend.refusal(request)
        if reason is None:
            _say(candidate, platform, tuple(reasons))
            return backend
        reasons.append(f"{candidate} refused: {reason}")
    raise AssertionError("plain JAX refuses nothing")


def able(request: Request, platform: str) -> tuple[str, ...]:
    """Return the names of the backends that can serve a request on a platform, best first."""
    order = _order(request, platform)
    others = [name for name in ENTRIES if name not in order]
    return tuple(name for name in (*order, *others) if _obstacle(request, platform, name) is None)


def _order(request: Request, platform: str) -> tuple[str, ...]:
    orders = PREFERRED_SHORT if request.kv_length <= SHORT else PREFERRED
    return orders.get(platform, ("xla",))


def _obstacle(request: Request, platform: str, name: str) -> str | None:
    platforms = ENTRIES[name].platforms
    if platform not in platforms and name != "xla":
        return f"it runs on {' and '.join(platforms)}, not on {platform}"
    return load(name).refusal(request)


def _named(request: Request, platform: str, name: str) -> Backend:
    if name not in ENTRIES:
        known = ", ".join(ENTRIES)
        raise ValueError(f"there is no attention backend {name!r}: there are {known}")
    obstacle = _obstacle(request, platform, name)
    if obstacle is not None:
        others = ", ".join(able(request, platform))
        raise ValueError(
            f"the attention backend {name!r} cannot serve this call ({obstacle}): {others} can"
        )
    _say(name, platform, ())
    return load(name)


@functools.cache
def _say(name: str, platform: str, reasons: tuple[str, ...]) -> None:
    """Write a choice to the log, once a process: as a warning where plain JAX is what is left.

    On a platform without better backends, or by name, it is what anyone would expect: information.
    """
    slow = name == "xla" and bool(reasons)
    because = f" ({'; '.join(reasons)})" if reasons else ""
    LOG.log(
        logging.WARNING if slow else logging.INFO, "attention on %s: %s%s", platform, name, because
    )
