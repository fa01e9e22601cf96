import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { EmotoneError, FORMATS, Recognizer } from "emotone";

import { concatenate } from "../src/audio/arrays.js";
import { decodeWav } from "../src/audio/wav.js";
import { builtIn, sample, tone, wav } from "./bundle.js";

let [files, recognizer] = [null, null];

before(async () => {
  files = await builtIn();
  recognizer = await Recognizer.open(files);
});
after(() => recognizer.close());

test("a recording is answered with scores of all emotions", async () => {
  const prediction = await recognizer.predict(await sample("woman_lively.wav"));
  assert.deepEqual(Object.keys(prediction.scores), files.card.emotions);
  const scores = Object.values(prediction.scores);
  assert.ok(Math.abs(scores.reduce((sum, score) => sum + score, 0) - 1) < 1e-4);
  assert.equal(prediction.confidence, Math.max(...scores));
  assert.equal(prediction.label, prediction.emotion ?? "unsure");
  assert.ok(prediction.speech > 0.5);
});

test("gain, channels and the kind of source change nothing", async () => {
  const bytes = await sample("woman_lively.wav");
  const [samples] = decodeWav(bytes).channels;
  const expected = await recognizer.predict(bytes);
  const others = [
    new Blob([bytes]),
    bytes.slice().buffer,
    { samples, rate: 16_000 },
    { channels: [samples, samples], rate: 16_000 },
    { samples: samples.map((value) => value / 4), rate: 16_000 },
  ];
  for (const other of others) {
    const found = await recognizer.predict(other);
    for (const [emotion, score] of Object.entries(expected.scores)) assert.ok(Math.abs(found.scores[emotion] - score) < 0.02);
  }
});

test("silence is no speech, and a tone is not taken for a voice", async () => {
  for (const samples of [new Float32Array(16_000), tone(2, { hz: 1000 })]) {
    const { label, emotion, speech } = await recognizer.predict({ samples, rate: 16_000 });
    assert.deepEqual([label, emotion], ["no speech", null]);
    assert.ok(speech < 0.5);
  }
});

test("what is no recording is an error with a code", async () => {
  await assert.rejects(recognizer.predict(wav([tone(0.1)], 16_000)), { code: "too_short" });
  await assert.rejects(recognizer.predict(Uint8Array.from([1, 2, 3])), { code: "not_audio" });
  await assert.rejects(recognizer.predict({ samples: Float32Array.of(NaN, 1), rate: 16_000 }), { code: "not_audio" });
  await assert.rejects(recognizer.predict("clip.wav"), (error) => error instanceof EmotoneError && error.code === "bad_argument");
});

test("a long recording is answered by its utterances", async () => {
  const [samples] = decodeWav(await sample("woman_lively.wav")).channels;
  const long = concatenate([samples, new Float32Array(8000), samples, new Float32Array(8000), samples, samples]);
  const { notes, scores } = await recognizer.predict({ samples: long, rate: 16_000 });
  assert.equal(notes.length, 1);
  const single = await recognizer.predict({ samples, rate: 16_000 });
  const best = ({ scores: all }) => Object.keys(all).reduce((most, emotion) => (all[emotion] > all[most] ? emotion : most));
  assert.equal(best({ scores }), best(single));
});

test("emotions and the threshold can be chosen", async () => {
  const chosen = await Recognizer.open(files, { emotions: ["sad", "happy"], threshold: 1 });
  const prediction = await chosen.predict(await sample("woman_lively.wav"));
  assert.deepEqual(Object.keys(prediction.scores), ["happy", "sad"]);
  assert.equal(prediction.label, "unsure");
  await assert.rejects(Recognizer.open(files, { emotions: ["sad"] }), { code: "bad_argument" });
});

test("a voice is adapted to, and its profile is JSON that can be opened again", async () => {
  const clips = await Promise.all(["woman_plain.wav", "woman_subdued.wav"].map(sample));
  const { profile, skipped } = await recognizer.adapt([...clips, Uint8Array.from([0])]);
  assert.equal(profile.n_clips, 2);
  assert.equal(skipped.length, 1);
  const clip = await sample("woman_lively.wav");
  const [plain, adapted] = [await recognizer.predict(clip), await recognizer.predict(clip, { profile: JSON.parse(JSON.stringify(profile)) })];
  assert.deepEqual(adapted.adapted, { source: 0, speaker: 2 });
  assert.notDeepEqual(adapted.scores, plain.scores);
  const empty = await recognizer.predict(clip, { profile: recognizer.newProfile() });
  assert.deepEqual(empty.scores, plain.scores);
});

test("a profile of another model, or a damaged one, is refused", async () => {
  const profile = recognizer.newProfile();
  const clip = await sample("woman_lively.wav");
  for (const wrong of [{ model: "0".repeat(64) }, { mean: [1] }, { n_clips: -1 }, { kind: "other" }, { format_version: 9 }, { composition: { odd: 1 } }, { composition: null }, { answers: null }, { n_clips: 2e9 }]) {
    await assert.rejects(recognizer.predict(clip, { profile: { ...profile, ...wrong } }), { code: "not_profile" });
  }
});

test("a timeline covers the speech, and is saved in every format", async () => {
  const [first, second] = (await Promise.all(["woman_lively.wav", "man_plain.wav"].map(sample))).map((bytes) => decodeWav(bytes).channels[0]);
  const pause = new Float32Array(16_000);
  const timeline = await recognizer.timeline({ samples: concatenate([pause, first, pause, second, pause]), rate: 16_000 });
  assert.ok(timeline.segments.length >= 2);
  assert.ok(timeline.segments[0].start_s > 0.5 && timeline.segments.at(-1).end_s < timeline.duration_s - 0.5);
  assert.ok(Math.abs(Object.values(timeline.shares).reduce((sum, share) => sum + share, 0) - 1) < 1e-6);
  for (const { write } of Object.values(FORMATS)) assert.ok(write(timeline).length > 20);
});

test("without the speech detector, a model that trims to the speech is refused, and a timeline of another", async () => {
  const needed = { code: "bad_argument", message: /silero_vad/ };
  await assert.rejects(Recognizer.open({ ...files, detector: null }), needed);
  const card = { ...files.card, preprocessing: { trim_db: 40, min_duration_s: 0.2 } };
  const without = await Recognizer.open({ ...files, card, detector: null });
  await assert.rejects(without.timeline({ samples: tone(1), rate: 16_000 }), needed);
});

test("a damaged bundle is refused", async () => {
  await assert.rejects(Recognizer.open({ ...files, model: files.model.subarray(1) }), { code: "bad_model", message: /SHA-256/ });
  await assert.rejects(Recognizer.open({ ...files, card: { ...files.card, format_version: 2 } }), { code: "bad_model" });
  await assert.rejects(Recognizer.open({ ...files, card: { ...files.card, preprocessing: { trim: "odd" } } }), { code: "bad_model" });
  await assert.rejects(Recognizer.open({ ...files, adaptation: null }), { code: "bad_model", message: /adaptation/ });
  await assert.rejects(Recognizer.open("/no/such/folder"), { code: "bad_model" });
});
