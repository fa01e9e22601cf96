"""The leak check looks at the corpus, not at what the folds say."""

import numpy as np
import pandas as pd
import pytest

from emotone import protocols
from emotone.corpora.table import Corpus
from emotone.errors import LeakError, ProtocolError
from support.protocol_corpora import disjoint, made


def test_leaks_are_found_in_the_corpus_not_in_what_the_folds_say():
    corpus = made(name="other", speakers=["a", "b"])
    lying = disjoint(protocols.Fold(np.arange(33), np.array([]), np.arange(33, 64), ("a",), ("b",)))
    with pytest.raises(LeakError, match="fold 1: b in training"):
        protocols.check_leaks(lying, corpus)
    honest = disjoint(protocols.Fold.of(corpus, train=range(32), test=range(32, 64)))
    protocols.check_leaks(honest, corpus, digests=[str(row) for row in range(64)])
    copied = [str(row) for row in range(63)] + ["5"]
    with pytest.raises(LeakError) as caught:
        protocols.check_leaks(honest, corpus, digests=copied)
    paths = corpus.table["path"]
    assert paths[5] in str(caught.value) and paths[63] in str(caught.value)
    with pytest.raises(ProtocolError, match="2 digests for 64 clips"):
        protocols.check_leaks(honest, corpus, digests=["a", "b"])
    with pytest.raises(ProtocolError, match="beyond the corpus's 32"):
        protocols.check_leaks(honest, made(name="other", speakers=["a"]))


def test_channels_are_recordings_of_their_own_and_a_mix_holds_each():
    for sides, leaks in ((("1", "2"), False), (("1", "1"), True), (("", "2"), True), (("1", ""), True)):
        table = made(speakers=["a", "b"], emotions=("sad",), clips=1, statements=("kids",)).table
        corpus = Corpus(table.assign(path="call.wav", audio_channel=list(sides)), "calls")
        split = disjoint(protocols.Fold.of(corpus, train=[0], test=[1]))
        if leaks:
            with pytest.raises(LeakError, match="hold the same recording"):
                protocols.check_leaks(split, corpus)
        else:
            protocols.check_leaks(split, corpus)


def test_a_file_listed_twice_is_a_leak_and_two_parts_of_one_file_are_not():
    table = made(name="other", speakers=["a"]).table
    for start, leaks in ((0.0, True), (2.5, False)):
        copy = table.assign(start_s=start)
        corpus = Corpus(table=pd.concat([table, copy], ignore_index=True), name="other")
        split = protocols.Protocol(
            "random", (protocols.Fold.of(corpus, train=range(32), test=range(32, 64)),), False, "by hand", 0
        )
        if leaks:
            with pytest.raises(LeakError, match="same recording"):
                protocols.check_leaks(split, corpus)
        else:
            protocols.check_leaks(split, corpus)
