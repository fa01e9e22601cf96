// What happens to a waveform between decoding and a model, as the card of the model says.

import { highPass } from "./audio/filters.js";
import { speechBounds } from "./audio/speech-bounds.js";
import { trimSilence } from "./audio/trimming.js";
import { MIN_DURATION_S, SAMPLE_RATE } from "./constants.js";
import { EmotoneError } from "./errors.js";

export class Preprocessing {
  #settings;
  #isSpeech;

  /**
   * @param {object} described  `preprocessing` of the card; keys that older cards lack have their defaults
   * @param {(sound: Float32Array) => Promise<boolean>} isSpeech  whether a short sound is speech
   */
  constructor(described, isSpeech) {
    const settings = {
      highPassHz: described.high_pass_hz ?? null,
      trim: described.trim ?? "sound",
      trimDb: described.trim_db ?? null,
      minSamples: Math.round((described.min_duration_s ?? MIN_DURATION_S) * SAMPLE_RATE),
    };
    if (!["sound", "speech"].includes(settings.trim)) {
      throw new EmotoneError("bad_model", `the card's trim is ${JSON.stringify(settings.trim)}, expected sound or speech; get a newer version of this package`);
    }
    this.#settings = settings;
    this.#isSpeech = isSpeech;
  }

  /** Whether the preprocessing needs the speech detector. */
  get needsDetector() {
    return this.#settings.trim === "speech" && this.#settings.trimDb !== null;
  }

  /** Return the waveform that the model gets, of samples at 16 kHz. */
  async apply(samples) {
    const { highPassHz, trim, trimDb, minSamples } = this.#settings;
    const filtered = highPassHz === null ? samples : highPass(samples, highPassHz);
    if (trimDb === null) return filtered;
    if (trim === "speech") return filtered.subarray(...(await speechBounds(filtered, this.#isSpeech, minSamples)));
    return trimSilence(filtered, trimDb, minSamples);
  }
}
