// Values that the modules of Emotone in Python have too; tests compare the answers of both.

/** Hz of every waveform that a model gets. */
export const SAMPLE_RATE = 16_000;
/** Shortest recording, seconds and samples. */
export const MIN_DURATION_S = 0.2;
export const MIN_SAMPLES = 3200;
/** A lower peak is digital silence. */
export const SILENT_PEAK = 1e-5;
/** Below this probability of speech, the label is "no speech". */
export const SPEECH_THRESHOLD = 0.5;
/** Labels without an emotion. */
export const UNSURE = "unsure";
export const NO_SPEECH = "no speech";
