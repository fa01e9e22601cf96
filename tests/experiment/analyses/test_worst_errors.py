"""Which errors a run keeps."""

import pandas as pd

from emotone.experiment.analyses import worst_errors


def test_equally_confident_errors_come_by_row():
    table = pd.DataFrame({"row": [3, 1, 2, 0], "confidence": [0.5, 0.9, 0.5, 1.0], "subset": "test"})
    table["emotion"], table["predicted"] = "sad", ["happy", "happy", "happy", "sad"]
    assert worst_errors.worst(table)["row"].tolist() == [1, 2, 3]
    assert worst_errors.worst(table, n_most=2)["row"].tolist() == [1, 2]
    assert worst_errors.worst(table.assign(subset="validation")).empty
