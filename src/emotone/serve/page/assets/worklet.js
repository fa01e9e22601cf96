// Hands the microphone's samples to the page, a tenth of a second at a time, as 16-bit numbers.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.held = new Int16Array(Math.round(sampleRate / 10));
    this.n = 0;
  }

  process(inputs) {
    for (const sample of inputs[0][0] ?? []) {
      this.held[this.n++] = Math.max(-32768, Math.min(32767, Math.round(32767 * sample)));
      if (this.n === this.held.length) {
        this.port.postMessage(this.held.slice());
        this.n = 0;
      }
    }
    return true;
  }
}

registerProcessor("emotone-microphone", Microphone);
