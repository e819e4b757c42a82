"""One thread for what is too small for two."""

import sys
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """A context in which the linear algebra of this process has one thread.

    Like `threadpool_limits`, which looks through all loaded libraries each time: 2.6 milliseconds
    of a processor, a hundred times what the limit itself takes. Here that is done again only when
    something has been imported since.
    """
    limit: AbstractContextManager[object] = _libraries(len(sys.modules)).limit(limits=1)
    return limit


@lru_cache(maxsize=1)
def _libraries(imported: int) -> ThreadpoolController:
    """Those loaded while there are so many modules."""
    return ThreadpoolController()
