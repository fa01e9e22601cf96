// Send the microphone's samples to the page as 16-bit integers, a tenth of a second at a time.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(Math.round(sampleRate / 10));
    this.n = 0;
  }

  process(inputs) {
    for (const sample of inputs[0][0] ?? []) {
      this.samples[this.n++] = Math.max(-32768, Math.min(32767, Math.round(32767 * sample)));
      if (this.n === this.samples.length) {
        this.port.postMessage(this.samples.slice());
        this.n = 0;
      }
    }
    return true;
  }
}

registerProcessor("emotone-microphone", Microphone);
