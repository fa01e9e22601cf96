// Decode WAV files: samples of 8 to 64 bits, any rate, any number of channels.

import { EmotoneError } from "../errors.js";

const PCM = 1;
const FLOAT = 3;
const ALAW = 6;
const MULAW = 7;
const EXTENSIBLE = 0xfffe;
/** Place of the channel with low-frequency effects in the mask, and numbers of channels without a mask that have one. */
const LFE_BIT = 3;
const SURROUND = [6, 8];
/** Sizes from here on mean: as long as the file, as streams are written. */
const PLACEHOLDER_BYTES = 0x7ffff000;
const RATES_HZ = [1000, 384_000];

/** Say whether bytes are those of a WAV file. */
export function isWav(bytes) {
  return text(bytes, 0) === "RIFF" && text(bytes, 8) === "WAVE";
}

/**
 * Decode a WAV file.
 *
 * @param {Uint8Array} bytes
 * @returns {{channels: Float32Array[], rate: number, lfe: number[]} | null}  null if its codec is unknown
 */
export function decodeWav(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let form = null;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const [kind, size] = [text(bytes, at), view.getUint32(at + 4, true)];
    at += 8;
    if (kind === "fmt " && form === null && at + 16 <= bytes.length) form = formOf(view, at, size);
    if (kind === "data") {
      if (form === null) break;
      const there = bytes.length - at;
      const isStream = size === 0 || size >= PLACEHOLDER_BYTES;
      if (!isStream && there < 0.99 * size) throw damaged(`it was cut short, ${there} of ${size} bytes of sound are there`);
      return samplesOf(view, at, isStream ? there : Math.min(there, size), form);
    }
    at += size + (size % 2);
  }
  throw damaged("it holds no samples");
}

function formOf(view, at, size) {
  let codec = view.getUint16(at, true);
  const form = {
    nChannels: view.getUint16(at + 2, true),
    rate: view.getUint32(at + 4, true),
    row: view.getUint16(at + 12, true),
    bits: view.getUint16(at + 14, true),
    lfe: [],
  };
  if (codec === EXTENSIBLE && size >= 26) {
    codec = view.getUint16(at + 24, true);
    const mask = view.getUint32(at + 20, true);
    if ((mask >> LFE_BIT) & 1) form.lfe = [[0, 1, 2].filter((bit) => (mask >> bit) & 1).length];
  } else if (SURROUND.includes(form.nChannels)) {
    form.lfe = [LFE_BIT];
  }
  return { ...form, codec };
}

function samplesOf(view, begin, nBytes, { codec, nChannels, rate, row, bits, lfe }) {
  if (!nChannels || nChannels > 32 || !(rate >= RATES_HZ[0] && rate <= RATES_HZ[1])) {
    throw damaged(`it has ${nChannels} channels at ${rate} Hz, expected 1 to 32 at ${RATES_HZ[0]} to ${RATES_HZ[1]} Hz`);
  }
  const size = row / nChannels;
  const read = readerOf(view, codec, size, bits);
  if (read === null) return null;
  const n = Math.floor(nBytes / row);
  const channels = Array.from({ length: nChannels }, () => new Float32Array(n));
  for (let sample = 0, at = begin; sample < n; sample += 1) {
    for (let channel = 0; channel < nChannels; channel += 1, at += size) channels[channel][sample] = read(at);
  }
  return { channels, rate, lfe };
}

/** Return the function from a place to a sample in [-1, 1]; null if there is none for this codec. */
function readerOf(view, codec, size, bits) {
  if (codec === FLOAT && size === 4) return (at) => view.getFloat32(at, true);
  if (codec === FLOAT && size === 8) return (at) => view.getFloat64(at, true);
  if (codec === ALAW && size === 1) return (at) => alaw(view.getUint8(at));
  if (codec === MULAW && size === 1) return (at) => mulaw(view.getUint8(at));
  if (codec !== PCM || bits > 8 * size) return null;
  if (size === 1) return (at) => (view.getUint8(at) - 128) / 128;
  if (size === 2) return (at) => view.getInt16(at, true) / 32768;
  if (size === 3) return (at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8388608;
  if (size === 4) return (at) => view.getInt32(at, true) / 2147483648;
  return null;
}

/** ITU-T G.711, A-law. */
function alaw(code) {
  const value = code ^ 0x55;
  const [exponent, mantissa] = [(value >> 4) & 7, value & 15];
  const size = exponent ? (2 * mantissa + 33) << (exponent - 1) : 2 * mantissa + 1;
  return ((value & 0x80 ? 1 : -1) * size * 8) / 32768;
}

/** ITU-T G.711, mu-law. */
function mulaw(code) {
  const value = ~code & 0xff;
  const size = (((value & 15) * 2 + 33) << ((value >> 4) & 7)) - 33;
  return ((value & 0x80 ? -1 : 1) * size * 4) / 32768;
}

function text(bytes, at) {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

function damaged(finding) {
  return new EmotoneError("not_audio", `the WAV file is damaged: ${finding}; copy or record it again`);
}
