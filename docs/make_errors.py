"""Writes docs/errors.md: every refusal in the code, in families. `python docs/make_errors.py`

`…` stands for what is filled in: names, numbers, shapes.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "deepspeech_recipe"
PAGE = Path(__file__).with_name("errors.md")
ERRORS = ("RecipeError", "Refusal", "NoTensorFlow", "NotPure", "NotRepeatable", "needed")

# title, what it means and what to do, modules
FAMILIES = (
    (
        "The file cannot be read or written",
        "Nothing was converted, and nothing was left behind. Check the path and the permissions.",
        ("files.py", "ir/save.py", "sources/unpack.py"),
    ),
    (
        "The file is not a model",
        "Files are told apart by their content, never by their suffix. Give the acoustic model itself: a frozen graph "
        "(`.pb`), a memory-mapped package (`.pbmm`), a checkpoint, a SavedModel directory, a `.tflite` file, or an "
        "archive with one of them.",
        ("sources/",),
    ),
    (
        "A .pbmm file is damaged",
        "The directory at the end of the file does not fit the file. Mostly the download was cut off: compare its size "
        "with the original's.",
        ("sources/pbmm.py",),
    ),
    (
        "A checkpoint lacks something",
        "A checkpoint holds weights only; the graph is rebuilt from them. Give what it cannot know with `--alphabet`, "
        "`--sample-rate`, `--window-ms`, `--step-ms` and `--n-steps`.",
        ("sources/checkpoint/",),
    ),
    (
        "A .tflite file is another model, or damaged",
        "The unrolled LSTM of DeepSpeech's and Coqui STT's exports is rolled up again, which needs the structure that "
        "they write. Of other networks each operation is written as TensorFlow's, which needs its translation.",
        ("sources/tflite",),
    ),
    (
        "An archive cannot be used",
        "Archives are unpacked with bounds on size and number of files, and never outside of a temporary directory.",
        ("sources/archive/",),
    ),
    (
        "An alphabet does not fit",
        "The alphabet must have one label for every class but the last, which is the CTC blank.",
        ("alphabet.py", "conversion/settings.py", "runtime/decoders/greedy.py"),
    ),
    (
        "A model or an LSTM that cannot be converted exactly",
        "A conversion would give other numbers. The message names the node; another export of the model helps, as the "
        "remedy says. If the graph is DeepSpeech's, this is an error. An LSTM of another graph is left as it is then, "
        "with its numbers right, and `inspect` and `convert` print the reason.",
        ("recipes/", "patterns/"),
    ),
    (
        "A recipe that is wrong, or does not fit",
        "The message names the recipe, the field, and what belongs there ([how recipes are written](own-lstm.md)).",
        ("recipes/registry.py", "recipes/checks.py", "recipes/acoustic_checks.py", "recipes/recognition.py"),
    ),
    (
        "A state would be lost",
        "Model Optimizer and OpenVINO drop assignments to variables without a word. Where a recurrent state lies in "
        "such a variable it is converted, or refused: never lost.",
        ("patterns/state", "rewrite/", "converters/graphdef_edits.py"),
    ),
    (
        "The feature part cannot be converted",
        "AudioSpectrogram and Mfcc are computed exactly as TensorFlow computes them, or not at all.",
        ("recipes/audio.py", "ir/audio_settings.py", "audio/"),
    ),
    (
        "A request that contradicts the model: mo",
        "One call consumes all of its time steps (time_len == seq_len). These are errors of the plugin: `mo` prints "
        "them and exits with 1.",
        ("converters/mo_",),
    ),
    (
        "A request that contradicts the model: convert",
        "Options that exclude one another, or that this model does not allow.",
        ("conversion/", "converters/", "ir/options.py"),
    ),
    (
        "An IR does not fit a pass",
        "The functions of `deepspeech_recipe.passes` work on IRs that keep the contract.",
        ("passes/",),
    ),
    (
        "Nothing to compare with",
        "`verify` runs the original and the IR over the same audio, and needs both.",
        ("verification/",),
    ),
    (
        "A graph that is not run",
        "Of a file, only operations that compute are run ([security](security.md)); the model is exported without the "
        "others.",
        ("graphdef/pure.py",),
    ),
    (
        "A benchmark that cannot begin",
        "What one contender cannot do is a line of the report instead, and the others go on.",
        ("benchmarking/",),
    ),
    (
        "An IR that cannot be read or run",
        "What runs an IR needs the `.xml` of an acoustic model that this project converted, with its `.bin` beside it.",
        ("ir/", "runtime/"),
    ),
    (
        "Audio that cannot be heard",
        "Files are read by soundfile, other rates converted by soxr. A file that is cut off is refused, for its text "
        "would end early without a word.",
        ("runtime/recordings/", "corpus/listing.py", "corpus/engine.py", "corpus/outputs.py"),
    ),
    (
        "A language model that cannot be used",
        "A scorer belongs to an alphabet: it must be made for the letters of the model, in their order.",
        ("runtime/decoders/", "cli/recognition.py"),
    ),
    (
        "Features that cannot be given",
        "`features` gives the output of a layer for each frame.",
        ("corpus/features.py", "cli/features.py"),
    ),
    (
        "A test set that cannot be counted",
        "`evaluate` takes a CSV manifest, or a folder of LibriSpeech.",
        ("corpus/evaluate.py", "runtime/recordings/clips.py"),
    ),
    (
        "A graph is damaged, or asks for too much",
        "Every graph is checked when it is read: inputs and attributes of the operations that this project looks at, "
        "what constants hold, circles outside of loops, and how much it asks for. Copy the file again, or export it "
        "again.",
        ("graphdef/", "limits.py"),
    ),
    (
        "The server",
        "Clients get these in the form of the interface: OpenAI's over HTTP, a message `error` over WebSockets and "
        "Wyoming. What is wrong at the start ends the command.",
        ("serve/",),
    ),
    (
        "Something else",
        "The message says what to install, or what to copy.",
        ("",),
    ),
)


def page() -> str:
    parts = [
        "# Error messages\n",
        "`deepspeech-recipe` prints one line, `deepspeech-recipe: error: …`, and exits with 2. `mo` prints the\n"
        "plugin's messages as its own errors and exits with 1. Below, `…` stands for what is filled in. This page\n"
        "is written by `python docs/make_errors.py` from the code.\n",
    ]
    families: dict[str, list[str]] = {title: [] for title, _, _ in FAMILIES}
    modules = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    for prefix in {prefix for _, _, prefixes in FAMILIES for prefix in prefixes}:
        if not any(module.startswith(prefix) for module in modules):
            raise LookupError(f"{prefix}: there is no such module; correct FAMILIES")
    trees = {module: ast.parse((PACKAGE / module).read_text(encoding="utf-8")) for module in modules}
    shared = {name: text for tree in trees.values() for name, text in _constants(tree) if not name.startswith("_")}
    for module, tree in trees.items():
        families[_family(module)] += messages_of(tree, {**shared, **dict(_constants(tree))})
    for title, meaning, _ in FAMILIES:
        if families[title]:
            parts += [f"## {title}\n", f"{meaning}\n", *(f"- {text}" for text in dict.fromkeys(families[title])), ""]
    return "\n".join(parts)


def _family(module: str) -> str:
    """The family with the longest prefix of the module."""
    prefixes = {prefix: title for title, _, prefixes in FAMILIES for prefix in prefixes}
    return prefixes[max((prefix for prefix in prefixes if module.startswith(prefix)), key=len)]


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The texts that a module has names for."""
    named = (each for each in tree.body if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name))
    for node in named:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.targets[0].id, node.value.value


