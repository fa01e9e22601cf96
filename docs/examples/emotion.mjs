// The emotion of a recording, from a bundle, with onnxruntime-node:  node emotion.mjs MODEL.onnx RECORDING.wav
// The recording is a WAV file of 16 bits, 16 kHz and one channel, without silence at its ends.
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node"; // in a browser: onnxruntime-web

const [model, recording] = process.argv.slice(2);
const sound = readFileSync(recording).subarray(44); // after the header
const waveform = Float32Array.from({ length: sound.length / 2 }, (_, i) => sound.readInt16LE(2 * i) / 32768);
const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
const { scores } = await session.run({ waveform: new Tensor("float32", waveform, [1, waveform.length]) }, ["scores"]);
for (const score of scores.data) console.log(score.toFixed(6));
