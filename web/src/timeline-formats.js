// The formats in which a timeline is saved; each writes what Emotone in Python writes.

/** Keys of segments before their scores. */
const CSV_COLUMNS = ["start_s", "end_s", "emotion", "confidence", "label", "speech"];
const rounded = (value, digits) => Number(value.toFixed(digits));

/** Return a segment with times in milliseconds and probabilities of six digits. */
function roundedSegment(segment) {
  return {
    ...segment,
    start_s: rounded(segment.start_s, 3),
    end_s: rounded(segment.end_s, 3),
    confidence: rounded(segment.confidence, 6),
    scores: Object.fromEntries(Object.entries(segment.scores).map(([name, score]) => [name, rounded(score, 6)])),
    speech: segment.speech === null ? null : rounded(segment.speech, 6),
  };
}

function toJson({ envelope, ...timeline }) {
  const saved = {
    ...timeline,
    duration_s: rounded(timeline.duration_s, 3),
    spoken_s: rounded(timeline.spoken_s, 3),
    shares: Object.fromEntries(Object.entries(timeline.shares).map(([label, share]) => [label, rounded(share, 6)])),
    segments: timeline.segments.map(roundedSegment),
  };
  return `${JSON.stringify(saved, null, 2)}\n`;
}

function toCsv(timeline) {
  const emotions = Object.keys(timeline.segments[0]?.scores ?? {});
  const rows = timeline.segments.map(roundedSegment).map((segment) => [
    ...CSV_COLUMNS.map((key) => segment[key] ?? ""),
    ...emotions.map((emotion) => segment.scores[emotion]),
    "",
  ]);
  return [[...CSV_COLUMNS, ...emotions, "speaker"], ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** Quote a text of CSV; spreadsheets take some for formulas, which an apostrophe prevents. */
function cell(value) {
  if (typeof value !== "string") return decimal(value);
  const plain = /^'*([=+@＝＋－＠]|-.)/s.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Write a number as Python does: with a decimal point, or with an exponent of two digits. */
function decimal(value) {
  if (Number.isInteger(value)) return `${value}.0`;
  return Math.abs(value) < 1e-4 ? value.toExponential().replace(/e-(\d)$/, "e-0$1") : String(value);
}

function toVtt(timeline) {
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return ["WEBVTT\n", ...cues(timeline).map(({ begin, end, caption }) => `${begin} --> ${end}\n${escaped(caption)}\n`)].join("\n");
}

function toSrt(timeline) {
  const plain = (text) => text.replaceAll("<", "‹").replaceAll(">", "›");
  return cues(timeline)
    .map(({ begin, end, caption }, n) => `${n + 1}\n${`${begin} --> ${end}`.replaceAll(".", ",")}\n${plain(caption)}\n`)
    .join("\n");
}

function toAudacity(timeline) {
  return timeline.segments.map((segment) => `${segment.start_s.toFixed(6)}\t${segment.end_s.toFixed(6)}\t${captionOf(segment)}\n`).join("");
}

function cues(timeline) {
  return timeline.segments
    .map((segment) => ({ begin: clock(segment.start_s), end: clock(segment.end_s), caption: captionOf(segment) }))
    .filter(({ begin, end }) => begin !== end);
}

function captionOf({ emotion, label, confidence }) {
  return emotion === null ? label : `${label} ${(100 * confidence).toFixed(0)} %`;
}

/** Write a time as subtitles have it: hh:mm:ss.mmm. */
function clock(seconds) {
  const steps = Math.round(1000 * seconds);
  const parts = [Math.floor(steps / 3_600_000), Math.floor(steps / 60_000) % 60, Math.floor(steps / 1000) % 60];
  return `${parts.map((part) => String(part).padStart(2, "0")).join(":")}.${String(steps % 1000).padStart(3, "0")}`;
}

/** Name -> format. */
export const FORMATS = {
  json: { suffix: ".json", mediaType: "application/json", label: "JSON", write: toJson },
  csv: { suffix: ".csv", mediaType: "text/csv", label: "CSV", write: toCsv },
  vtt: { suffix: ".vtt", mediaType: "text/vtt", label: "WebVTT subtitles", write: toVtt },
  srt: { suffix: ".srt", mediaType: "application/x-subrip", label: "SubRip subtitles", write: toSrt },
  audacity: { suffix: ".txt", mediaType: "text/plain", label: "Audacity labels", write: toAudacity },
};
