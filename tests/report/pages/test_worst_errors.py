"""The worst errors on the page of a run: those that the run kept, with their sound."""

import base64

import numpy as np
import pandas as pd
import pytest

from emotone import audio
from support import finished_runs
from support.html_page import Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_voice):
    return finished_runs.make(tmp_path_factory, make_voice)


def test_the_errors_are_the_most_confident_wrong_answers(finished):
    out, sounds = finished
    table = pd.read_parquet(out / "disjoint" / "predictions.parquet")
    wrong = table[(table["subset"] == "test") & (table["predicted"] != table["emotion"])]
    kept = pd.read_csv(out / "disjoint" / "errors" / "errors.csv")
    assert len(kept) == 10 < len(wrong)
    assert kept["confidence"].tolist() == pytest.approx(sorted(wrong["confidence"], reverse=True)[:10])
    assert (kept["labelled"] != kept["predicted"]).all()
    by_row = wrong.set_index("row")
    for _, one in kept.iterrows():
        clip = by_row.loc[one["row"]]
        assert (clip["emotion"], clip["predicted"], clip["path"]) == (one["labelled"], one["predicted"], one["path"])
        assert one["labelled_score"] == pytest.approx(clip[f"score_{clip['emotion']}"])
        sound, heard = sounds[one["path"]], audio.read(out / "disjoint" / "errors" / one["file"])
        assert one["seconds"] == pytest.approx(sound.size / audio.SAMPLE_RATE)
        n = min(sound.size, heard.size)
        assert np.corrcoef(sound[:n], heard[:n])[0, 1] > 0.95  # lossy, and not shifted


def test_the_page_plays_the_files_that_were_kept(finished):
    page = Page((finished[0] / "disjoint" / "report.html").read_text())
    folder = finished[0] / "disjoint" / "errors"
    sounds = [address for address in page.addresses if address.startswith("data:audio/mpeg")]
    files = sorted(folder.glob("*.mp3"))
    assert [base64.b64decode(address.split(",")[1]) for address in sounds] == [file.read_bytes() for file in files]
    first = pd.read_csv(folder / "errors.csv").iloc[0]
    words = f"1. {first['labelled']} predicted as {first['predicted']}, confidence {100 * first['confidence']:.0f} %"
    assert words in page.words
