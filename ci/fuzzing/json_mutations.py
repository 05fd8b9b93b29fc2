"""Changes to JSON values, and to the XML of an IR, that keep their form."""

from random import Random
from xml.etree import ElementTree

from ci.fuzzing.byte_mutations import FLOATS, INTEGERS, WORDS

_VALUES = (None, True, False, "", "x", [], {}, [None], [[]], {"": None}, {"a": {"b": []}}, *FLOATS, *INTEGERS, 10**400)
_SIZES = ("0", "1", "-1", "2", "99999", "4294967296", "9223372036854775807", "", "x", "1.5", "nan")


def mutate_json(value, random: Random):
    """`value` with one to four of its parts exchanged, dropped, doubled or made another type; a new value."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        value = _changed(value, random)
    return value


def _changed(value, random: Random):
    inside = isinstance(value, dict | list) and value
    if not inside or random.random() < 0.05:
        return random.choice((*_VALUES, [value], {"x": value}, str(value), *WORDS))
    if isinstance(value, dict):
        value, key = dict(value), random.choice(list(value))
        kind = random.random()
        if kind < 0.15:
            del value[key]
        elif kind < 0.25:
            value[random.choice(WORDS)] = value[key]
        elif kind < 0.35:
            other = random.choice(list(value))
            value[key], value[other] = value[other], value[key]
        else:
            value[key] = _changed(value[key], random)
        return value
    value, at = list(value), random.randrange(len(value))
    kind = random.random()
    if kind < 0.2:
        del value[at]
    elif kind < 0.4:
        value[at:at] = [value[at]] * random.choice((1, 2, 300))
    else:
        value[at] = _changed(value[at], random)
    return value


def mutate_xml(data: bytes, random: Random) -> bytes:
    """One to four changes to elements, attributes and texts of an XML document."""
    root = ElementTree.fromstring(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        elements = list(root.iter())
        parent = random.choice([element for element in elements if len(element)] or [root])
        element = random.choice(elements)
        kind = random.randrange(8)
        if kind == 0 and len(parent):
            parent.remove(random.choice(parent))
        elif kind == 1 and len(parent):
            parent.insert(random.randrange(len(parent)), random.choice(parent))
        elif kind == 2:
            parent.append(random.choice([each for each in elements if not len(each)] or [ElementTree.Element("x")]))
        elif kind == 3 and element.text and element.text.strip():
            element.text = random.choice(_SIZES)
        elif kind == 4:
            element.tag = random.choice(elements).tag
        else:
            _change_attribute(random.choice([each for each in elements if each.attrib] or [root]), elements, random)
    return ElementTree.tostring(root)


def _change_attribute(element, elements, random: Random) -> None:
    if not element.attrib:
        return
    name = random.choice(list(element.attrib))
    others = [each.attrib[name] for each in elements if name in each.attrib]
    kind = random.randrange(4)
    if kind == 0:
        del element.attrib[name]
    elif kind == 1:
        element.attrib[name] = random.choice(others)
    elif kind == 2:
        element.attrib[name] = random.choice(_SIZES)
    else:
        element.attrib[name] = random.choice([word for word in WORDS if word.isprintable()])
