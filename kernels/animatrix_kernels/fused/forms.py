"""Which form of a fused kernel serves a call: plain JAX, Pallas for TPU, Pallas for Hopper."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Mapping

import jax

from animatrix_kernels.platforms import gpu_capability, platform_of

LOG = logging.getLogger(__name__)

FORMS = ("hopper", "tpu", "xla")
PREFERRED: Mapping[str, str] = {"gpu": "hopper", "tpu": "tpu"}
PLATFORMS: Mapping[str, str] = {"hopper": "gpu", "tpu": "tpu"}

type Refusals = Mapping[str, Callable[[], str | None]]

_WANTED = jax.make_user_context(None)
"""The form that is preferred, as a part of the key under which JAX keeps what it has traced."""


@contextlib.contextmanager
def prefer(form: str) -> Iterator[None]:
    """Take one of `FORMS` for every fused kernel that is traced inside and names none itself."""
    with _WANTED(form):
        yield


def form_for(what: str, array: jax.Array, refusals: Refusals, backend: str | None) -> str:
    """Return the form that serves a call: the one named, or the platform's best.

    Args:
      what: the kernel's name, for the log and for sentences.
      array: the first operand.
      refusals: for "hopper" and "tpu", why that form cannot serve the call, None where it can.
      backend: one of `FORMS`, or None for what `prefer` says, else the platform's own.

    Raises:
      ValueError: a form that there is not, or one that cannot serve the call.
    """
    backend = backend or _WANTED.value
    if backend is not None and backend not in FORMS:
        raise ValueError(f"there is no form {backend!r} of {what}: there are {', '.join(FORMS)}")
    platform = platform_of(array)
    wanted = backend or PREFERRED.get(platform, "xla")
    reason = _obstacle(wanted, platform, array, refusals)
    if reason is None:
        _say(what, platform, wanted, None)
        return wanted
    if backend is not None:
        raise ValueError(
            f"the {backend!r} form of {what} cannot serve this call ({reason}): 'xla' can"
        )
    _say(what, platform, "xla", f"{wanted} refused: {reason}")
    return "xla"


def _obstacle(form: str, platform: str, array: jax.Array, refusals: Refusals) -> str | None:
    if form == "xla":
        return None
    if platform != PLATFORMS[form]:
        return f"it runs on {PLATFORMS[form]}, not on {platform}"
    if form == "hopper":
        found = gpu_capability(array)
        if found not in ("9.0", None):
            return f"it needs compute capability 9.0, not {found}"
    return refusals[form]()


@functools.cache
def _say(what: str, platform: str, form: str, reason: str | None) -> None:
    """Write a choice to the log, once a process."""
    because = "" if reason is None else f" ({reason})"
    LOG.log(
        logging.WARNING if reason else logging.INFO, "%s on %s: %s%s", what, platform, form, because
    )
