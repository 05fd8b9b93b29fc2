"""subprocess.run for Python modules, by a copy of this process in place of a new one: in milliseconds."""

import faulthandler
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable


class Forked:
    """Stands in for the module `subprocess` where a program is `main()` of a module that is loaded already.

    Time limits are left to the program's own, and to the worker's.
    """

    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self, main: Callable[[], int]):
        self._main = main

    def run(self, command, *, input: bytes, **options) -> subprocess.CompletedProcess:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
            given.write(input)
            given.seek(0)
            pid = os.fork()
            if not pid:
                self._be_program(given.fileno(), printed.fileno())
            _, status = os.waitpid(pid, 0)
            printed.seek(0)
            return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), b"", printed.read())

    def _be_program(self, given: int, printed: int) -> None:
        """Never returns."""
        code = 1
        try:
            faulthandler.disable()  # its file is for the worker's own death
            os.dup2(given, 0)
            for descriptor in (1, 2):
                os.dup2(printed, descriptor)
            sys.stdin = os.fdopen(0)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            code = self._main()
        except SystemExit as error:
            code = error.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
