"""What a command printed."""


def one_error(captured) -> str:
    """The only line printed, which must be an error."""
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("deepspeech-recipe: error: ")
    return line.removeprefix("deepspeech-recipe: error: ")
