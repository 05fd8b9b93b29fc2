/* Sound: the AudioWorklet that gives the microphone's samples at the model's rate, its resampler, WAV files and peaks.

   The browser's own conversion (new AudioContext({sampleRate})) would be shorter, but many releases of Firefox refuse a
   microphone of another rate than the context's, and no standard says how well a browser filters. */

export const BUCKETS = 200; // peaks a second

const ZERO_CROSSINGS = 48; // of the sinc on each side: 3 ms of delay at 16 kHz
const BETA = 8; // of Kaiser's window: 80 dB
const CUTOFF = 0.945; // of the lower Nyquist frequency; the transition ends at it and begins at 0.89

/** Windowed-sinc interpolation from one sample rate to another, block by block (Kaiser, 1974; Smith, "Digital Audio Resampling"). */
export class Resampler {
  constructor(from, to) {
    [from, to] = [Math.round(from), Math.round(to)];
    const divisor = greatestDivisor(from, to);
    this.up = to / divisor; // output n lies at the input's sample n · down / up
    this.down = from / divisor;
    const cutoff = CUTOFF * Math.min(1, to / from);
    this.half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.kernels = Array.from({ length: this.up }, (_, phase) => kernel(phase / this.up, this.half, cutoff));
    this.kept = new Float32Array(this.half - 1); // silence before the first sample
    this.at = 0; // of the first sample under the next kernel, in what is kept
    this.phase = 0;
  }

  /** Float32Array → Float32Array: all samples that are determined by now. */
  feed(block) {
    const samples = new Float32Array(this.kept.length + block.length);
    samples.set(this.kept);
    samples.set(block, this.kept.length);
    const made = [];
    for (const taps = 2 * this.half; this.at + taps <= samples.length;) {
      const weights = this.kernels[this.phase];
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) sum += weights[tap] * samples[this.at + tap];
      made.push(sum);
      this.phase += this.down;
      this.at += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.kept = samples.slice(this.at);
    this.at = Math.max(0, this.at - samples.length);
    return Float32Array.from(made);
  }

  /** The last samples: silence follows. */
  finish() {
    return this.feed(new Float32Array(this.half));
  }
}

/** Weights of the 2 · half samples around a place that lies `fraction` of a sample behind the one at half − 1. */
function kernel(fraction, half, cutoff) {
  const weights = new Float64Array(2 * half);
  let sum = 0;
  for (let tap = 0; tap < weights.length; tap++) {
    const distance = tap - (half - 1) - fraction;
    const x = Math.PI * cutoff * distance;
    const window = bessel(BETA * Math.sqrt(Math.max(0, 1 - (distance / half) ** 2)));
    weights[tap] = window * (x === 0 ? 1 : Math.sin(x) / x);
    sum += weights[tap];
  }
  return weights.map((weight) => weight / sum);
}

/** The modified Bessel function of order 0, by its series. */
function bessel(x) {
  let sum = 1;
  for (let n = 1, term = 1; term > 1e-12 * sum; n++) sum += term *= (x / 2 / n) ** 2;
  return sum;
}

function greatestDivisor(a, b) {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** Float samples → 16 bits. */
export function pcm16(samples) {
  return Int16Array.from(samples, (sample) => Math.round(32767 * Math.max(-1, Math.min(1, sample))));
}

/** Little-endian fields, [bytes, number or letters] each, as binary files have them. */
export function packed(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (typeof value === "string") Array.from(value).forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt()));
    else if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view;
}

/** 16-bit samples → a WAV file with one channel. */
export function wav(blocks, rate) {
  const size = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const format = [
    [4, 16],
    [2, 1],
    [2, 1],
    [4, rate],
    [4, 2 * rate],
    [2, 2],
    [2, 16],
  ]; // PCM, 1 channel, …, 16 bits
  const header = packed([4, "RIFF"], [4, 36 + size], [8, "WAVEfmt "], ...format, [4, "data"], [4, size]);
  return new Blob([header, ...blocks], { type: "audio/wav" });
}

/** The samples of a recording at a rate, by the browser; rejects what it cannot read. Channels are averaged. */
export async function decoded(blob, rate) {
  const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await blob.arrayBuffer());
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
  return channels[0].map((_, at) => channels.reduce((sum, samples) => sum + samples[at], 0) / channels.length);
}

/** The loudest of every so many samples, as shares of the loudest of all (of a twentieth, in near silence). */
export function peaks(samples, rate) {
  const size = rate / BUCKETS;
  const found = new Float32Array(Math.ceil(samples.length / size));
  samples.forEach((sample, at) => {
    const bucket = Math.floor(at / size);
    found[bucket] = Math.max(found[bucket], Math.abs(sample));
  });
  const loudest = found.reduce((a, b) => Math.max(a, b), 0.05);
  return found.map((peak) => peak / loudest);
}

// Only an AudioWorklet has registerProcessor; the page imports what is above.
if (globalThis.registerProcessor) {
  /** Posts Int16Arrays of a little more than 20 ms; after any message to it the rest, then null. */
  class Microphone extends AudioWorkletProcessor {
    constructor({ processorOptions: { rate } }) {
      super();
      this.resampler = new Resampler(globalThis.sampleRate, rate);
      this.size = rate / 50;
      this.waiting = [];
      this.count = 0;
      this.port.onmessage = () => {
        this.post(this.resampler.finish(), 0);
        this.port.postMessage(null);
        this.ended = true;
      };
    }

    process([[samples]]) {
      if (samples && !this.ended) this.post(this.resampler.feed(samples), this.size);
      return !this.ended;
    }

    /** Keeps samples, and posts what is kept if there is as much as that. */
    post(samples, least) {
      this.waiting.push(samples);
      this.count += samples.length;
      if (this.count < least || this.count === 0) return;
      const block = new Int16Array(this.count);
      let at = 0;
      for (const part of this.waiting) {
        block.set(pcm16(part), at);
        at += part.length;
      }
      this.port.postMessage(block, [block.buffer]);
      [this.waiting, this.count] = [[], 0];
    }
  }
  registerProcessor("microphone", Microphone);
}
