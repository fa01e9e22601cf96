// Find where speech begins and ends in a clip, in spite of clicks, beeps and noise.  Steady tones at the ends are left
// out, also where they touch the speech.

import { MIN_SAMPLES, SAMPLE_RATE } from "../constants.js";
import { highPass } from "./filters.js";
import { steadyTones } from "./tones.js";
import { atLeast, frameEnergy } from "./trimming.js";

const FRAMES_PER_S = 100;
const HOP = SAMPLE_RATE / FRAMES_PER_S;
const BELOW_LEVEL_DB = 40;
const ABOVE_NOISE_DB = 8;
const LEAST_RANGE_DB = 24;
const LEVEL_FRAMES = 12;
const CLICK_FRAMES = 5;
const GAP_FRAMES = 20;
const LONGEST_ISLAND = 120;
const HIGH_PASS_HZ = 70;
// Frames before and after those of a tone that also hold a part of it.
const OVERLAP = 3;

/**
 * Return the first sample of the speech in a clip, and the sample after its last.
 *
 * @param {Float32Array} samples  at 16 kHz, after the high-pass filter
 * @param {(sound: Float32Array) => Promise<boolean>} isSpeech  of a sound apart from the rest
 * @param {number} minSamples
 * @returns {Promise<[number, number]>}
 */
export async function speechBounds(samples, isSpeech, minSamples = MIN_SAMPLES) {
  const energy = frameEnergy(samples);
  const { tones, isTone } = tonesOf(samples, energy);
  let sounds = islandsOf(energy, GAP_FRAMES, isTone);
  if (sounds.length > 1) sounds = await spoken(samples, sounds, isSpeech);
  if (!sounds.length) return [0, samples.length];
  const margin = 0.1 * SAMPLE_RATE;
  let [begin, end] = [sounds[0][0] * HOP - margin, (sounds.at(-1)[1] + 1) * HOP + margin];
  for (const [first, last] of tones) {
    if (last < sounds[0][0]) begin = Math.max(begin, (last + 3) * HOP); // the margin holds no tone
    if (first >= sounds.at(-1)[1]) end = Math.min(end, first * HOP);
  }
  return atLeast(Math.max(0, begin), Math.min(samples.length, end), minSamples, samples.length);
}

/** Return first sample and sample after the last of each sound between silences of at least `gapS` seconds. */
export function islands(samples, gapS) {
  const margin = SAMPLE_RATE / 20;
  return islandsOf(frameEnergy(highPass(samples, HIGH_PASS_HZ)), Math.round(gapS * FRAMES_PER_S)).map(([first, last]) => [
    Math.max(0, first * HOP - margin),
    Math.min(samples.length, (last + 1) * HOP + margin),
  ]);
}

/** Return the steady tones of a clip, and which frames hold a part of one; none if little else is in the clip. */
function tonesOf(samples, energy) {
  const tones = steadyTones(samples, energy);
  const isTone = new Uint8Array(energy.length);
  for (const [first, last] of tones) isTone.fill(1, Math.max(0, first - OVERLAP), last + OVERLAP + 1);
  const rest = energy.filter((_, frame) => !isTone[frame]).sort();
  const loudest = energy.reduce((a, b) => Math.max(a, b), 0);
  const isLittle = rest.length < LEVEL_FRAMES || rest.at(-LEVEL_FRAMES) < loudest * 10 ** (-BELOW_LEVEL_DB / 10);
  return tones.length && !isLittle ? { tones, isTone } : { tones: [], isTone: null };
}

/**
 * Return first frame and frame after the last of each sound between `gap` frames of silence, without clicks.
 * Frames that are `ignored` count as silence.
 */
function islandsOf(energy, gap, ignored = null) {
  const ordered = (ignored ? energy.filter((_, frame) => !ignored[frame]) : energy.slice()).sort();
  const level = ordered.at(-Math.min(ordered.length, LEVEL_FRAMES));
  const noise = median(ordered.subarray(0, Math.max(1, Math.floor(ordered.length / 10))));
  const threshold = Math.max(
    level * 10 ** (-BELOW_LEVEL_DB / 10),
    Math.min(noise * 10 ** (ABOVE_NOISE_DB / 10), level * 10 ** (-LEAST_RANGE_DB / 10)),
  );
  const sounds = [];
  let begin = null;
  for (let frame = 0; frame <= energy.length; frame += 1) {
    const sounding = frame < energy.length && energy[frame] >= threshold && !ignored?.[frame];
    if (sounding && begin === null) begin = frame;
    if (sounding || begin === null) continue;
    if (sounds.length && begin - sounds.at(-1)[1] < gap) sounds.at(-1)[1] = frame;
    else sounds.push([begin, frame]);
    begin = null;
  }
  const long = sounds.filter(([first, last]) => last - first >= CLICK_FRAMES);
  return long.length ? long : sounds;
}

function median(ordered) {
  const middle = ordered.length / 2;
  return ordered.length % 2 ? ordered[Math.floor(middle)] : (ordered[middle - 1] + ordered[middle]) / 2;
}

/** Leave out sounds at both ends that are no speech; the longest one stays. */
async function spoken(samples, sounds, isSpeech) {
  const lengths = sounds.map(([first, last]) => last - first);
  const longest = lengths.indexOf(Math.max(...lengths));
  let [first, last] = [0, sounds.length - 1];
  while (first < longest && !(await isSpoken(samples, sounds[first], isSpeech))) first += 1;
  while (last > longest && !(await isSpoken(samples, sounds[last], isSpeech))) last -= 1;
  return sounds.slice(first, last + 1);
}

async function isSpoken(samples, [first, last], isSpeech) {
  if (last - first > LONGEST_ISLAND) return true;
  const margin = GAP_FRAMES / 2;
  return isSpeech(samples.subarray(Math.max(0, (first - margin) * HOP), (last + margin) * HOP));
}
