// Detect speech: two thresholds and two minimum durations turn probabilities into segments of speech.

import { SAMPLE_RATE } from "../constants.js";
import { concatenate } from "./arrays.js";
import { RunningLevel, RunningOffset } from "./level.js";
import { FRAME } from "./silero.js";

/** When speech begins and ends; the values of `VadSettings` in Python. */
export const VAD_SETTINGS = {
  start: 0.5,
  end: 0.35,
  min_speech_s: 0.096,
  min_silence_s: 0.6,
  pad_s: 0.1,
  max_speech_s: 30,
};
const LOUD_DB = 20;
const GATE_EVERY = 12;
const GATE_FRAMES = 47;
const MAX_HUSH = 10;
const GATE_THRESHOLD = 0.9;
const ONSET_FRAMES = 8;
const ONSET_THRESHOLD = 0.5;

/**
 * Return first sample and sample after the last of each stretch of speech.
 *
 * @param {Float32Array} samples  at 16 kHz
 * @param {{probability: (frame: Float32Array) => Promise<number>}} silero  a new stream
 * @param {{gate?: ((sound: Float32Array) => Promise<number>) | null, settings?: typeof VAD_SETTINGS,
 *   progress?: (samples: number) => void}} [options]
 *   `gate`: a second opinion on loud sound that `silero` takes for silence
 */
export async function detectSpeech(samples, silero, { gate = null, settings = VAD_SETTINGS, progress = () => {} } = {}) {
  const detector = new SpeechDetector(silero, gate, settings);
  for (let at = 0; at + FRAME <= samples.length; at += FRAME) {
    await detector.push(samples.subarray(at, at + FRAME));
    progress(at + FRAME);
  }
  detector.finish(samples.length);
  return detector.stretches;
}

class SpeechDetector {
  #silero;
  #second;
  #settings;
  #nFrames = 0;
  #first = null; // frame at which speech may have begun
  #quiet = null; // frame at which it may have ended
  #begun = null; // sample at which it did begin
  #ended = 0; // sample at which it last ended

  constructor(silero, gate, settings) {
    this.#silero = silero;
    this.#second = gate === null ? null : new SecondOpinion(gate);
    this.#settings = settings;
    this.stretches = [];
  }

  get #nSamples() {
    return this.#nFrames * FRAME;
  }

  get #pad() {
    return Math.round(this.#settings.pad_s * SAMPLE_RATE);
  }

  async push(frame) {
    let probability = await this.#silero.probability(frame);
    if (this.#second !== null) {
      const since = await this.#second.loudSince(frame, this.#nFrames, probability < this.#settings.end);
      if (since !== null) {
        probability = 1;
        this.#first = this.#first === null ? since : Math.min(since, this.#first);
      } else if (this.#begun === null && this.#first === null && probability >= this.#settings.start) {
        this.#first = await this.#second.onset(this.#nFrames);
      }
    }
    this.#step(probability);
  }

  /** End the current speech with the recording, including samples after the last whole frame. */
  finish(last) {
    if (this.#begun === null) return;
    this.#end(this.#quiet === null ? last : Math.min(last, this.#quiet * FRAME + this.#pad));
  }

  #step(probability) {
    const [number, settings] = [this.#nFrames, this.#settings];
    this.#nFrames += 1;
    if (this.#begun === null) {
      this.#inSilence(number, probability);
      return;
    }
    if (probability >= settings.start) this.#quiet = null;
    else if (probability < settings.end && this.#quiet === null) this.#quiet = number;
    if (this.#quiet !== null && lasts(this.#quiet, number, settings.min_silence_s)) {
      this.#end(Math.min(this.#quiet * FRAME + this.#pad, this.#nSamples));
    } else if (this.#nSamples - this.#begun >= settings.max_speech_s * SAMPLE_RATE) {
      this.#end(this.#nSamples);
      this.#begun = this.#nSamples;
    }
  }

  #inSilence(number, probability) {
    if (probability < this.#settings.end) this.#first = null;
    else if (probability >= this.#settings.start && this.#first === null) this.#first = number;
    if (this.#first === null || !lasts(this.#first, number, this.#settings.min_speech_s)) return;
    this.#begun = Math.max(this.#ended, this.#first * FRAME - this.#pad);
    this.#first = null;
  }

  #end(sample) {
    this.stretches.push([this.#begun, sample]);
    [this.#begun, this.#quiet, this.#ended] = [null, null, sample];
  }
}

function lasts(first, number, seconds) {
  return (number + 1 - first) * FRAME >= seconds * SAMPLE_RATE;
}

/** Ask the gate about runs of loud frames that the detector takes for silence. */
class SecondOpinion {
  #gate;
  #offset = new RunningOffset();
  #level = new RunningLevel(FRAME / SAMPLE_RATE);
  #recent = [];
  #firstLoud = null;
  #lastLoud = 0;
  #nextQuestion = 0;
  #isSpeech = false;

  constructor(gate) {
    this.#gate = gate;
  }

  /** Return the first frame of a voice that the detector takes for silence; null: this frame is not a voice. */
  async loudSince(heard, number, isSilence) {
    const frame = this.#offset.removed(heard);
    this.#level.push(frame);
    this.#recent = [...this.#recent.slice(1 - GATE_FRAMES), frame];
    if (!this.#level.isWithin(LOUD_DB)) {
      if (this.#firstLoud !== null && number - this.#lastLoud > MAX_HUSH) [this.#firstLoud, this.#isSpeech] = [null, false];
      return null;
    }
    if (this.#firstLoud === null) [this.#firstLoud, this.#nextQuestion] = [number, number + GATE_EVERY];
    this.#lastLoud = number;
    if (isSilence && number >= this.#nextQuestion) {
      this.#isSpeech = (await this.#gate(this.#run(number))) >= GATE_THRESHOLD;
      this.#nextQuestion = number + GATE_EVERY;
    }
    return isSilence && this.#isSpeech ? this.#first(number) : null;
  }

  /** Return the frame since which a voice is loud that is detected only now; null if it is not a voice. */
  async onset(number) {
    if (this.#firstLoud === null || number - this.#first(number) < ONSET_FRAMES) return null;
    return (await this.#gate(this.#run(number))) >= ONSET_THRESHOLD ? this.#first(number) : null;
  }

  /** Return the first frame that is held of the current loud sound. */
  #first(number) {
    const oldest = number + 1 - this.#recent.length;
    const held = this.#recent.slice(Math.max(this.#firstLoud ?? 0, oldest) - number - 1);
    const loud = held.findIndex((frame) => this.#level.isWithin(LOUD_DB, frame));
    return number + 1 - held.length + (loud < 0 ? held.length - 1 : loud);
  }

  #run(number) {
    return concatenate(this.#recent.slice(this.#first(number) - number - 1));
  }
}
