// The probability of speech every 32 ms, by Silero VAD (https://github.com/snakers4/silero-vad, MIT licence).

import { SAMPLE_RATE } from "../constants.js";
import { RunningLevel, RunningOffset } from "./level.js";

/** Samples of a frame, 32 ms, which has one probability. */
export const FRAME = 512;
/** Samples of the frame before that the model gets too. */
const CONTEXT = 64;
const STATE = [2, 1, 128];
const START = 0.5;

/** A stream of frames; it has a state, so that each stream needs one of its own. */
export class Silero {
  #ort;
  #session;
  #offset = new RunningOffset();
  #level = new RunningLevel(FRAME / SAMPLE_RATE);
  #heard = new Float32Array(CONTEXT + FRAME);
  #state;
  #rate;

  constructor(ort, session) {
    this.#ort = ort;
    this.#session = session;
    this.#state = new ort.Tensor("float32", new Float32Array(2 * 128), STATE);
    this.#rate = new ort.Tensor("int64", BigInt64Array.of(BigInt(SAMPLE_RATE)), []);
  }

  /** Return the probability that the next frame (512 samples at 16 kHz) is speech. */
  async probability(frame) {
    this.#heard.copyWithin(0, FRAME);
    this.#heard.set(this.#level.scaled(this.#offset.removed(frame)), CONTEXT);
    const input = new this.#ort.Tensor("float32", this.#heard.slice(), [1, CONTEXT + FRAME]);
    const outputs = await this.#session.run({ input, state: this.#state, sr: this.#rate });
    const [out, state] = this.#session.outputNames.map((name) => outputs[name]);
    this.#state = new this.#ort.Tensor("float32", Float32Array.from(state.data), STATE);
    return out.data[0];
  }
}

/** Say whether a short sound at 16 kHz is speech: three frames of it or more. */
export async function isSpeech(ort, session, samples) {
  const silero = new Silero(ort, session);
  const padded = new Float32Array(samples.length + FRAME - (samples.length % FRAME));
  padded.set(samples);
  let nFrames = 0;
  for (let at = 0; at < padded.length; at += FRAME) {
    if ((await silero.probability(padded.subarray(at, at + FRAME))) >= START) nFrames += 1;
  }
  return nFrames >= 3;
}
