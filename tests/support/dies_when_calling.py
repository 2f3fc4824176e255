"""Runs a program that is killed when it calls a function: ``… MODULE:FUNCTION PROGRAM``."""

import importlib
import os
import runpy
import signal
import sys


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    module, _, function = sys.argv[1].partition(":")
    here = importlib.import_module(module)
    assert callable(getattr(here, function))
    setattr(here, function, die)
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
