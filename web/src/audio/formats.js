// The sample rate of a compressed recording, from its first bytes: browsers decode to any rate, and this one loses nothing.

const OPUS_HZ = 48_000;
const MPEG_HZ = [44_100, 48_000, 32_000];

/** Return the rate of a recording in Hz; 48000 if its format does not say. */
export function rateOf(bytes) {
  const found = flac(bytes) ?? ogg(bytes) ?? mp4(bytes) ?? matroska(bytes) ?? mpeg(bytes);
  return found >= 8000 && found <= 96_000 ? found : OPUS_HZ;
}

function find(bytes, text, { from = 0, to = bytes.length } = {}) {
  const wanted = [...text].map((letter) => letter.charCodeAt(0));
  const last = Math.min(to, bytes.length) - wanted.length;
  for (let at = from; at <= last; at += 1) {
    if (wanted.every((code, n) => bytes[at + n] === code)) return at;
  }
  return -1;
}

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function flac(bytes) {
  if (find(bytes, "fLaC", { to: 4 }) !== 0 || bytes.length < 21) return null;
  return (bytes[18] << 12) | (bytes[19] << 4) | (bytes[20] >> 4);
}

function ogg(bytes) {
  if (find(bytes, "OggS", { to: 4 }) !== 0) return null;
  const vorbis = find(bytes, "\x01vorbis", { to: 4096 });
  if (vorbis >= 0 && vorbis + 16 <= bytes.length) return view(bytes).getUint32(vorbis + 12, true);
  return OPUS_HZ;
}

/** The rate of the first sound track of an MP4 file, in its `mp4a` box (ISO 14496-12). */
function mp4(bytes) {
  if (find(bytes, "ftyp", { from: 4, to: 8 }) !== 4) return null;
  const box = find(bytes, "mp4a");
  return box >= 0 && box + 32 <= bytes.length ? view(bytes).getUint16(box + 28) : OPUS_HZ;
}

function matroska(bytes) {
  return bytes[0] === 0x1a && bytes[1] === 0x45 && bytes[2] === 0xdf ? OPUS_HZ : null;
}

/** The rate in the first frame header of an MP3 file, after its tag (ISO 11172-3). */
function mpeg(bytes) {
  let at = 0;
  if (find(bytes, "ID3", { to: 3 }) === 0) at = 10 + [6, 7, 8, 9].reduce((size, place) => (size << 7) | bytes[place], 0);
  for (const end = Math.min(bytes.length - 4, at + 65_536); at < end; at += 1) {
    if (bytes[at] !== 0xff || (bytes[at + 1] & 0xe6) !== 0xe2) continue;
    const [version, rate] = [(bytes[at + 1] >> 3) & 3, (bytes[at + 2] >> 2) & 3];
    if (version !== 1 && rate !== 3) return MPEG_HZ[rate] >> (version === 3 ? 0 : version === 2 ? 1 : 2);
  }
  return null;
}
