// What TypeScript must accept, and what it must refuse; `npm run types` checks it.

import { EmotoneError, FORMATS, Recognizer, type Prediction, type Profile, type Timeline } from "emotone";

export async function uses(bytes: Uint8Array, clips: Blob[]): Promise<string> {
  const recognizer: Recognizer = await Recognizer.open("site/model", { emotions: ["happy", "sad"], threshold: 0.5 });
  const prediction: Prediction = await recognizer.predict(bytes, { channel: "left", progress: (share) => share.toFixed(1) });
  const emotion: string | null = prediction.emotion;
  const { profile, skipped }: { profile: Profile; skipped: string[] } = await recognizer.adapt(clips);
  const timeline: Timeline = await recognizer.timeline({ samples: new Float32Array(16_000), rate: 16_000 }, { profile, adapt: true });
  const saved: string = FORMATS.vtt.write(timeline);
  // @ts-expect-error a label can be "unsure", and an emotion null
  const wrong: string = prediction.emotion;
  // @ts-expect-error there is no such format
  FORMATS.docx.write(timeline);
  // @ts-expect-error a path is no recording: read the file first
  await recognizer.predict("clip.wav");
  // @ts-expect-error recognizers are opened
  new Recognizer();
  if (timeline.segments[0] === undefined) throw new EmotoneError("not_audio", "the recording holds no speech");
  return [emotion ?? prediction.label, wrong, saved, ...skipped].join();
}
