"""Changes to an IR: to its layers and edges, to its weights' file, and to the JSON of its metadata."""

import json
import re
from html import escape, unescape
from random import Random

from ci.fuzzing.byte_mutations import mutate_bytes
from ci.fuzzing.json_mutations import mutate_json, mutate_xml

_JSON = re.compile(rb'(<json value=)"([^"]*)"')


def mutate_ir(files: dict[str, bytes], random: Random) -> dict[str, bytes]:
    """Half of the changes are to the metadata, which are this project's own."""
    xml, weights = files["m.xml"], files["m.bin"]
    kind = random.random()
    if kind < 0.5:
        xml = _with_metadata(xml, random)
    elif kind < 0.8:
        xml = mutate_xml(xml, random)
    elif kind < 0.9:
        xml = mutate_bytes(xml, random)
    else:
        weights = mutate_bytes(weights, random)
    return {"m.xml": xml, "m.bin": weights}


def _with_metadata(xml: bytes, random: Random) -> bytes:
    match = _JSON.search(xml)
    if match is None:
        return mutate_xml(xml, random)
    text = unescape(match[2].decode())
    if random.random() < 0.1:
        text = mutate_bytes(text.encode(), random).decode(errors="replace").replace("\0", "")
    else:
        text = json.dumps(mutate_json(json.loads(text), random))
    quoted = escape(text).encode(errors="replace")
    return xml[: match.start()] + match[1] + b'"' + quoted + b'"' + xml[match.end() :]
