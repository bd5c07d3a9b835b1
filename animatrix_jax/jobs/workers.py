"""Work spread over processes."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait


def spread[Item, Result](
    task: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Result]:
    """Yield the task's results in the order in which they are finished.

    `processes` 0 is one per core. A single one is this process itself; more are spawned, so the
    task and its items must be picklable. What is queued is given up when the caller fails.
    """
    workers = min(processes or os.cpu_count() or 1, len(items))
    if workers <= 1:
        yield from map(task, items)
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        pending = {pool.submit(task, item) for item in items}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
