import assert from "node:assert/strict";
import { test } from "node:test";

import { hasTwoPeople, mixed } from "../src/audio/channels.js";
import { fastLength, transform } from "../src/audio/fft.js";
import { highPass } from "../src/audio/filters.js";
import { rateOf } from "../src/audio/formats.js";
import { resampled } from "../src/audio/resampling.js";
import { trimSilence } from "../src/audio/trimming.js";
import { decodeWav } from "../src/audio/wav.js";
import { concatenate } from "../src/audio/arrays.js";
import { tone, wav } from "./bundle.js";

const rms = (samples) => Math.sqrt(samples.reduce((sum, sample) => sum + sample ** 2, 0) / samples.length);

test("lengths are products of 2, 3 and 5, and the smallest ones", () => {
  assert.deepEqual([1, 7, 11, 13, 48_001, 79_999].map(fastLength), [1, 8, 12, 15, 48_600, 80_000]);
});

test("the transform agrees with its definition, and its inverse gives the input", () => {
  const input = Float64Array.from({ length: 60 }, (_, n) => Math.cos(n ** 2));
  const [re, im] = transform(input.slice(), new Float64Array(60), -1);
  for (const k of [0, 1, 7, 59]) {
    const angle = (n) => (-2 * Math.PI * k * n) / 60;
    assert.ok(Math.abs(re[k] - input.reduce((sum, value, n) => sum + value * Math.cos(angle(n)), 0)) < 1e-9);
    assert.ok(Math.abs(im[k] - input.reduce((sum, value, n) => sum + value * Math.sin(angle(n)), 0)) < 1e-9);
  }
  const [back] = transform(re, im, 1);
  back.forEach((value, n) => assert.ok(Math.abs(value / 60 - input[n]) < 1e-12));
});

test("the high-pass filter removes hum and keeps a voice", () => {
  assert.ok(rms(highPass(tone(1, { hz: 30 }), 70).subarray(4000, 12_000)) < 0.001);
  assert.ok(Math.abs(rms(highPass(tone(1, { hz: 300 }), 70)) - rms(tone(1))) < 0.005);
});

test("resampling keeps tones below the new Nyquist frequency and removes others", () => {
  for (const rate of [8000, 44_100, 48_000]) {
    const result = resampled(tone(0.5, { hz: 1000, rate }), rate);
    const expected = tone(0.5, { hz: 1000 });
    assert.equal(result.length, 8000);
    for (let n = 2000; n < 6000; n += 1) assert.ok(Math.abs(result[n] - expected[n]) < 1e-4);
  }
  assert.ok(rms(resampled(tone(0.5, { hz: 9000, rate: 48_000 }), 48_000).subarray(500, 7500)) < 1e-5);
});

test("WAV samples are those that were written", () => {
  const [left, right] = [tone(0.1), tone(0.1, { hz: 300 })];
  const { channels, rate } = decodeWav(wav([left, right], 22_050));
  assert.equal(rate, 22_050);
  for (const [channel, expected] of [[channels[0], left], [channels[1], right]]) {
    channel.forEach((sample, n) => assert.ok(Math.abs(sample - expected[n]) < 1e-4));
  }
});

test("a WAV file that was cut short is an error", () => {
  const whole = wav([tone(1)], 16_000);
  assert.throws(() => decodeWav(whole.subarray(0, whole.length / 2)), { code: "not_audio", message: /cut short/ });
  assert.throws(() => decodeWav(whole.subarray(0, 30)), { code: "not_audio" });
});

test("channels are averaged, and the loudest is used if they cancel", () => {
  const left = tone(1);
  assert.deepEqual(mixed([left, left], 16_000), left);
  assert.deepEqual(mixed([left, left.map((sample) => -sample)], 16_000), left);
  assert.deepEqual(mixed([left, tone(1, { hz: 300 })], 16_000, { channel: "right" }), tone(1, { hz: 300 }));
  assert.throws(() => mixed([left], 16_000, { channel: 2 }), { code: "no_channel" });
});

test("two people on two channels are noticed", () => {
  const silence = new Float32Array(32_000);
  const [left, right] = [concatenate([tone(2), silence]), concatenate([silence, tone(2)])];
  assert.equal(hasTwoPeople([left, right], 16_000), true);
  assert.equal(hasTwoPeople([left, left], 16_000), false);
});

test("silence at both ends is removed, with a margin", () => {
  const quiet = new Float32Array(16_000);
  assert.equal(trimSilence(concatenate([quiet, tone(0.5), quiet]), 40).length, 10_160);
  assert.throws(() => trimSilence(quiet, 40), { code: "silent" });
});

test("the rate of compressed recordings comes from their headers", () => {
  const text = (letters) => [...letters].map((letter) => letter.charCodeAt(0));
  const flac = [...text("fLaC"), 0, 0, 0, 34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0xc4, 0x40, 0];
  assert.equal(rateOf(Uint8Array.from(flac)), 44_100);
  assert.equal(rateOf(Uint8Array.from([...text("OggS"), ...new Array(24).fill(0), ...text("OpusHead")])), 48_000);
  assert.equal(rateOf(Uint8Array.from([0xff, 0xf3, 0x54, 0xc4, 0, 0, 0, 0, 0, 0])), 24_000); // MPEG-2, 24 kHz
  assert.equal(rateOf(Uint8Array.from([0x1a, 0x45, 0xdf, 0xa3, 0, 0])), 48_000);
});
