// Emotion over time: the speech of a recording in overlapping windows, whose means give segments.

import { average, averageRows, peakOf } from "./audio/arrays.js";
import { MIN_SAMPLES, SAMPLE_RATE, SILENT_PEAK, SPEECH_THRESHOLD } from "./constants.js";
import { NOT_ADAPTED, predictionOf, sharesOf } from "./prediction.js";
import { pauses } from "./windows.js";

/** Seconds of each value of the envelope. */
const ENVELOPE_STEP_S = 0.05;
export const TIMELINE_SETTINGS = { window_s: 3, step_s: 1 };

/**
 * Return the spans of a stretch of speech: utterances, whose windows the model has answered.
 *
 * @param {Float32Array} samples  of the whole recording, at 16 kHz
 * @param {[number, number]} stretch
 * @param {(sound: Float32Array) => Promise<object>} answer
 * @param {typeof TIMELINE_SETTINGS} settings
 */
export async function spansOf(samples, [first, last], answer, settings) {
  const stretch = samples.subarray(first, last);
  const edges = [0, ...pauses(stretch), stretch.length];
  const spans = [];
  for (let n = 1; n < edges.length; n += 1) {
    const [begin, end] = [edges[n - 1], edges[n]];
    const windows = [];
    for (const [from, to] of windowsOf(end - begin, settings)) {
      const sound = stretch.subarray(begin + from, begin + to);
      if (peakOf(sound) >= SILENT_PEAK) windows.push({ from, to, outputs: await answer(sound) });
    }
    spans.push({ start: first + begin, nSamples: end - begin, windows });
  }
  return spans;
}

/** Return first and last sample of each window of an utterance. */
function windowsOf(nSamples, settings) {
  const [window, step] = [settings.window_s, settings.step_s].map((seconds) => Math.round(seconds * SAMPLE_RATE));
  if (nSamples < MIN_SAMPLES) return [];
  const starts = [0];
  while (starts.at(-1) + step + window <= nSamples) starts.push(starts.at(-1) + step);
  if (starts.at(-1) + window < nSamples) starts.push(nSamples - window);
  return starts.map((from) => [from, Math.min(from + window, nSamples)]);
}

/** Return the windows of speech that count in a profile: one of so many that they don't overlap. */
export function countedEmbeddings(spans, settings) {
  const every = Math.max(1, Math.ceil(settings.window_s / settings.step_s - 1e-6));
  return spans.flatMap((span) =>
    span.windows.filter((_, n) => n % every === 0).filter(({ outputs }) => outputs.speech >= SPEECH_THRESHOLD).map(({ outputs }) => outputs.embedding),
  );
}

/**
 * Return a timeline: the keys of `Timeline.to_dict` in Python, and `envelope`, the peak of each 50 ms.
 *
 * @param {Float32Array} samples
 * @param {object[]} spans
 * @param {object} parts  what predictions are made with
 */
export function timelineOf(samples, spans, { emotions, threshold, checksSpeech, choose, adapted, notes, settings }) {
  const segments = [];
  for (const span of spans) {
    for (const { begin, end, scores, speech } of moments(span, choose, settings)) {
      const moment = predictionOf(emotions, scores, {
        start_s: (span.start + begin) / SAMPLE_RATE,
        end_s: (span.start + end) / SAMPLE_RATE,
        speech: checksSpeech ? speech : null,
        threshold,
      });
      moment.adapted = { ...adapted };
      const before = segments.at(-1);
      if (before && before.label === moment.label && before.end_s === moment.start_s) segments[segments.length - 1] = joined(before, moment);
      else segments.push(moment);
    }
  }
  return {
    duration_s: samples.length / SAMPLE_RATE,
    spoken_s: segments.reduce((sum, { start_s, end_s }) => sum + end_s - start_s, 0),
    shares: sharesOf(segments),
    notes,
    adapted: spans.length ? { ...adapted } : { ...NOT_ADAPTED },
    speakers: [],
    overlaps: [],
    segments,
    envelope: envelopeOf(samples),
  };
}

function* moments(span, choose, settings) {
  const step = Math.round(settings.step_s * SAMPLE_RATE);
  const edges = [];
  for (let at = 0; at < Math.max(step, span.nSamples - Math.floor(step / 2)); at += step) edges.push(at);
  edges.push(span.nSamples);
  for (let n = 1; n < edges.length; n += 1) {
    const [begin, end] = [edges[n - 1], edges[n]];
    const covering = span.windows
      .map(({ from, to, outputs }) => ({ overlap: Math.min(end, to) - Math.max(begin, from), outputs }))
      .filter(({ overlap }) => overlap > 0);
    if (!covering.length) continue;
    const weights = covering.map(({ overlap }) => overlap);
    const scores = averageRows(covering.map(({ outputs }) => [...choose(outputs.scores)]), weights);
    yield { begin, end, scores, speech: average(covering.map(({ outputs }) => outputs.speech), weights) };
  }
}

/** Join two segments of the same label; the scores are the means, weighted by duration. */
function joined(first, second) {
  const seconds = [first.end_s - first.start_s, second.end_s - second.start_s];
  const names = Object.keys(first.scores);
  const mean = averageRows([first, second].map(({ scores }) => names.map((name) => scores[name])), seconds);
  const scores = Object.fromEntries(names.map((name, n) => [name, mean[n]]));
  const speech = first.speech === null || second.speech === null ? null : average([first.speech, second.speech], seconds);
  const confidence = first.emotion === null ? Math.max(...mean) : scores[first.emotion];
  return { ...first, confidence, scores, end_s: second.end_s, speech };
}

function envelopeOf(samples) {
  const step = Math.round(ENVELOPE_STEP_S * SAMPLE_RATE);
  return Float32Array.from({ length: Math.ceil(samples.length / step) }, (_, n) => peakOf(samples.subarray(n * step, (n + 1) * step)));
}
