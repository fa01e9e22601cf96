"""Writers of corpora in the formats of others."""

from emotone.corpora.writers.audformat_database import write_audformat
from emotone.corpora.writers.audiofolder import write_audiofolder

__all__ = ["write_audformat", "write_audiofolder"]
