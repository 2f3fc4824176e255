import subprocess
import sys
import time

import psutil
import pytest

from local_stack.processes import is_alive

FIRST_THREAD_ENDS = """
import ctypes, threading
threading.Thread(target=input).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how a process ends thread by thread is Linux's own")
def test_a_process_is_alive_while_any_of_its_threads_is() -> None:
    with subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS], stdin=subprocess.PIPE) as started:
        process = psutil.Process(started.pid)
        deadline = time.monotonic() + 20
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert is_alive(process)

        assert started.stdin is not None
        started.kill()
        while is_alive(process):
            assert time.monotonic() < deadline
            time.sleep(0.02)
