"""Serves a model: a page to speak and read along, OpenAI's transcription API, live streams over WebSockets."""

from deepspeech_recipe.cli import recognition

HELP = "a page, HTTP and WebSockets: live speech and recordings → text"


def add_arguments(parser) -> None:
    recognition.add_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)


def run(arguments) -> int:
    from deepspeech_recipe.serve.server import serve

    serve(
        arguments.model, host=arguments.host, port=arguments.port, decoder=recognition.decoder(arguments),
        device=arguments.device, alphabet=arguments.alphabet, weights=arguments.weights,
    )  # fmt: skip
    return 0
