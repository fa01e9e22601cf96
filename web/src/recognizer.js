// Recognise emotions with the model of a bundle, as `Recognizer` does in Python.

import { average, averageRows } from "./audio/arrays.js";
import { detectSpeech } from "./audio/speech-detector.js";
import { isSpeech, Silero } from "./audio/silero.js";
import { FEWEST_CLIPS } from "./adaptation.js";
import { MIN_SAMPLES, SAMPLE_RATE, SPEECH_THRESHOLD } from "./constants.js";
import { readSound } from "./decoding.js";
import { EmotoneError } from "./errors.js";
import { Model, opened } from "./model.js";
import { predictionOf } from "./prediction.js";
import { Preprocessing } from "./preprocessing.js";
import { adaptedBy } from "./profile.js";
import { countedEmbeddings, spansOf, timelineOf, TIMELINE_SETTINGS } from "./timeline.js";
import { utterances, WINDOWED_FROM_S } from "./windows.js";

const TIMELINE_NOTE = `the recording is longer than ${WINDOWED_FROM_S} s: this is the mean over its speech; a timeline shows how the emotion changes`;
const CHANNELS_NOTE = 'the two channels seem to hold different people: predict each with channel="left" and "right"';
const SPEAKERS_NOTE = 'the two channels seem to hold different people: take each with channel="left" and "right"';
/** Least probability of speech in a part of a recording that as a whole has none. */
const HIDDEN_SPEECH = 0.9;

export class Recognizer {
  #ort;
  #model;
  #detector;
  #preprocessing;
  #columns;
  #decode;

