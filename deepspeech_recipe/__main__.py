"""`python -m deepspeech_recipe`, and the command `deepspeech-recipe`"""

import sys

_INTERRUPTED = 130


def main() -> int:
    """As `cli.main`; Ctrl-C while that is imported does not end in a traceback."""
    try:
        from deepspeech_recipe import cli

        return cli.main()
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
