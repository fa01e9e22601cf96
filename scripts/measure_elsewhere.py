"""Measure a bundle on corpora that it was not trained on, and write the scores into its card.

    python scripts/measure_elsewhere.py --data DIR [--corpora savee,ased] [BUNDLE]

For models that adapt.  New models get these scores from ``emotone train --elsewhere``, by models that were trained
without a corpus; here the bundle itself is measured.  Its graph, temperature and threshold stay as they are.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from emotone import audio, corpora, files
from emotone.cli.console import ProgressBar
from emotone.errors import EmotoneError
from emotone.experiment import elsewhere, left_out
from emotone.experiment.analyses.adaptation import EmbeddedClips
from emotone.recognition import adaptation, model_card
from emotone.recognition import card as cards
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import bundle_folder
from emotone.recognition.temperature import Temperature

PROTOCOL = "corpora that the model was not trained on, over the emotions that both have"


def answers(recognizer: Recognizer, corpus: corpora.Corpus) -> left_out.LeftOut:
    """Return the answers of a bundle to the clips of a corpus whose emotions it knows."""
    card, table = recognizer.card, corpus.table[corpus.table["emotion"].isin(recognizer.emotions)]
    adapter = adaptation.load(recognizer.folder / cards.ADAPTATION, card, width=card["embedding"])
    if adapter is None:
        raise SystemExit(f"{recognizer.folder} does not adapt, or is of an older version; train a model that adapts")
    embeddings, rows = [], []
    with ProgressBar(quiet=False) as progress:
        for row, clip in enumerate(corpora.segments_of(table)):
            try:
                embeddings.append(recognizer.embedding((clip.read(), audio.SAMPLE_RATE)))
                rows.append(row)
            except EmotoneError as error:
                print(error)
            progress(row + 1, len(table), corpus.name)
    known = table.iloc[rows]
    temperature = Temperature.from_card(card["calibration"])
    clips = EmbeddedClips(adapter, np.array(embeddings), recognizer.emotions, temperature)
    labels = np.array([recognizer.emotions.index(emotion) for emotion in known["emotion"]])
    return left_out.of_clips(corpus.name, clips, known, labels=labels, seed=0)


def main() -> None:
    """Measure, and write card and README."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", default="default", help="folder of the bundle; default: the built-in one")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    parser.add_argument("--corpora", default="savee,ased", help="names of corpora, with commas")
    chosen = parser.parse_args()
    folder, recognizer = bundle_folder(chosen.bundle), Recognizer(chosen.bundle)
    trained = {corpus["name"] for corpus in recognizer.card["training"]["corpora"]}
    names = chosen.corpora.split(",")
    if trained & set(names):
        raise SystemExit(f"the model was trained on {', '.join(sorted(trained & set(names)))}: name other corpora")
    measured = [answers(recognizer, corpora.load(name, chosen.data)) for name in names]
    calibration = recognizer.card["calibration"]
    scores = elsewhere.summary(
        measured,
        Temperature.from_card(calibration),
        calibration["threshold"],
        protocol=f"{', '.join(names)}: {PROTOCOL}",
        cross_fitted=False,
    )
    card = json.loads((folder / cards.CARD).read_text(encoding="utf-8")) | {cards.ELSEWHERE: scores}
    cards.check(card, where="the card")
    files.write_json(folder / cards.CARD, card)
    files.write_text(folder / cards.README, model_card.readme(card))
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
