/* Live speech: microphone → AudioWorklet → WebSocket → partial and final texts. */

import { wav } from "./audio.js";
import { Card } from "./card.js";
import { recognise } from "./recordings.js";
import { $, about, address, clock, element, meet, model } from "./server.js";

const STATES = {
  idle: "Press, and speak.",
  starting: "Allow the microphone, if the browser asks.",
  listening: "Listening. Press to stop.",
  finishing: "Finishing …",
};
const REFUSALS = {
  NotAllowedError:
    "The browser does not let this page use the microphone. Allow it beside the address, then press again.",
  NotFoundError: "No microphone was found. Connect one, then press again.",
  NotReadableError: "The microphone does not start: another program may have it.",
};
const LONGEST_DELAY = 10; // seconds of speech that wait for a slow connection

let session = null;

export function press() {
  if (session) session.stop();
  else session = new Session();
}

export function stop() {
  session?.stop();
}

/** Press to stop: microphone → worklet → WebSocket → partial and final texts. */
class Session {
  constructor() {
    this.blocks = []; // all that was said, 16 bits
    this.samples = 0;
    this.past = { text: "", words: [], segments: [], seconds: 0 }; // utterances that have ended
    this.rate = model.sample_rate;
    this.quiet = 0;
    this.begin().catch((error) => this.fail(REFUSALS[error.name] ?? error.message));
  }

  async begin() {
    this.show("starting");
    $("problem").textContent = "";
    if (!navigator.mediaDevices)
      throw new Error("Browsers give the microphone only to pages at localhost, or over HTTPS.");
    this.context = new AudioContext(); // in the press itself: later, some browsers do not let it start
    const module = this.context.audioWorklet.addModule(address("static/audio.js"));
    module.catch(() => {}); // it is awaited below
    // As it is: what makes calls pleasant, models of speech were not trained on.
    const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    await Promise.all([module, Promise.race([this.context.resume(), late("The browser does not start its sound.")])]);
    if (this.ended) return this.release();
    this.connect();
    const options = {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { rate: this.rate },
    };
    this.worklet = new AudioWorkletNode(this.context, "microphone", options);
    this.worklet.port.onmessage = ({ data }) => (data ? this.heard(data) : this.heardAll());
    this.context.createMediaStreamSource(this.stream).connect(this.worklet);
    this.stream.getTracks()[0].onended = () => this.stop(); // unplugged
    this.card = new Card(`Spoken at ${new Date().toTimeString().slice(0, 8)}`, recognise);
    this.card.spoken = true;
    this.card.set("live");
    this.card.element.scrollIntoView({ block: "nearest" });
    this.show("listening");
    this.lock = await navigator.wakeLock?.request("screen").catch(() => null);
    if (this.ended) this.lock?.release();
  }

  connect() {
    const url = new URL("v1/stream", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    this.socket = new WebSocket(url);
    this.socket.onopen = () => {
      this.opened = true;
      this.socket.send(JSON.stringify({ rate: this.rate }));
      this.blocks.forEach((block) => this.socket.send(block));
    };
    this.socket.onmessage = ({ data }) => this.told(JSON.parse(data));
    this.socket.onclose = ({ code, reason }) => {
      if (this.ended) return;
      const full = code === 1013 ? "The server has as many streams as it can serve. Try again in a while." : "";
      if (!this.opened) meet(); // the server may want to know who asks
      const lost = this.opened ? "The connection to the server was lost." : "The server did not take the connection.";
      this.fail(this.problem || full || reason || lost);
    };
  }

  heard(block) {
    if (this.ended) return;
    this.blocks.push(block);
    this.samples += block.length;
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(block);
    if (this.socket.bufferedAmount > 2 * LONGEST_DELAY * this.rate)
      return this.fail("The connection is too slow for live speech.");
    const loudest = block.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    this.quiet = loudest > 8 ? 0 : this.quiet + block.length;
    say("state", this.quiet > 4 * this.rate ? "No sound comes from the microphone." : STATES[this.state]);
    say("clock", clock(this.samples / this.rate));
    $("microphone").style.setProperty("--level", Math.min(1, Math.sqrt(loudest / 16384)).toFixed(2));
  }

  told(message) {
    if (message.type === "ready") about({ ...model, ...message, id: message.model ?? model.id });
    if (message.type === "error") this.problem = message.message;
    if (message.type === "partial") this.read(message.text, message.settled);
    if (message.type !== "final") return;
    const { past } = this;
    const later = (each) => ({ ...each, start: each.start + past.seconds, end: each.end + past.seconds });
    past.words.push(...message.words.map(later));
    past.segments.push(...(message.segments ?? []).map(later));
    past.text = [past.text, message.text].filter(Boolean).join(" ");
    past.seconds += message.seconds;
    this.read("", 0);
    if (this.stopped && past.seconds > (this.samples - 1) / this.rate) this.finish();
  }

  read(text, settled) {
    const before = this.past.text && text ? `${this.past.text} ` : this.past.text;
    const sure = Array.from(before).length + settled;
    this.card.read(before + text, sure);
    announce(
      Array.from(before + text)
        .slice(0, sure)
        .join(""),
    );
  }

  stop() {
    if (this.state === "starting") this.end();
    else if (this.state === "finishing") this.fail("Stopped before the final text came.");
    else {
      this.show("finishing");
      this.worklet.port.postMessage("stop");
    }
  }

  heardAll() {
    this.release();
    if (!this.samples) return this.fail("Nothing was said.");
    this.stopped = performance.now();
    const end = () => this.socket.send(JSON.stringify({ end: true }));
    if (this.socket.readyState === WebSocket.OPEN) end();
    else this.socket.addEventListener("open", end);
  }

  finish() {
    const delay = ((performance.now() - this.stopped) / 1000).toFixed(2);
    this.card.blob = wav(this.blocks, this.rate);
    announce(`${this.past.text} `);
    this.card.done(this.past, `final text ${delay} s after the last sound`);
    this.end();
  }

  fail(message) {
    if (this.ended) return;
    this.end();
    if (!this.samples) {
      this.card?.remove();
      $("problem").textContent = message;
    } else {
      this.card.blob = wav(this.blocks, this.rate);
      this.card.fail(message);
    }
  }

  /** Whatever happened: the microphone is free, and the next session may begin. */
  end() {
    this.ended = true;
    this.release();
    this.socket?.close();
    this.show("idle");
    session = null;
  }

  release() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    this.context = null;
    this.lock?.release();
  }

  show(state) {
    this.state = document.querySelector(".speak").dataset.state = state;
    $("microphone").ariaLabel = state === "idle" ? "Speak" : "Stop";
    $("state").textContent = STATES[state];
    $("clock").textContent = "";
    $("microphone").style.setProperty("--level", 0);
  }
}

async function late(message) {
  await new Promise((resolve) => setTimeout(resolve, 5000));
  throw new Error(message);
}

/** Once: screen readers read a status anew whenever it is set. */
function say(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

let announced = "";

/** Reads whole words to screen readers, once they will not change. */
function announce(text) {
  const words = text.slice(0, text.lastIndexOf(" ") + 1);
  if (!words.startsWith(announced)) {
    $("announced").replaceChildren();
    announced = "";
  }
  if (words.length > announced.length) $("announced").append(element("span", words.slice(announced.length)));
  announced = words;
}
