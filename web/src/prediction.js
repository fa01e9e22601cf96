// What a recognizer predicts for a segment of a recording: the keys of `Prediction.to_dict` in Python.

import { NO_SPEECH, SPEECH_THRESHOLD, UNSURE } from "./constants.js";

export const NOT_ADAPTED = { source: 0, speaker: 0 };

/**
 * @param {string[]} emotions
 * @param {ArrayLike<number>} scores
 * @param {{start_s: number, end_s: number, speech: number | null, threshold: number}} segment
 */
export function predictionOf(emotions, scores, { start_s, end_s, speech, threshold }) {
  const named = Object.fromEntries(emotions.map((emotion, n) => [emotion, scores[n]]));
  const best = emotions.reduce((most, emotion) => (named[emotion] > named[most] ? emotion : most));
  const isSpeech = speech === null || speech >= SPEECH_THRESHOLD;
  const emotion = isSpeech && named[best] >= threshold ? best : null;
  return {
    start_s,
    end_s,
    emotion,
    label: isSpeech ? (emotion ?? UNSURE) : NO_SPEECH,
    confidence: named[best],
    scores: named,
    speech,
    notes: [],
    adapted: { ...NOT_ADAPTED },
    speaker: null,
  };
}

/** Return label -> share of the total duration, in [0, 1], the largest first. */
export function sharesOf(segments) {
  const seconds = new Map();
  for (const { label, start_s, end_s } of segments) seconds.set(label, (seconds.get(label) ?? 0) + end_s - start_s);
  const total = [...seconds.values()].reduce((sum, value) => sum + value, 0);
  if (!total) return {};
  return Object.fromEntries([...seconds].sort((one, other) => other[1] - one[1]).map(([label, value]) => [label, value / total]));
}
