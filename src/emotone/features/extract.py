"""Features of a corpus as a table, in one call."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotone.errors import ConfigError
from emotone.features import registry
from emotone.features.encoders.names import is_sequence
from emotone.features.store import FeatureStore
from emotone.parallel import LocalPool
from emotone.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from emotone.corpora import Corpus


def extract_features(
    corpus: "Corpus",
    extractor: str = registry.DEFAULT,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> "pd.DataFrame":
    """Compute the features of a corpus, or read them from the store.

    Parameters
    ----------
    corpus
        From `emotone.corpora.load`.
    extractor
        Name of an extractor that gives one row per clip, such as ``"functionals"`` or ``"egemaps"``.
    cache
        Folder of the feature store; `emotone.features.store.default_folder` by default.
    workers
        Number of processes; all cores by default.

    Returns
    -------
    One row per clip, in the order of the corpus, and one named column per feature, float32.  The index is the clip's
    path.  Clips that could not be read are left out; ``frame.attrs["rejected"]`` holds path -> reason.  Labels are in
    the table of the corpus, in the rows ``frame.attrs["rows"]``: ``corpus.table.loc[frame.attrs["rows"], "emotion"]``.

    Raises
    ------
    ConfigError
        The extractor is unknown, or gives a sequence of frames.
    FeatureError
        No clip could be read.
    MissingExtraError
        The extractor needs a package that is not installed.
    """
    import pandas as pd

    if is_sequence(extractor):
        raise ConfigError(
            f"extractor {extractor!r} gives a sequence of frames per clip, expected one row per clip such as "
            f"{registry.DEFAULT!r}; for frames use emotone.features.FeatureStore().compute(...)"
        )
    computed = FeatureStore(cache).compute(corpus, registry.get(extractor), pool=LocalPool(workers), progress=progress)
    paths = pd.Index([str(path) for path in corpus.table["path"]], name="path")
    frame = pd.DataFrame(computed.values, index=paths, columns=list(computed.names))
    rows = np.setdiff1d(np.arange(len(paths)), list(computed.rejected))
    frame = frame.iloc[rows]
    frame.attrs["rows"] = rows.tolist()
    frame.attrs["rejected"] = {paths[row]: reason for row, reason in sorted(computed.rejected.items())}
    return frame
