import subprocess
import sys

from threadpoolctl import threadpool_info, threadpool_limits

from model.threads import one_thread

SCIPY_COMES_LATER = """
from threadpoolctl import threadpool_info, threadpool_limits
import numpy
from model.threads import one_thread
with one_thread():
    pass
before = len(threadpool_info())
import scipy.linalg
with threadpool_limits(limits=2), one_thread():
    print(len(threadpool_info()) > before, {each["num_threads"] for each in threadpool_info()})
"""


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info()}


def test_there_is_one_thread_inside_and_what_there_was_outside() -> None:
    with threadpool_limits(limits=2):
        for _ in range(2):
            with one_thread():
                assert threads() == {1}
            assert threads() == {2}


def test_a_library_that_is_loaded_later_has_one_thread_too() -> None:
    """The libraries are found once; each brings threads of its own."""
    command = [sys.executable, "-c", SCIPY_COMES_LATER]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True {1}\n"
    )
