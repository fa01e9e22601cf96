// Utterances of a recording, and windows of them.

import { concatenate, peakOf } from "./audio/arrays.js";
import { islands } from "./audio/speech-bounds.js";
import { MIN_DURATION_S, MIN_SAMPLES, SAMPLE_RATE, SILENT_PEAK } from "./constants.js";
import { EmotoneError } from "./errors.js";

/** From this length on, in seconds, a recording is predicted in parts. */
export const WINDOWED_FROM_S = 4;
const LONGEST = 4 * SAMPLE_RATE;
const WINDOW = 3 * SAMPLE_RATE;
const HOP = 1.5 * SAMPLE_RATE;
const PAUSE_S = 0.3;
const SHORT_PAUSE_S = 0.2;
const SHORTEST = SAMPLE_RATE;
const JOINED = 5 * SAMPLE_RATE;
const JOINED_PAUSE = SAMPLE_RATE;
const MOST = 30 * SAMPLE_RATE;
const LEAST = 15 * SAMPLE_RATE;
const BLOCK = 5 * SAMPLE_RATE;

/** Yield windows of an utterance, all equally long, from its first sample to its last. */
function* cut(samples) {
  const nHops = Math.max(0, Math.ceil((samples.length - WINDOW) / HOP));
  for (let n = 0; n <= nHops; n += 1) {
    const begin = nHops ? rounded((n * (samples.length - WINDOW)) / nHops) : 0;
    yield samples.subarray(begin, begin + WINDOW);
  }
}

/** Round as Python does: halves to the even number. */
function rounded(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/** Yield the utterances of a recording, as whole ones of up to four seconds, or as windows. */
function* parts(samples) {
  let found = utterancesOf(samples, PAUSE_S);
  const long = found.filter(([begin, end]) => end - begin >= 0.7 * SHORTEST);
  if (2 * total(long) > total(found)) found = long;
  for (const [begin, end] of found) {
    const utterance = samples.subarray(begin, end);
    if (end - begin <= LONGEST) yield utterance;
    else yield* cut(utterance);
  }
}

/** Return the sample in the middle of each pause between utterances. */
export function pauses(samples) {
  const found = utterancesOf(samples, SHORT_PAUSE_S);
  return found.slice(1).map(([begin], n) => Math.floor((found[n][1] + begin) / 2));
}

/** Return first sample and sample after the last of sounds between pauses; short sounds are joined if near. */
function utterancesOf(samples, pauseS) {
  const found = [];
  for (const [begin, end] of islands(samples, pauseS)) {
    const [first, last] = found.at(-1) ?? [begin, begin];
    const isShort = Math.min(last - first, end - begin) < SHORTEST;
    const isNear = begin - last < JOINED_PAUSE && end - first <= JOINED;
    if (found.length && isShort && isNear) found[found.length - 1] = [first, end];
    else found.push([begin, end]);
  }
  return found;
}

function total(ranges) {
  return ranges.reduce((sum, [begin, end]) => sum + end - begin, 0);
}

/** Yield the utterances of a long recording, which is cut at pauses, half a minute at a time. */
function* partsOfLong(samples) {
  let held = new Float32Array(0);
  for (let at = 0; at < samples.length; at += BLOCK) {
    held = concatenate([held, samples.subarray(at, at + BLOCK)]);
    while (held.length >= MOST) {
      const sounds = islands(held.subarray(0, MOST), PAUSE_S);
      const end = sounds.length > 1 && sounds.at(-1)[0] >= LEAST ? sounds.at(-1)[0] : MOST;
      yield* parts(held.subarray(0, end));
      held = held.slice(end);
    }
  }
  if (held.length) yield* parts(held);
}

/** Throw unless samples at 16 kHz are long and loud enough for a prediction. */
export function checkSound(samples, name) {
  if (samples.length < MIN_SAMPLES) {
    throw new EmotoneError(
      "too_short",
      `${name}: ${(samples.length / SAMPLE_RATE).toFixed(3)} s of sound are too short, expected at least ${MIN_DURATION_S} s; record a longer utterance`,
    );
  }
  const peak = peakOf(samples);
  if (!(peak >= SILENT_PEAK)) {
    throw new EmotoneError(
      "silent",
      `${name}: the recording is silent (its peak is ${peak.toExponential(1)}, expected ${SILENT_PEAK} or more); check the microphone and record again`,
    );
  }
}

/**
 * Yield what a model predicts of a recording: all of a short one, or the utterances of a longer one, preprocessed.
 *
 * @param {Float32Array} samples  at 16 kHz
 * @param {import("./preprocessing.js").Preprocessing} preprocessing
 * @param {string} name  of the recording, for errors
 */
export async function* utterances(samples, preprocessing, name) {
  let [whole, pieces] = [null, null];
  if (samples.length <= BLOCK) {
    checkSound(samples, name);
    whole = await preprocessing.apply(samples);
    pieces = whole.length <= WINDOWED_FROM_S * SAMPLE_RATE ? [whole] : parts(samples);
  } else {
    pieces = partsOfLong(samples);
  }
  let isSilent = true;
  for (const part of pieces) {
    if (part.length < MIN_SAMPLES || !(peakOf(part) >= SILENT_PEAK)) continue;
    isSilent = false;
    yield part === whole ? part : await preprocessing.apply(part);
  }
  if (isSilent) checkSound(new Float32Array(MIN_SAMPLES), name);
}
