"""The choice of one clip of each emotion."""

from emotone import audio
from emotone.explore.signal import choose_example
from support.exploring import sine


def test_chosen_clips_differ_in_emotion_alone(load, voices):
    measured = load(voices)
    chosen = measured.clips.loc[list(choose_example(measured).rows.values())]
    assert chosen["emotion"].tolist() == ["neutral", "happy", "sad"]
    assert set(chosen["speaker"]) == {"toy-a"}  # "b" has no happy "dogs", and "dogs" comes before "kids"
    assert set(chosen["statement"]) == {"dogs"}
    assert set(chosen["intensity"]) == {"normal"}


def test_missing_emotion_is_taken_from_elsewhere_and_said(load, voices):
    kept = [row for row in voices if not (row["speaker"] == "a" and row["emotion"] == "happy")]
    kept = [row for row in kept if not (row["speaker"] == "b" and row["emotion"] == "sad")]
    kept = [row for row in kept if (row["statement"], row["emotion"]) != ("kids", "happy")]
    kept.append({**voices[0], "file": "last.wav", "emotion": "happy", "speaker": "c"})
    audio.write_wav(next(iter(load(voices).corpus.table["path"])).rpartition("/")[0] + "/last.wav", sine(200))
    example = choose_example(load(kept))
    assert "because such a clip is missing: happy" in example.text