def messages_of(tree: ast.Module, texts: dict[str, str]) -> Iterator[str]:
    """What each `RecipeError(…)`, `Refusal(…)`, `limits.check(…)` and `needed(…)` in a module says.

    texts: name → the text that it stands for.
    """
    nodes = list(ast.walk(tree))
    reasons = {node.lineno: node.value for node in nodes if isinstance(node, ast.Assign) and _is_reason(node)}
    calls = (node for node in nodes if isinstance(node, ast.Call))
    for node in sorted(calls, key=lambda call: call.lineno):
        beyond = ast.unparse(node.func) == "limits.check"
        if (getattr(node.func, "id", "") in ERRORS or beyond) and node.args:
            reason = node.args[0]
            if getattr(reason, "id", "") == "reason" and (beyond or node.func.id == "needed"):
                reason = reasons[max(line for line in reasons if line < node.lineno)]
            text = _text(reason, texts)
            for keyword in node.keywords:
                if keyword.arg == "remedy":
                    text = f"{text.rstrip('.')}. {_text(keyword.value, texts).rstrip('.')}."
            text += ". …." if beyond else ""
            if len(text.replace("…", "").strip(" .:,")) > 10:
                yield " ".join(text.replace("*", "\\*").replace("<", "\\<").split())


def _is_reason(node: ast.Assign) -> bool:
    return getattr(node.targets[0], "id", "") == "reason" and isinstance(node.value, (ast.Constant, ast.JoinedStr))


def _text(node: ast.expr, texts: dict[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return texts.get(node.id, "…")
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, texts) if isinstance(node.value, ast.Name) else "…"
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value, texts) for value in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left, texts) + _text(node.right, texts)
    return "…"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