  /** Use `Recognizer.open`. */
  constructor(ort, model, detector, { emotions = null, threshold = null, decode = null } = {}) {
    this.#ort = ort;
    this.#model = model;
    this.#detector = detector;
    this.#decode = decode;
    this.#preprocessing = new Preprocessing(model.card.preprocessing, (sound) => this.#isSpeech(sound));
    if (this.#preprocessing.needsDetector) this.#needDetector("the model's preprocessing");
    this.card = model.card;
    this.emotions = chosenEmotions(emotions, model.card.emotions);
    this.#columns = this.emotions.map((emotion) => model.card.emotions.indexOf(emotion));
    if (threshold !== null && !(threshold >= 0 && threshold <= 1)) throw new EmotoneError("bad_argument", `threshold is ${threshold}, expected 0 to 1`);
    this.threshold = threshold ?? model.card.calibration.threshold;
    this.adapts = model.adapts;
    this.checksSpeech = model.checksSpeech;
  }

  /**
   * Open the model of a bundle.
   *
   * @param {object} ort  the module onnxruntime-web
   * @param {{card: object, model: Uint8Array, adaptation?: Uint8Array | null, detector?: Uint8Array | null}} files
   * @param {object} [options]
   */
  static async open(ort, files, options = {}) {
    ort.env.wasm.numThreads = options.threads ?? 1;
    const model = await Model.open(ort, files);
    const detector = files.detector ? await opened(ort, files.detector) : null;
    return new Recognizer(ort, model, detector, options);
  }

  /** Predict the emotion of a recording. */
  async predict(source, { channel = "mix", profile = null, progress = () => {} } = {}) {
    return (await this.predictWithEmbeddings(source, { channel, profile, progress })).prediction;
  }

  /** Return the prediction, and the embeddings of the utterances with speech. */
  async predictWithEmbeddings(source, { channel = "mix", profile = null, progress = () => {} } = {}) {
    const known = profile === null ? null : this.#model.checkedProfile(profile);
    const sound = await readSound(source, { channel, decode: this.#decode });
    const outputs = [];
    const answer = async (part) => {
      outputs.push(this.#chosen(await this.#model.outputs(part, known)));
      return outputs.at(-1);
    };
    let mean;
    try {
      mean = await this.#meanAnswer(sound, answer, progress);
    } catch (error) {
      if (!(error instanceof EmotoneError && error.code === "silent" && this.checksSpeech)) throw error;
      mean = { scores: this.emotions.map(() => 1 / this.emotions.length), speech: 0, nParts: 0 };
    }
    const prediction = predictionOf(this.emotions, mean.scores, {
      start_s: 0,
      end_s: sound.samples.length / SAMPLE_RATE,
      speech: this.checksSpeech ? mean.speech : null,
      threshold: this.threshold,
    });
    prediction.notes = [...this.#notes, ...(mean.nParts > 1 ? [TIMELINE_NOTE] : []), ...(mean.nParts && sound.hasTwoPeople ? [CHANNELS_NOTE] : [])];
    prediction.adapted = adaptedBy(known);
    const spoken = outputs.filter(({ speech }) => Math.min(speech, mean.speech) >= SPEECH_THRESHOLD);
    return { prediction, embeddings: spoken.map(({ embedding }) => embedding) };
  }

  /** Return the profile of an unknown speaker. */
  newProfile() {
    return this.#model.newProfile("speaker");
  }

  /** Return a profile with more clips, given by the embeddings of `predictWithEmbeddings`. */
  extended(profile, embeddings) {
    return this.#model.extended(this.#model.checkedProfile(profile), embeddings);
  }

  /** Compute the profile of a speaker from a few clips, without labels and of any emotions. */
  async adapt(clips, { profile = null, source = null, progress = () => {} } = {}) {
    let before = profile === null ? this.#model.newProfile("speaker") : this.#model.checkedProfile(profile);
    if (before.kind !== "speaker") throw new EmotoneError("not_profile", "the profile is that of a source, expected that of a speaker");
    if (source !== null) before = { ...before, source: this.#model.checkedProfile(source) };
    return this.#profileOf(before, clips, progress);
  }

  /** Compute the profile of a source from about 20 clips, of any number of speakers. */
  async adaptSource(clips, { profile = null, progress = () => {} } = {}) {
    const before = profile === null ? this.#model.newProfile("source") : this.#model.checkedProfile(profile);
    if (before.kind !== "source") throw new EmotoneError("not_profile", "the profile is that of a speaker, expected that of a source");
    return this.#profileOf(before, clips, progress);
  }

  /** Detect the speech in a recording, and predict its emotion over time. */
  async timeline(source, { channel = "mix", profile = null, adapt = false, settings = {}, progress = () => {} } = {}) {
    this.#needDetector("a timeline");
    const all = checkedSettings({ ...TIMELINE_SETTINGS, ...settings });
    const known = profile === null ? null : this.#model.checkedProfile(profile);
    if (adapt) this.#model.checkAdapts();
    const sound = await readSound(source, { channel, decode: this.#decode });
    const nSamples = sound.samples.length;
    const gate = this.checksSpeech ? async (part) => (await this.#model.outputs(part)).speech : null;
    const stretches = await detectSpeech(sound.samples, new Silero(this.#ort, this.#detector), {
      gate,
      progress: (done) => progress((0.3 * done) / nSamples),
    });
    const answer = async (part) => this.#model.outputs(await this.#preprocessing.apply(part), known);
    let spans = [];
    for (const stretch of stretches) {
      spans.push(...(await spansOf(sound.samples, stretch, answer, all)));
      progress(0.3 + (0.7 * stretch[1]) / nSamples);
    }
    const used = adapt ? this.#withinRecording(spans, known, all) : known;
    if (used !== known) {
      const rescored = (window) => ({ ...window, outputs: this.#model.rescored(window.outputs, used) });
      spans = spans.map((span) => ({ ...span, windows: span.windows.map(rescored) }));
    }
    return timelineOf(sound.samples, spans, {
      emotions: this.emotions,
      threshold: this.threshold,
      checksSpeech: this.checksSpeech,
      choose: (scores) => this.#restricted(scores),
      adapted: adaptedBy(used),
      notes: [...this.#notes, ...(sound.hasTwoPeople ? [SPEAKERS_NOTE] : [])],
      settings: all,
    });
  }

  /** Free the memory of the model. */
  async close() {
    await this.#model.close();
    await this.#detector?.release();
  }

  /** Return the mean over the utterances with speech; without any, over all. */
  async #meanAnswer(sound, answer, progress) {
    const answers = [];
    let [last, done] = [null, 0];
    for await (const part of utterances(sound.samples, this.#preprocessing, sound.name)) {
      answers.push({ ...(await answer(part)), weight: part.length });
      last = part;
      done += part.length;
      progress(Math.min(1, done / sound.samples.length));
    }
    let counted = answers.filter(({ speech }) => speech >= SPEECH_THRESHOLD);
    if (!counted.length && answers.length === 1 && this.#detector) counted = await this.#hiddenSpeech(last, answer);
    const used = counted.length ? counted : answers;
    const weights = used.map(({ weight }) => weight);
    return {
      scores: averageRows(used.map(({ scores }) => [...scores]), weights),
      speech: average(used.map(({ speech }) => speech), weights),
      nParts: answers.length,
    };
  }

  /** Return answers to what the speech detector finds: a tone right before speech can hide it from a model. */
  async #hiddenSpeech(sound, answer) {
    const found = [];
    for (const [begin, end] of await detectSpeech(sound, new Silero(this.#ort, this.#detector))) {
      const part = await this.#preprocessing.apply(sound.subarray(begin, end));
      if (part.length >= MIN_SAMPLES) found.push({ ...(await answer(part)), weight: part.length });
    }
    return found.filter(({ speech }) => speech >= HIDDEN_SPEECH);
  }

  async #profileOf(before, clips, progress) {
    const [all, embeddings, skipped] = [[...clips], [], []];
    for (const [number, clip] of all.entries()) {
      try {
        embeddings.push(...(await this.#spoken(clip)));
      } catch (error) {
        if (!(error instanceof EmotoneError)) throw error;
        skipped.push(error.message);
      }
      progress((number + 1) / all.length);
    }
    if (!embeddings.length) {
      const reason = skipped.length ? `the first: ${skipped[0]}` : "give a few recordings";
      throw new EmotoneError("no_clips", `can't adapt to any of ${all.length} clips; ${reason}`);
    }
    return { profile: this.#model.extended(before, embeddings), skipped };
  }

  /** Return the embedding of each utterance of a clip that is speech. */
  async #spoken(clip) {
    const sound = await readSound(clip, { decode: this.#decode });
    const embeddings = [];
    for await (const part of utterances(sound.samples, this.#preprocessing, sound.name)) {
      const { embedding, speech } = await this.#model.outputs(part);
      if (speech >= SPEECH_THRESHOLD) embeddings.push(embedding);
    }
    if (!embeddings.length) throw new EmotoneError("not_audio", `${sound.name}: no speech was found, and a model adapts to speech only`);
    return embeddings;
  }

  /** Return the profile within the recording as a source, unless the source is known or the speech too little. */
  #withinRecording(spans, profile, settings) {
    const knowsSource = profile !== null && (profile.kind === "source" || Boolean(profile.source));
    const rows = countedEmbeddings(spans, settings);
    if (knowsSource || rows.length < FEWEST_CLIPS) return profile;
    const source = this.#model.extended(this.#model.newProfile("source"), rows);
    return profile === null ? source : { ...profile, source };
  }

  async #isSpeech(sound) {
    return isSpeech(this.#ort, this.#detector, sound);
  }

  #needDetector(what) {
    if (!this.#detector) throw new EmotoneError("bad_argument", `${what} needs the speech detector; give its file silero_vad.onnx, which 'emotone web' writes beside the model`);
  }

  get #notes() {
    const isRestricted = this.emotions.length < this.card.emotions.length;
    return isRestricted ? [`only these emotions can be predicted: ${this.emotions.join(", ")}`] : [];
  }

  #chosen(outputs) {
    return { ...outputs, scores: this.#restricted(outputs.scores) };
  }

  #restricted(scores) {
    if (this.#columns.length === scores.length) return scores;
    const chosen = this.#columns.map((column) => scores[column]);
    const total = chosen.reduce((sum, value) => sum + value, 0);
    return chosen.map((value) => (total > 0 ? value / total : 1 / chosen.length));
  }
}

function chosenEmotions(names, known) {
  if (names === null) return [...known];
  const unknown = names.find((name) => !known.includes(name));
  const chosen = known.filter((emotion) => names.includes(emotion));
  if (unknown !== undefined || chosen.length < 2) {
    throw new EmotoneError("bad_argument", `emotions are ${JSON.stringify(names)}; expected two or more of ${known.join(", ")}`);
  }
  return chosen;
}

function checkedSettings(settings) {
  const { window_s: window, step_s: step } = settings;
  if (!(window >= 0.5 && window <= 30 && step >= 0.1 && step <= window)) {
    throw new EmotoneError("bad_argument", `window_s is ${window} and step_s ${step}; expected 0.5 to 30 s, and 0.1 s to window_s`);
  }
  return settings;
}
