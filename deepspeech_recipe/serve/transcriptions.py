"""`POST /v1/audio/transcriptions`, as OpenAI's API has it."""

from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from deepspeech_recipe.corpus import subtitles
from deepspeech_recipe.runtime import Result
from deepspeech_recipe.runtime.recordings.audio_files import at_rate, open_audio
from deepspeech_recipe.serve.engine import Engine
from deepspeech_recipe.serve.streaming import segments
from deepspeech_recipe.temporary import temporary_directory


async def transcribe(request: Request) -> Response:
    """The text of an uploaded recording."""
    engine: Engine = request.app.state.engine
    recognizer = engine.recognizer
    with engine.streams.take():
        async with request.form() as form:
            file = form.get("file")
            assert isinstance(file, UploadFile)
            content = await file.read()

            def work() -> Result:
                with temporary_directory() as folder:
                    path = Path(folder) / "recording"
                    path.write_bytes(content)
                    with open_audio(path) as audio:
                        return recognizer.transcribe_blocks(at_rate(audio, "recording", recognizer.sample_rate))

            result = await engine.run(work)
    form_of = str(form.get("response_format") or "json")
    if form_of == "text":
        return PlainTextResponse(result.text + "\n")
    if form_of in ("srt", "vtt"):
        return PlainTextResponse((subtitles.srt if form_of == "srt" else subtitles.vtt)(result.words))
    if form_of == "json":
        return JSONResponse({"text": result.text})
    words = [{"word": each.text, "start": each.start, "end": each.end} for each in result.words]
    return JSONResponse(
        {
            "task": "transcribe",
            "language": engine.describe()["language"] or "",
            "duration": result.seconds,
            "text": result.text,
            "segments": segments(result.words),
            "words": words,
        }
    )
