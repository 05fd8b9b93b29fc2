"""What was recognised, for a person to read."""

from deepspeech_recipe.recognise.acoustic_model import AcousticModel

STATE_KINDS = {"variable": "variables", "input": "placeholders", "constant": "none (zeros)"}


def one_line(model: AcousticModel, *, steps, batch) -> str:
    """Generation, sizes, T and state kind."""
    dense = "-".join(map(str, model.dense_sizes[:-2]))
    return (
        f"DeepSpeech {model.generation}: {model.window_frames}×{model.n_input} features, dense {dense}, "
        f"{'bidirectional ' if model.rnns else ''}LSTM {model.lstm.hidden_size}, dense {model.dense_sizes[-2]}, "
        f"{model.classes} classes; "
        f"T = {steps or 'dynamic'}, batch {batch or 'dynamic'}, state in {STATE_KINDS[model.state_c.kind]}"
        f"{' → inputs' if model.state_c.kind == 'variable' else ''}; time_len == seq_len enforced"
    )
