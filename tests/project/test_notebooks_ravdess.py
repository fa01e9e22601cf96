"""The notebooks on RAVDESS, with all clips and an empty feature store."""

import pytest

from support import shared_graphs
from support.notebooks import run_notebook

pytestmark = pytest.mark.corpus
#: Of the three in the notebook: a strong one, and the one that is tuned.  The third would take another minute.
MODELS = ["svm", "knn"]


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory):
    return shared_graphs.share(tmp_path_factory.mktemp("real-cache"))


def test_explore_on_ravdess(data, real_cache):
    ask = {
        "clips": "len(corpus)",
        "speakers": "len(corpus.speakers)",
        "minutes": "measured.clips['duration_s'].sum() / 60",
        "twice": "overview.duplicates(measured).table['path'].tolist()",
        "medians": "measured.clips.groupby('emotion')['active_db'].median().to_dict()",
    }
    values, _ = run_notebook("01_explore", ask, cache=real_cache, DATA=str(data))
    assert (values["clips"], values["speakers"]) == (1440, 24)
    assert values["minutes"] == pytest.approx(88.8, abs=0.1)
    assert len(values["twice"]) == 2  # a recording that has two names
    levels = values["medians"]
    assert levels["angry"] > levels["calm"] + 15  # as the notebook says: much louder


def test_features_on_ravdess(data, real_cache):
    ask = {
        "shape": "list(table.values.shape)",
        "top": "separating.table.loc[separating.table['shown'], 'feature'].tolist()",
        "q": "separating.table['q_within'].head(20).tolist()",
        "alone": "float(separating.table['balanced_accuracy'].max())",
        "share": "feature_analysis.ranking(table)['speaker_share'].median()",
    }
    values, _ = run_notebook("02_features_happy_sad", ask, cache=real_cache, DATA=str(data))
    assert values["shape"] == [1440, 2022]
    assert len(values["top"]) == 25
    assert max(values["q"]) < 1e-6
    assert 0.7 < values["alone"] < 0.95  # on speakers that the threshold was not fitted on
    assert values["share"] > 0.1


def test_training_on_ravdess(data, real_cache, tmp_path):
    ask = {
        "random": "scores['random-70-15-15_uar'].to_dict()",
        "honest": "scores['speaker-6fold_uar'].to_dict()",
        "plain": "plain.metrics['test']['uar']",
        "tuned": "tuned.metrics['test']['uar']",
        "clips": "plain.metrics['test']['n_clips']",
        "best": "best",
    }
    parameters = {"DATA": str(data), "OUT": str(tmp_path / "runs"), "MODELS": MODELS}
    values, _ = run_notebook("03_train_tune_compare", ask, cache=real_cache, **parameters)
    assert values["clips"] == 1440 and sorted(values["random"]) == sorted(values["honest"]) == sorted(MODELS)
    for model, score in values["random"].items():
        assert score > values["honest"][model] + 0.1  # known speakers add more than ten points
    assert values["honest"][values["best"]] == max(values["honest"].values())
    assert 0.5 < values["honest"][values["best"]] < 0.65
    assert values["plain"] == values["honest"]["knn"]
    assert abs(values["tuned"] - values["plain"]) < 0.1  # as the notebook says: less than the leak
