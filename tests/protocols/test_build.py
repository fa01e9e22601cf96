"""`build`: refusals with a remedy, and copies of a recording on the same side."""

import numpy as np
import pytest

from emotone import protocols
from emotone.corpora.table import Corpus
from emotone.errors import ProtocolError
from support.protocol_corpora import made


@pytest.mark.parametrize(
    ("name", "corpus", "message"),
    [
        ("speaker-6fold", made(speakers=["ravdess-01"]), "at least 2 speakers"),
        ("speaker-6fold", made(name="mine", speakers=["", "a"]), "32 of 64 clips name no speaker.*column 'speaker'"),
        ("leave-one-speaker-out", made(name="mine", speakers=[""]), "random protocol"),
        ("statement-disjoint", made(statements=("kids",)), "at least 2 named statements"),
        ("cross-corpus", made(), "at least 2 corpora, and there is ravdess"),
        ("random-70-15-15", made(speakers=["a"], clips=1), "'angry' has 2 clips.*at least 3"),
        ("speaker-7fold", made(), "did you mean 'speaker-6fold'.*cross-corpus"),
        ("none.json", made(), "No such file"),
        ("speaker-6fold", made(emotions=()), "no clips"),
    ],
)
def test_what_a_corpus_can_not_give_is_refused_with_a_remedy(name, corpus, message):
    with pytest.raises(ProtocolError, match=message):
        protocols.build(name, corpus)


def test_an_emotion_that_training_never_hears_is_refused():
    corpus = Corpus.union(
        [
            made(name="a", speakers=["a-1"]),
            made(name="b", speakers=["b-1"], emotions=("happy",)),
        ]
    )
    with pytest.raises(ProtocolError, match="angry, calm.*--emotions"):
        protocols.build("leave-one-speaker-out", corpus)


@pytest.mark.parametrize("name", ["random-70-15-15", "random-80-20"])
@pytest.mark.parametrize("seed", range(4))
def test_random_splits_keep_copies_of_a_recording_on_one_side(name, seed):
    corpus = made()
    digests = [f"{row:04x}" for row in range(len(corpus))]
    for copy, original in ((700, 3), (411, 12), (90, 12)):
        digests[copy] = digests[original]
    protocol = protocols.build(name, corpus, seed=seed, digests=digests)
    protocols.check_leaks(protocol, corpus, digests=digests)  # raises where a copy is on both sides
    fold = protocol.folds[0]
    plain = protocols.build(name, corpus, seed=seed).folds[0]
    assert np.setdiff1d(fold.test, plain.test).size <= 3  # nothing else moved
    assert fold.train.size + fold.dev.size + fold.test.size == len(corpus)
