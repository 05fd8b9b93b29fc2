"""What may be asked of a transcription, and its answers in the forms of OpenAI's API."""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.responses import JSONResponse, PlainTextResponse, Response

from deepspeech_recipe.corpus import subtitles
from deepspeech_recipe.runtime import Result
from deepspeech_recipe.runtime.result import Word
from deepspeech_recipe.serve.errors import ApiError

_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_GRANULARITIES = ("segment", "word")
_TRUE, _FALSE = ("true", "1"), ("false", "0", "")


@dataclass(frozen=True)
class Wanted:
    """form: of the answer, as OpenAI's `response_format`; words, segments: whether it has them; stream: as it comes."""

    form: str
    words: bool
    segments: bool
    stream: bool


def wanted(fields: FormData, model: dict) -> Wanted:
    """model: what it is, from `Engine.describe`. Fields that are not known are ignored, as are `prompt` and
    `temperature`. Raises ApiError for a value that does not fit."""
    form = _one_of(fields, "response_format", _FORMATS) or "json"
    stream = _one_of(fields, "stream", (*_TRUE, *_FALSE)) in _TRUE
    if stream and form not in ("json", "text"):
        raise ApiError(400, f"stream=true gives text as it comes, not {form}.", "response_format", "unsupported_value")
    if name := _text(fields, "model"):
        check_model(name, model)
    language, own = _text(fields, "language"), model["language"]
    if language and own and _primary(language) != _primary(own):
        raise ApiError(400, f"The model's language is {own!r}, not {language!r}.", "language", "unsupported_value")
    asked = [*fields.getlist("timestamp_granularities[]"), *fields.getlist("timestamp_granularities")]
    if not set(asked) <= {*_GRANULARITIES}:
        raise _unfit("timestamp_granularities[]", _GRANULARITIES)
    if asked and form != "verbose_json":
        message = "timestamp_granularities[] is about response_format=verbose_json."
        raise ApiError(400, message, "timestamp_granularities[]", "unsupported_value")
    return Wanted(form, "word" in asked, "segment" in asked or not asked, stream)


def check_model(name: str, model: dict) -> None:
    """model: as of `wanted`. Raises ApiError if it has another name."""
    if name != model["model"]:
        raise ApiError(404, f"There is no model {name!r} here, only {model['model']!r}.", "model", "model_not_found")


def model_object(model: dict) -> dict:
    """As OpenAI's API tells of a model, and what else is known of it. model: as of `wanted`."""
    known = {name: value for name, value in model.items() if name != "model"}
    return {"id": model["model"], "object": "model", "created": 0, "owned_by": "deepspeech-recipe", **known}


def answer(result: Result, wanted: Wanted, model: dict) -> Response:
    """model: as of `wanted`."""
    if wanted.form == "text":
        return PlainTextResponse(f"{result.text}\n")
    if wanted.form == "srt":
        return PlainTextResponse(subtitles.srt(result.words), media_type="application/x-subrip")
    if wanted.form == "vtt":
        return PlainTextResponse(subtitles.vtt(result.words), media_type="text/vtt")
    found: dict[str, Any] = {"text": result.text}
    if wanted.form == "verbose_json":
        found |= {"task": "transcribe", "language": model["language"] or "", "duration": result.seconds}
        if wanted.segments:
            found["segments"] = list(_segments(result.words))
        if wanted.words:
            found["words"] = word_list(result)
    return JSONResponse(found)


def word_list(result: Result) -> list[dict]:
    """Words and their times in seconds."""
    return [{"word": each.text, "start": each.start, "end": each.end} for each in result.words]


def cue_list(words: tuple[Word, ...]) -> list[dict]:
    """Lines of words that belong together, as subtitles have them."""
    return [{"start": start, "end": end, "text": text} for start, end, text in subtitles.cues(words)]


def _segments(words: tuple[Word, ...]) -> Iterator[dict]:
    """With all fields that OpenAI's clients look for; what only Whisper's decoder knows is empty or 0."""
    for number, cue in enumerate(cue_list(words)):
        within = [each for each in words if cue["start"] <= each.start and each.end <= cue["end"]]
        text = cue["text"].encode()
        yield {
            "id": number,
            "seek": 0,
            **cue,
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": sum(math.log(max(each.confidence, 1e-9)) for each in within) / len(within),
            "compression_ratio": len(text) / len(zlib.compress(text)),
            "no_speech_prob": 0.0,
        }


def _text(fields: FormData, name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise ApiError(400, f"The field `{name}` is a file, and a text is needed.", name, "invalid_value")
    return value


def _one_of(fields: FormData, name: str, choices: tuple[str, ...]) -> str:
    value = _text(fields, name).lower()
    if value and value not in choices:
        raise _unfit(name, choices)
    return value


def _unfit(name: str, choices: tuple[str, ...]) -> ApiError:
    return ApiError(400, f"The field `{name}` must be {' or '.join(filter(None, choices))}.", name, "invalid_value")


def _primary(language: str) -> str:
    """'en-US' → 'en'"""
    return language.lower().replace("_", "-").partition("-")[0]
