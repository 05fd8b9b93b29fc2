"""subprocess.run for Python modules, by a copy of this process in place of a new one: in milliseconds."""

import faulthandler
import importlib
import os
import subprocess
import sys
import tempfile
import traceback


class Forked:
    """Stands in for the module `subprocess` where a program is `main()` of a module, its last word.

    Time limits are left to the program's own, and to the worker's.
    """

    TimeoutExpired = subprocess.TimeoutExpired

    def run(self, command, *, input: bytes, **options) -> subprocess.CompletedProcess:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
            given.write(input)
            given.seek(0)
            pid = os.fork()
            if not pid:
                self._be_program(command[-1], given.fileno(), printed.fileno())
            _, status = os.waitpid(pid, 0)
            printed.seek(0)
            return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), b"", printed.read())

    def _be_program(self, module: str, given: int, printed: int) -> None:
        """Never returns."""
        code = 1
        try:
            faulthandler.disable()  # its file is for the worker's own death
            os.dup2(given, 0)
            for descriptor in (1, 2):
                os.dup2(printed, descriptor)
            sys.stdin = os.fdopen(0)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            code = importlib.import_module(module).main()
        except SystemExit as error:
            code = error.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
