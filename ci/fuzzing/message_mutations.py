"""Changes to any field of any protobuf message that keep it a message: what a reader gets past its parser."""

from random import Random

from ci.fuzzing.byte_mutations import FLOATS, INTEGERS, WORDS, mutate_bytes


def mutate_message(message, random: Random, depth: int = 0) -> None:
    """One random change to a field of a protobuf message, or below it."""
    fields = [(field, value) for field, value in message.ListFields()]
    if not fields:
        return
    field, value = random.choice(fields)
    if hasattr(value, "keys"):
        _mutate_map(message, field, value, random, depth)
    elif hasattr(value, "append"):
        _mutate_list(field, value, random, depth)
    elif field.message_type is not None:
        if random.random() < 0.1:
            message.ClearField(field.name)
        elif random.random() < 0.05 and depth < 8:
            value.CopyFrom(type(value)())
        else:
            mutate_message(value, random, depth + 1)
    elif random.random() < 0.1:
        message.ClearField(field.name)
    else:
        _assign(lambda new: setattr(message, field.name, new), value, random)


def _mutate_map(message, field, entries, random: Random, depth: int) -> None:
    key = random.choice(list(entries))
    kind = random.random()
    if kind < 0.25:
        del entries[key]
    elif field.message_type.fields_by_name["value"].message_type is None:
        _assign(lambda new: entries.__setitem__(key, new), entries[key], random)
    elif kind < 0.4:
        entries[random.choice(WORDS)].CopyFrom(entries[key])
    elif kind < 0.55:
        other = entries[random.choice(list(entries))]
        entries[key].CopyFrom(type(other).FromString(other.SerializeToString()))
    else:
        mutate_message(entries[key], random, depth + 1)


def _mutate_list(field, values, random: Random, depth: int) -> None:
    at, other = random.randrange(len(values)), random.randrange(len(values))
    kind = random.random()
    if kind < 0.2:
        del values[at]
    elif kind < 0.3:
        values.extend([values[at]] * random.choice((1, 1, 2, 100)))
    elif field.message_type is None:
        _assign(lambda new: values.__setitem__(at, new), values[at], random)
    elif kind < 0.4:
        values[at].CopyFrom(type(values[other]).FromString(values[other].SerializeToString()))
    else:
        mutate_message(values[at], random, depth + 1)


def _assign(setter, value, random: Random) -> None:
    """Another value of the same kind; what the field cannot hold is drawn again."""
    for _ in range(10):
        if isinstance(value, bool):
            new = not value
        elif isinstance(value, int):
            new = random.choice((value + 1, value - 1, -value, random.randrange(25), *INTEGERS))
        elif isinstance(value, float):
            new = random.choice(FLOATS)
        elif isinstance(value, bytes):
            new = mutate_bytes(value or b"\0", random)
        else:
            new = random.choice((value + "x", value[:-1], value * 2, f"{value}:1", f"^{value}", *WORDS))
        try:
            setter(new)
        except (ValueError, UnicodeError):
            continue
        return
