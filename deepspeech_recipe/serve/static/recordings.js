/* Recordings: chosen or dropped, sent one after the other. */

import { decoded, pcm16, wav } from "./audio.js";
import { Card } from "./card.js";
import { $, address, model } from "./server.js";

const RECORDING = /\.(wav|flac|ogg|oga|opus|mp3|aiff?|au|snd|caf|w64|rf64)$/i; // the server reads these,
const CONVERTED = /\.(m4a|mp4|aac|webm|mov|3gp)$/i; // and the browser these, for it

const ATTEMPTS = 100; // while the server is busy with others

let queue = Promise.resolve(); // one at a time: live speech goes first on the server's processor

/** Files with their paths; in folders only those that are recordings. */
export function take(files) {
  const recordings = files.filter(({ path }) => !path.includes("/") || RECORDING.test(path) || CONVERTED.test(path));
  const others = files.length - recordings.length;
  const left = others === 1 ? "1 file is not a recording" : `${others} files are not recordings`;
  $("left-out").textContent = others ? `${left}, and left out.` : "";
  if (!files.length) $("left-out").textContent = "There are no files in it.";
  const before = $("cards").firstChild;
  for (const { file, path } of recordings) {
    const card = new Card(path, recognise, before);
    card.blob = file;
    recognise(card);
  }
}

export function recognise(card) {
  card.set("waiting", "Waiting");
  queue = queue.then(() => attempt(card));
}

async function attempt(card, left = ATTEMPTS) {
  if (card.removed) return;
  try {
    const { answer, took } = await transcription(card);
    const { text, words = [], segments = [], duration } = answer;
    card.done(
      { text, words, segments, seconds: duration },
      duration && `real-time factor ${(took / duration).toFixed(3)}`,
    );
  } catch (error) {
    if (card.removed) return;
    if (!(error instanceof Busy && left)) return card.fail(error.message);
    card.set("waiting", error.message);
    const seconds = error.seconds * Math.min(10, 1 + ATTEMPTS - left);
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    await attempt(card, left - 1);
  }
}

/** The server has no place just now. */
class Busy extends Error {
  constructor(message, seconds) {
    super(message);
    this.seconds = seconds;
  }
}

/** Sends a recording → the server's answer, and how many seconds it took after the last byte was sent. */
async function transcription(card) {
  card.set("working", "Reading");
  let [body, name] = [card.blob, card.name.split("/").pop()];
  if (CONVERTED.test(name)) {
    const samples = await decoded(body, model.sample_rate).catch(() => {
      throw new Error(
        "Neither the server nor this browser can read recordings of this kind. Convert it to WAV or FLAC.",
      );
    });
    [body, name] = [wav([pcm16(samples)], model.sample_rate), `${name}.wav`];
  }
  const form = new FormData();
  form.append("file", body, name);
  form.append("model", model.id);
  form.append("response_format", "verbose_json");
  for (const kind of ["word", "segment"]) form.append("timestamp_granularities[]", kind);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much has been sent
    let sent = performance.now();
    request.upload.onprogress = ({ loaded, total }) => card.set("working", "Sending", loaded / total);
    request.upload.onload = () => {
      sent = performance.now();
      card.set("working", "Recognising");
    };
    request.onerror = () => reject(new Error("The connection to the server was lost."));
    request.onload = () => {
      const [answer, took] = [request.response, (performance.now() - sent) / 1000];
      if (request.status === 401) location.reload(); // to sign in again
      if (request.status === 200 && answer) resolve({ answer, took });
      const message = answer?.error?.message ?? `The server answered with status ${request.status}.`;
      reject(
        request.status === 503 ? new Busy(message, request.getResponseHeader("Retry-After") ?? 2) : new Error(message),
      );
    };
    request.onabort = () => reject(new Error("Removed."));
    card.abort = () => request.abort();
    request.open("POST", address("v1/audio/transcriptions"));
    request.responseType = "json";
    request.send(form);
  });
}

/** What is dropped, folders with all that is in them, in the order of their names. */
export async function dropped(items) {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      files.push({ file, path: entry.fullPath.slice(1) });
      return;
    }
    const reader = entry.createReader();
    const inside = [];
    for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length;)
      inside.push(...some);
    inside.sort((a, b) => a.name.localeCompare(b.name));
    for (const each of inside) if (!each.name.startsWith(".")) await walk(each);
  };
  for (const entry of entries) await walk(entry);
  return files;
}
