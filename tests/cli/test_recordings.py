"""Which files of a folder are recordings."""

from emotone.cli.recordings import SUFFIXES
from emotone.corpora.readers._scan import AUDIO_SUFFIXES


def test_every_suffix_of_a_corpus_is_taken_from_a_folder():
    assert set(AUDIO_SUFFIXES) <= SUFFIXES
