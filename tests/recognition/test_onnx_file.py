"""ONNX files without their library: no weights in other files, and damage is found."""

import pytest

from emotone.errors import BundleError
from emotone.recognition.onnx_file import check_whole
from emotone.recognition.session import DEFAULT_FOLDER
from support import handmade, hostile_graphs


def test_whole_files_pass():
    check_whole((DEFAULT_FOLDER / "model.onnx").read_bytes())
    for optional in (None, handmade.ADAPTS):
        check_whole(handmade.graph(optional=optional))


@pytest.mark.parametrize("name", [name for name in hostile_graphs.MODELS if name.startswith("external")])
def test_weights_in_other_files_are_found_wherever_they_are(name):
    with pytest.raises(BundleError, match=r"weights in another file \(external data\), expected all in the ONNX model"):
        check_whole(hostile_graphs.MODELS[name]().SerializeToString())


def test_a_reference_that_is_not_marked_as_external_is_found():
    made = hostile_graphs.external("weights.bin")
    next(tensor for tensor in made.graph.initializer if tensor.name == "value").ClearField("data_location")
    with pytest.raises(BundleError, match="external data"):
        check_whole(made.SerializeToString())


def test_every_cut_is_damage_or_still_whole():
    content = handmade.graph()
    n_damaged = 0
    for end in range(len(content)):
        try:
            check_whole(content[:end])
        except BundleError as error:
            assert "is damaged at byte" in str(error)
            n_damaged += 1
    assert n_damaged > len(content) / 2


@pytest.mark.parametrize("content", [b"\x0b", b"\x0f", b"\x00", b"\x07\x00", b"\xff" * 20, b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_no_onnx_file_has_is_damage(content):
    with pytest.raises(BundleError, match="is damaged at byte"):
        check_whole(content)
