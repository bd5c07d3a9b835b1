"""What the processes of a run tell each other beside their devices' work."""

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import jax
import orbax.checkpoint as ocp

TIMEOUT_SECONDS = 1200.0

# Every process makes its groups in the same order, so that a number names the same group in all.
_numbers = itertools.count()


class Peers:
    """The processes of one run, as they agree on short texts.

    What is said goes through the coordination service of `jax.distributed`: no device takes part,
    any thread may call, and whoever waits is let go after `timeout` seconds. All processes make
    their groups, and call each group's methods, under the same names in the same order.
    """

    def __init__(self, timeout: float = TIMEOUT_SECONDS) -> None:
        self.index, self.count = jax.process_index(), jax.process_count()
        self._timeout = timeout
        self._prefix = f"animatrix/{next(_numbers)}"
        self._before: str | None = None
        self._client = ocp.multihost.get_jax_distributed_client() if self.count > 1 else None

    def gather(self, name: str, text: str) -> list[str]:
        """Return the texts of all processes, by process, in every process.

        Raises TimeoutError where one does not say its own in time.
        """
        if self._client is None:
            return [text]
        place, until = f"{self._prefix}/{name}", time.monotonic() + self._timeout
        try:
            self._client.key_value_set(f"{place}/{self.index}", json.dumps(text))
            if self.index > 0:
                return self._listen(place, until)
            texts = self._collect(place, until)
            self._client.key_value_set(f"{place}/all", json.dumps(texts))
            # Who spoke in this round has read the one before.
            if self._before is not None:
                self._client.key_value_delete(self._before)
            self._before = place + "/"
            return texts
        except jax.errors.JaxRuntimeError as error:
            raise TimeoutError(f"the processes did not agree in time ({_first(error)})") from error

    def tell(self, name: str, make: Callable[[], Any]) -> Any:
        """Return in every process what `make` returns in process 0, which JSON must hold.

        What `make` raises in process 0 is raised in the others as an OSError of its sentence.
        """
        if self._client is None:
            return make()
        if self.index > 0:
            value, error = json.loads(self.gather(name, "")[0])
            if error is not None:
                raise OSError(error)
            return value
        try:
            value = make()
        except Exception as error:
            self.gather(name, json.dumps([None, str(error)]))
            raise
        self.gather(name, json.dumps([value, None]))
        return value

    def _collect(self, place: str, until: float) -> list[str]:
        """Read what every process said, in process 0; the others learn of it where one is late."""
        assert self._client is not None
        try:
            return [
                json.loads(self._client.blocking_key_value_get(f"{place}/{i}", _left(until)))
                for i in range(self.count)
            ]
        except jax.errors.JaxRuntimeError:
            self._client.key_value_set(f"{place}/all", "null")
            raise

    def _listen(self, place: str, until: float) -> list[str]:
        assert self._client is not None
        texts = json.loads(self._client.blocking_key_value_get(f"{place}/all", _left(until)))
        if texts is None:
            raise TimeoutError("the processes did not agree in time (one of them was late)")
        return texts


def _left(until: float) -> int:
    """Return the milliseconds until a moment, at least one."""
    return max(1, int(1000 * (until - time.monotonic())))


def _first(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
