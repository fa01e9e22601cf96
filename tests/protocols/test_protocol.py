"""The invariants of folds and protocols, and their JSON form."""

import json

import numpy as np
import pytest

from emotone import protocols
from emotone.corpora.table import Corpus
from emotone.errors import LeakError, ProtocolError
from support.protocol_corpora import disjoint, made


def test_a_speaker_disjoint_protocol_with_a_shared_speaker_can_not_be_made():
    corpus = made(speakers=["a", "b"], name="other")
    fold = protocols.Fold.of(corpus, train=range(33), test=range(33, 64))  # row 32 is b's first
    assert fold.shared == ("b",)
    with pytest.raises(LeakError, match="b both in training and in the test"):
        disjoint(fold)
    with pytest.raises(LeakError):
        disjoint(protocols.Fold.of(corpus, train=range(32), dev=[40], test=[41]))  # development counts as training
    with pytest.raises(ProtocolError, match="names no speakers"):
        disjoint(protocols.Fold(np.array([0]), np.array([]), np.array([1]), (), ()))


@pytest.mark.parametrize(
    ("train", "dev", "test", "error"),
    [
        ([0, 1], [], [1], LeakError),
        ([0, 1], [1], [2], LeakError),
        ([0], [2], [2], LeakError),
        ([0, 0], [], [1], ProtocolError),
        ([-1], [], [1], ProtocolError),
        ([], [], [1], ProtocolError),
        ([0], [], [], ProtocolError),
    ],
)
def test_a_fold_with_rows_on_two_sides_can_not_be_made(train, dev, test, error):
    with pytest.raises(error):
        protocols.Fold(np.array(train), np.array(dev), np.array(test), ("a",), ("b",))


def test_folds_can_not_be_altered_and_test_a_clip_once():
    corpus = made(name="other", speakers=["a", "b"])
    fold = protocols.Fold.of(corpus, train=range(32), test=range(32, 64))
    with pytest.raises(ValueError, match="read-only"):
        fold.train[0] = 40
    with pytest.raises(ProtocolError, match="two folds"):
        disjoint(fold, fold)


@pytest.mark.parametrize("name", sorted(protocols.PROTOCOLS))
def test_json_round_trip(name):
    corpus = Corpus.union([made(), made(name="tess", speakers=["tess-OAF", "tess-YAF"])])
    protocol = protocols.build(name, corpus, seed=5)
    value = json.loads(json.dumps(protocol.to_dict()))
    assert protocols.Protocol.from_dict(value).to_dict() == protocol.to_dict() == value
    assert value["folds"][0]["test"] == protocol.folds[0].test.tolist()
    assert value["description"].startswith(name)
    protocols.check_leaks(protocol, corpus)


def test_altered_json_is_refused():
    value = protocols.build("speaker-6fold", made()).to_dict()
    value["folds"][0]["train_speakers"].append("ravdess-01")
    with pytest.raises(LeakError, match="ravdess-01"):
        protocols.Protocol.from_dict(value)
    for broken in ({}, {"folds": 3}, {"folds": [{"train": ["x"], "dev": [], "test": []}]}):
        with pytest.raises(ProtocolError, match="not of the shape"):
            protocols.Protocol.from_dict(broken)
