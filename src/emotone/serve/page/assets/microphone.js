// The microphone, for the live tab and for recordings: 16-bit samples of one channel.
"use strict";

/** Open the microphone; each tenth of a second goes to `take` as an Int16Array.  It throws a DOMException. */
async function openMicrophone(take) {
  if (!navigator.mediaDevices || !window.AudioWorkletNode) throw new DOMException("", "NotSupportedError");
  // no processing for calls: it changes how a voice sounds
  const unprocessed = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const sound = await navigator.mediaDevices.getUserMedia({ audio: unprocessed });
  const context = new AudioContext();
  const close = () => {
    sound.getTracks().forEach((track) => track.stop());
    context.close();
  };
  try {
    await context.audioWorklet.addModule("page/worklet.js");
    const worklet = new AudioWorkletNode(context, "emotone-microphone", { numberOfOutputs: 0, channelCount: 1 });
    worklet.port.onmessage = ({ data }) => take(data);
    context.createMediaStreamSource(sound).connect(worklet);
  } catch (error) {
    close();
    throw error;
  }
  return { rate: context.sampleRate, close };
}

function microphoneError(error) {
  const texts = {
    NotAllowedError: "The browser blocks the microphone. Allow it next to the address, and press the button again.",
    NotFoundError: "There is no microphone. Connect one, and press the button again.",
    NotReadableError: "Another program uses the microphone. Close it, and press the button again.",
    NotSupportedError: "Browsers allow the microphone only on https pages and on pages from this machine.",
  };
  return texts[error.name] ?? "The microphone can't be used. Try another browser.";
}

/** Return a WAV file of samples (arrays of Int16), which every browser plays and the service reads without a loss. */
function wavOf(blocks, rate) {
  const n = blocks.reduce((sum, block) => sum + block.length, 0);
  const head = new DataView(new ArrayBuffer(44));
  const write = (at, text) => [...text].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  write(0, "RIFF");
  head.setUint32(4, 36 + 2 * n, true);
  write(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 1, true); // channels
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  write(36, "data");
  head.setUint32(40, 2 * n, true);
  return new File([head.buffer, ...blocks], "recording.wav", { type: "audio/wav" });
}
