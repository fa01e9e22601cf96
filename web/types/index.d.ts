// Types of the package `emotone`.  The keys of results are those of Emotone's JSON in Python and over HTTP.

/** The name of an emotion of the model, "unsure", or "no speech". */
export type Label = string;

/** Number of clips that an answer is adapted to. */
export interface Adapted {
  source: number;
  speaker: number;
}

/** What is predicted for a recording or a segment of it. */
export interface Prediction {
  /** Begin and end, in seconds from the start of the recording. */
  start_s: number;
  end_s: number;
  /** The most probable emotion; null if the label is "unsure" or "no speech". */
  emotion: string | null;
  label: Label;
  /** The largest probability, in [0, 1]. */
  confidence: number;
  /** Emotion -> probability; they sum to one. */
  scores: Record<string, number>;
  /** Probability of speech, in [0, 1]; null from a model that does not check for speech. */
  speech: number | null;
  /** Sentences on what else there is to know about the recording. */
  notes: string[];
  adapted: Adapted;
  /** Always null: this package does not look for speakers. */
  speaker: string | null;
}

/** Emotion over time. */
export interface Timeline {
  duration_s: number;
  spoken_s: number;
  /** Label -> share of the speech, in [0, 1], the largest first. */
  shares: Record<Label, number>;
  notes: string[];
  adapted: Adapted;
  speakers: never[];
  overlaps: never[];
  /** In order of time, each with a single label. */
  segments: Prediction[];
  /** The largest amplitude in each 50 ms. */
  envelope: Float32Array;
}

/** A profile: JSON that Emotone in Python reads and writes too. */
export interface Profile {
  format_version: number;
  kind: "speaker" | "source";
  /** SHA-256 of the graph; no other model can use the profile. */
  model: string;
  n_clips: number;
  composition: Record<string, number>;
  answers: Record<string, number>;
  power: number;
  mean: number[];
  source?: Profile;
}

/** Decoded sound: an array for each channel. */
export interface Sound {
  channels: Float32Array[];
  rate: number;
  /** Numbers of channels with low-frequency effects, from 0. */
  lfe?: number[];
  /** For error messages. */
  name?: string;
}

/** A file, its bytes, or decoded sound. */
export type Source = Blob | ArrayBuffer | Uint8Array | Sound | { samples: Float32Array; rate: number };

/** "mix" (default), "left", "right", or a number from 1. */
export type Channel = "mix" | "left" | "right" | number;

/** Called with the share that is done, in [0, 1]. */
export type Progress = (share: number) => void;

/** The files of a bundle. */
export interface BundleFiles {
  /** The parsed `card.json`. */
  card: object;
  /** `model.onnx`. */
  model: Uint8Array;
  /** `adaptation.npz`, of a model that adapts. */
  adaptation?: Uint8Array | null;
  /** `silero_vad.onnx`, for timelines. */
  detector?: Uint8Array | null;
}

export interface RecognizerOptions {
  /** The emotions that can occur, two or more; the others get no probability. */
  emotions?: string[] | null;
  /** Below this confidence, in [0, 1], a prediction is "unsure". */
  threshold?: number | null;
  /** Decodes other formats than WAV; in browsers, `decodeAudioData` by default. */
  decode?: ((bytes: Uint8Array) => Promise<Sound>) | null;
  /** Threads of WebAssembly; more than one needs a page that is isolated from other origins. */
  threads?: number;
}

export interface PredictOptions {
  channel?: Channel;
  profile?: Profile | null;
  progress?: Progress;
}

export interface TimelineOptions extends PredictOptions {
  /** Whether to adapt to the recording itself, if that is enough speech. */
  adapt?: boolean;
  /** Length of the windows, 0.5 to 30 s, and seconds from one to the next. */
  settings?: { window_s?: number; step_s?: number };
}

/** Recognise emotions with the model of a bundle. */
export declare class Recognizer {
  private constructor();

  /**
   * Open a bundle: its address, in Node the path of its folder, or its files.
   *
   * `emotone web DIR` writes one to `DIR/model`.
   */
  static open(bundle: string | URL | BundleFiles, options?: RecognizerOptions): Promise<Recognizer>;

  /** The content of `card.json`. */
  readonly card: Readonly<Record<string, unknown>>;
  /** Names in the order of the scores. */
  readonly emotions: readonly string[];
  readonly threshold: number;
  readonly adapts: boolean;
  readonly checksSpeech: boolean;

  /** Predict the emotion of a recording. */
  predict(source: Source, options?: PredictOptions): Promise<Prediction>;
  /** Return the prediction, and the embeddings of the utterances with speech. */
  predictWithEmbeddings(
    source: Source,
    options?: PredictOptions,
  ): Promise<{ prediction: Prediction; embeddings: Float32Array[] }>;
  /** Detect the speech in a recording, and predict its emotion over time. */
  timeline(source: Source, options?: TimelineOptions): Promise<Timeline>;
  /** Compute the profile of a speaker from a few clips, without labels and of any emotions. */
  adapt(
    clips: Iterable<Source>,
    options?: { profile?: Profile | null; source?: Profile | null; progress?: Progress },
  ): Promise<{ profile: Profile; skipped: string[] }>;
  /** Compute the profile of a source from about 20 clips, of any number of speakers. */
  adaptSource(
    clips: Iterable<Source>,
    options?: { profile?: Profile | null; progress?: Progress },
  ): Promise<{ profile: Profile; skipped: string[] }>;
  /** Return the profile of an unknown speaker. */
  newProfile(): Profile;
  /** Return a profile with more clips, given by the embeddings of `predictWithEmbeddings`. */
  extended(profile: Profile, embeddings: Float32Array[]): Profile;
  /** Free the memory of the model. */
  close(): Promise<void>;
}

/** An error whose message names what was found, what was expected, and what to do. */
export declare class EmotoneError extends Error {
  constructor(
    code:
      | "bad_argument"
      | "bad_model"
      | "no_channel"
      | "no_clips"
      | "not_audio"
      | "not_profile"
      | "silent"
      | "too_short",
    message: string,
  );
  readonly code: string;
}

/** A file format of timelines. */
export interface TimelineFormat {
  suffix: string;
  mediaType: string;
  label: string;
  write(timeline: Timeline): string;
}

/** Name -> format. */
export declare const FORMATS: Record<"json" | "csv" | "vtt" | "srt" | "audacity", TimelineFormat>;
