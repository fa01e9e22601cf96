// From a source to 16 kHz mono.

import { hasTwoPeople, mixed } from "./audio/channels.js";
import { resampled } from "./audio/resampling.js";
import { decodeWav, isWav } from "./audio/wav.js";
import { EmotoneError } from "./errors.js";

/** Larger samples are no sound. */
const LARGEST = 1e15;

/**
 * @typedef {{channels: Float32Array[], rate: number, lfe?: number[]}} Sound
 * @param {Blob | ArrayBuffer | Uint8Array | {samples: Float32Array, rate: number} | Sound} source
 * @param {{channel?: string | number, decode?: ((bytes: Uint8Array) => Promise<Sound>) | null}} [options]
 *   `decode`: for other formats than WAV
 */
export async function readSound(source, { channel = "mix", decode = null } = {}) {
  const name = source?.name ?? "the recording";
  const { channels, rate, lfe } = await soundOf(source, decode, name);
  const mono = mixed(channels, rate, { channel, lfe });
  const wrong = mono.findIndex((sample) => !(Math.abs(sample) <= LARGEST));
  if (wrong >= 0) {
    throw new EmotoneError("not_audio", `${name}: the sample at ${(wrong / rate).toFixed(3)} s is ${mono[wrong]}; expected finite numbers: write the recording again`);
  }
  if (!mono.length) throw new EmotoneError("not_audio", `${name}: the recording holds no samples; record it again`);
  return { name, samples: resampled(mono, rate), hasTwoPeople: channel === "mix" && hasTwoPeople(channels, rate) };
}

async function soundOf(source, decode, name) {
  if (source?.samples && source.rate) return { channels: [source.samples], rate: source.rate };
  if (Array.isArray(source?.channels) && source.channels.length && source.rate) return source;
  const bytes = await bytesOf(source);
  const sound = isWav(bytes) ? decodeWav(bytes) : null;
  if (sound !== null) return sound;
  if (decode === null) {
    throw new EmotoneError("not_audio", `${name}: this is no WAV file of PCM, and there is no decoder for others here; give WAV, or an option 'decode'`);
  }
  return decode(bytes);
}

async function bytesOf(source) {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (typeof Blob !== "undefined" && source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  throw new EmotoneError("bad_argument", `a recording is ${Object.prototype.toString.call(source)}; expected a file, its bytes, or { samples, rate }`);
}
