// Decode compressed recordings with the browser's own decoders.

import { rateOf } from "./audio/formats.js";
import { EmotoneError } from "./errors.js";

/**
 * Decode a recording at its own rate.
 *
 * @param {Uint8Array} bytes
 * @returns {Promise<{channels: Float32Array[], rate: number}>}
 */
export async function decodeInBrowser(bytes) {
  const context = new OfflineAudioContext(1, 1, rateOf(bytes));
  let sound;
  try {
    sound = await context.decodeAudioData(bytes.slice().buffer);
  } catch {
    throw new EmotoneError("not_audio", "this browser does not decode the recording; convert it to WAV, MP3, M4A, FLAC, OGG or WebM");
  }
  return { channels: Array.from({ length: sound.numberOfChannels }, (_, n) => sound.getChannelData(n)), rate: sound.sampleRate };
}
