"""What the requests of a service have in common: sums in memory, no sound."""

import threading

from emotone.audio import AudioSource
from emotone.progress import Progress
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import SourceProfile
from emotone.recognition.recognizer import Recognizer

#: Twenty utterances are almost as good as a hundred, and more could move the source without end.
MOST = 100
#: Most utterances of a single recording, so that one long recording is not the whole source.
MOST_OF_A_RECORDING = 10


class OwnSource:
    """What a service has learnt of its source; threads may share it.

    Parameters
    ----------
    recognizer
        The model.
    learns
        Whether predictions extend what is known; otherwise nothing ever is.

    Raises
    ------
    ConfigError
        The model can't adapt, and is to learn.
    """

    def __init__(self, recognizer: Recognizer, *, learns: bool) -> None:
        self._recognizer = recognizer
        self._lock = threading.Lock()
        self._profile = recognizer.new_source() if learns else None

    @property
    def learns(self) -> bool:
        """Whether predictions extend what is known."""
        return self._profile is not None

    @property
    def profile(self) -> SourceProfile | None:
        """The source; None while nothing is known of it."""
        return self._profile if self.n_utterances else None

    @property
    def n_utterances(self) -> int:
        """Number of utterances in it."""
        return 0 if self._profile is None else self._profile.n_clips

    def predict(self, recording: AudioSource, *, progress: Progress | None = None) -> Prediction:
        """Predict a recording within the source, and then add its utterances to the source."""
        if self._profile is None:
            return self._recognizer.predict(recording, progress=progress)
        prediction, embeddings = self._recognizer.predict_with_embeddings(
            recording, profile=self.profile, progress=progress
        )
        with self._lock:  # other threads may have learnt meanwhile
            n_new = min(MOST_OF_A_RECORDING, MOST - self.n_utterances)
            self._profile = self._recognizer.extended(self._profile, embeddings[:n_new])
        return prediction
