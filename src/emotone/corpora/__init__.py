"""Corpora: recordings with their labels, read from the folders in which their authors publish them.

>>> sorted(CORPORA)
['cremad', 'emodb', 'emovo', 'nemo', 'ravdess', 'savee', 'tess']
"""

from emotone.corpora.duplicates import content_digests, find_duplicates
from emotone.corpora.loading import load, load_corpus
from emotone.corpora.registry import CORPORA, CorpusInfo
from emotone.corpora.table import CHANNELS, COLUMNS, Corpus, Rejected

__all__ = [
    "CHANNELS",
    "COLUMNS",
    "CORPORA",
    "Corpus",
    "CorpusInfo",
    "Rejected",
    "content_digests",
    "find_duplicates",
    "load",
    "load_corpus",
]
