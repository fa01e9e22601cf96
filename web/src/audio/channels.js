// Choose or mix the channels of a recording.

import { EmotoneError } from "../errors.js";

const SIDES = { left: 1, right: 2 };
const FRAME_S = 0.1;
const CHUNK_S = 30;

/** Return the number of a channel, from 1; null for "mix". */
export function channelNumber(channel, nChannels) {
  if (channel === "mix") return null;
  const number = SIDES[channel] ?? Number(channel);
  if (!Number.isInteger(number) || number < 1) {
    throw new EmotoneError("bad_argument", `channel is ${JSON.stringify(channel)}; expected mix, left, right, or a number from 1`);
  }
  if (number > nChannels) {
    throw new EmotoneError("no_channel", `channel is ${channel}, and the recording has ${nChannels}; give 1 to ${nChannels}`);
  }
  return number;
}

/**
 * Mix channels to mono: one of them, or their average, or the loudest if they cancel, by chunks of 30 s.
 *
 * @param {Float32Array[]} channels
 * @param {number} rate
 * @param {{channel?: string | number, lfe?: number[]}} [options]  `lfe`: channels with low-frequency effects
 * @returns {Float32Array}
 */
export function mixed(channels, rate, { channel = "mix", lfe = [] } = {}) {
  const number = channelNumber(channel, channels.length);
  if (number !== null) return channels[number - 1];
  const kept = channels.filter((_, index) => !lfe.includes(index));
  const voices = kept.length ? kept : channels;
  if (voices.length === 1) return voices[0];
  const mono = new Float32Array(voices[0].length);
  const size = CHUNK_S * rate;
  let loudest = null;
  for (let begin = 0; begin < mono.length; begin += size) {
    const parts = voices.map((voice) => voice.subarray(begin, begin + size));
    const mean = meanOf(parts);
    const energy = parts.map(stepEnergy);
    const average = energy.reduce((sum, value) => sum + value, 0) / energy.length;
    if (stepEnergy(mean) < (0.1 * average) / energy.length) {
      const most = Math.max(...energy);
      if (loudest === null || most > 4 * energy[loudest]) loudest = energy.indexOf(most);
      mono.set(parts[loudest], begin);
    } else {
      mono.set(mean, begin);
    }
  }
  return mono;
}

function meanOf(parts) {
  const mean = parts[0].slice();
  for (const part of parts.slice(1)) {
    for (let n = 0; n < mean.length; n += 1) mean[n] += part[n];
  }
  return mean.map((value) => value / parts.length);
}

/** Return the energy of the steps between samples: an offset that channels share would hide that voices cancel. */
function stepEnergy(samples) {
  let energy = 0;
  for (let n = 1; n < samples.length; n += 1) energy += Math.fround(samples[n] - samples[n - 1]) ** 2;
  return energy;
}

/** Say whether the two channels of a recording seem to hold different people, as telephone calls are kept. */
export function hasTwoPeople(channels, rate) {
  if (channels.length !== 2) return false;
  const size = Math.round(FRAME_S * rate);
  const counts = { sounding: 0, left: 0, right: 0 };
  let loudest = 0;
  for (let chunk = 0; chunk < channels[0].length; chunk += CHUNK_S * rate) {
    const end = Math.min(channels[0].length, chunk + CHUNK_S * rate);
    const frames = [];
    for (let at = chunk; at + size <= end; at += size) {
      frames.push(channels.map((channel) => stepEnergy(channel.subarray(at, at + size))));
    }
    loudest = frames.reduce((most, pair) => Math.max(most, ...pair), loudest);
    for (const [left, right] of frames) {
      if (Math.max(left, right) <= loudest * 1e-3) continue;
      counts.sounding += 1;
      if (left > 10 ** 1.2 * right) counts.left += 1;
      if (right > 10 ** 1.2 * left) counts.right += 1;
    }
  }
  const apart = counts.left + counts.right;
  return counts.sounding >= 20 && apart > 0.6 * counts.sounding && Math.min(counts.left, counts.right) > 0.1 * counts.sounding;
}
