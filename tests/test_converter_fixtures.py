"""fixtures/synthetic is what its script writes: the same graphs, and TensorFlow's numbers."""

import pytest

from tests.fixtures.synthetic.cases import CASES, options_of
from tests.support import contract
from tests.support.limits import assert_close


def test_every_case_has_its_files_and_no_other_lies_there():
    found = {path.stem for path in contract.FOLDER.iterdir() if path.suffix in (".pb", ".npz")}
    assert found == set(CASES)
    assert sum(path.stat().st_size for path in contract.FOLDER.iterdir() if path.is_file()) < 1.5e6


@pytest.mark.requires_tf
@pytest.mark.parametrize("name", CASES)
def test_graphs_and_numbers_are_those_of_the_script(name, tf):
    from tests.fixtures.synthetic import make
    from tests.graphs.deepspeech import build

    each = contract.case(name)
    version, options = options_of(name)
    graph = build(version, **options)
    committed = tf.compat.v1.GraphDef.FromString(each.path.read_bytes())
    built = graph.parse()
    shape = [(node.name, node.op, list(node.input)) for node in built.node]
    assert [(node.name, node.op, list(node.input)) for node in committed.node] == shape
    assert make.about(graph) == each.about
    values = make.arrays(name, graph)
    assert set(values) == set(each.want)
    for key, value in values.items():
        assert_close(value, each.want[key], 2e-6, key)
