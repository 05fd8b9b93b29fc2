"""The ways in which people cut a sequence into the steps that `static_rnn` takes."""


def _unstack(tf, x, steps: int, axis: int) -> list:
    return tf.unstack(x, steps, axis)


def _split_squeeze(tf, x, steps: int, axis: int) -> list:
    return [tf.squeeze(part, axis) for part in tf.split(x, steps, axis)]


def _splitv_reshape(tf, x, steps: int, axis: int) -> list:
    return [tf.reshape(part, [-1, x.shape[2]]) for part in tf.split(x, [1] * steps, axis)]


def _split_rows(tf, x, steps: int, axis: int) -> list:
    """Of [T·B, I]."""
    x = x if axis == 0 else tf.transpose(x, [1, 0, 2])
    return tf.split(tf.reshape(x, [-1, x.shape[2]]), steps, 0)


def _split_columns(tf, x, steps: int, axis: int) -> list:
    """Of [B, T·I]."""
    x = x if axis == 1 else tf.transpose(x, [1, 0, 2])
    return tf.split(tf.reshape(x, [-1, steps * x.shape[2]]), steps, -1)


def _slices(tf, x, steps: int, axis: int) -> list:
    return [x[:, step] if axis else x[step] for step in range(steps)]


def _backwards(tf, x, steps: int, axis: int) -> list:
    return tf.unstack(x, steps, axis)[::-1]


def _each_twice(tf, x, steps: int, axis: int) -> list:
    parts = tf.unstack(x, steps, axis)
    return [parts[step // 2] for step in range(steps)]


CUTS = {
    "unstack": _unstack,
    "split_squeeze": _split_squeeze,
    "splitv_reshape": _splitv_reshape,
    "split_rows": _split_rows,
    "split_columns": _split_columns,
    "slices": _slices,
    "backwards": _backwards,
    "each_twice": _each_twice,
}
