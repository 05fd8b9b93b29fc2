/* A text and its recording: states, text, wave form and words over time, files to save. */

import { FORMATS, save, zip } from "./saving.js";
import { $, clock, element, model } from "./server.js";
import { Timeline } from "./timeline.js";

const player = new Audio();
let playing = null; // the card whose recording the player has
const cards = new Set();

export class Card {
  /** again: what "Try again" does with the card; before: the card above which it appears, by default the first. */
  constructor(name, again, before = $("cards").firstChild) {
    this.element = $("card").content.cloneNode(true).firstElementChild;
    this.name = name;
    this.words = [];
    this.find("h2").textContent = name;
    this.timeline = new Timeline(this);
    this.on(".play", () => (this.plays() ? player.pause() : this.play(player.ended ? 0 : undefined)));
    this.on(".again", () => again(this));
    this.on(".copy", () => this.copy());
    this.on(".remove", () => {
      const neighbour = this.element.nextElementSibling ?? this.element.previousElementSibling;
      (neighbour?.querySelector(".remove") ?? $("microphone")).focus(); // or the keyboard would be at the top again
      this.remove();
    });
    this.on(".text", ({ target }) => target.dataset.word && this.play(this.words[target.dataset.word].start));
    cards.add(this);
    $("cards").insertBefore(this.element, before);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  on(selector, action) {
    this.find(selector).addEventListener("click", action);
  }

  /** state: waiting, live, working, done or failed; doing: what happens just now, in words; share: of it, from 0 to 1. */
  set(state, doing = "", share = null) {
    this.state = this.element.dataset.state = state;
    this.find(".doing span").textContent = doing;
    this.find("progress").hidden = share === null;
    this.find("progress").value = share ?? 0;
    this.find(".wrong").textContent = "";
    this.find(".again").hidden = true;
    count();
  }

  fail(message) {
    this.set("failed");
    this.find(".wrong").textContent = message;
    this.find(".again").hidden = false;
    this.offer();
  }

  /** Text of which the first `settled` characters (code points) will not change. */
  read(text, settled) {
    const characters = Array.from(text);
    const pending = element("span", characters.slice(settled).join(""), "pending");
    this.find(".text").replaceChildren(characters.slice(0, settled).join(""), pending);
    this.find(".text").lang = model.language ?? "";
    this.find(".text").scrollTop = this.state === "live" ? this.find(".text").scrollHeight : 0;
  }

  /** The whole text, words and segments with their seconds; facts: what else there is to say. */
  done({ text, words, segments, seconds }, facts) {
    Object.assign(this, { words, segments, seconds, text: text.trim() });
    this.set("done", this.text ? "" : "No words were recognised in it.");
    this.read(this.text, Infinity);
    if (words.length && words.map(({ word }) => word).join(" ") === this.text) {
      const spans = words.flatMap(({ word }, number) => [" ", element("span", word, "word", { word: number })]);
      this.find(".text").replaceChildren(...spans.slice(1));
    }
    this.find(".facts").textContent = [clock(seconds), facts].filter(Boolean).join(" · ");
    this.find(".copy").hidden = !this.text || !navigator.clipboard;
    this.offer();
    this.timeline.show();
  }

  /** What can be done with it now. */
  offer() {
    const savers = this.state === "done" ? Object.keys(FORMATS).map((suffix) => this.saver(suffix)) : [];
    if (this.spoken) savers.push(this.saver("wav"));
    this.find(".saves").replaceChildren(...savers);
    this.find(".play").hidden = false;
  }

  saver(suffix) {
    const label = FORMATS[suffix]?.label ?? "WAV";
    const button = element("button", `↓ ${label}`);
    button.type = "button";
    button.ariaLabel = `Save ${this.name} as ${label}`;
    button.addEventListener("click", () => save(this.file(suffix), `${this.base().split("/").pop()}.${suffix}`));
    return button;
  }

  /** The path of what is saved, without a suffix. */
  base() {
    return this.spoken ? this.name.replaceAll(/[^\w-]+/g, "-") : this.name.replace(/\.\w+$/, "");
  }

  file(suffix) {
    return suffix === "wav" ? this.blob : new Blob([FORMATS[suffix].of(this)], { type: FORMATS[suffix].type });
  }

  plays() {
    return playing === this && !player.paused;
  }

  /** The second that is played, if it is this recording. */
  position() {
    return playing === this ? player.currentTime : -1;
  }

  /** From a second on; without: from where it was. */
  async play(from) {
    if (playing !== this) {
      const before = playing;
      player.src = this.url ??= URL.createObjectURL(this.blob);
      [playing, from] = [this, from ?? 0];
      before?.timeline.follow();
    }
    if (from !== undefined) player.currentTime = from;
    try {
      await player.play();
      if (this.text) this.find(".doing span").textContent = "";
    } catch (error) {
      if (error.name !== "AbortError") this.find(".doing span").textContent = "The browser cannot play this recording.";
    }
  }

  async copy() {
    await navigator.clipboard.writeText(this.text);
    this.find(".copy").textContent = "Copied";
    setTimeout(() => (this.find(".copy").textContent = "Copy"), 2000);
  }

  remove() {
    this.removed = true;
    this.abort?.();
    if (playing === this) player.pause();
    if (this.url) URL.revokeObjectURL(this.url);
    this.element.remove();
    cards.delete(this);
    count();
  }
}

for (const event of ["play", "pause", "ended", "seeked"]) {
  player.addEventListener(event, () => {
    for (const card of cards) card.find(".play").textContent = card.plays() ? "Pause" : "Play";
    playing?.timeline.follow();
  });
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  cards.forEach((card) => card.timeline.draw()),
);

/** How far all recordings are. */
function count() {
  const states = [...cards].map(({ state }) => state);
  const [done, failed] = ["done", "failed"].map((wanted) => states.filter((state) => state === wanted).length);
  document.querySelector(".all").hidden = states.length < 2;
  $("save-all").hidden = !done;
  $("progress").textContent = `${done} of ${states.length} done${failed ? `, ${failed} failed` : ""}`;
}

/** The texts and subtitles of all cards in an archive, in folders as the recordings'. */
export async function saveAll() {
  const files = new Map();
  for (const card of cards) {
    if (card.state !== "done") continue;
    // Recordings of one name and different kinds keep their suffixes; the same ones are numbered.
    const names = [card.base(), card.name, ...Array.from(cards, (_, number) => `${card.name}-${number + 2}`)];
    const base = names.find((name) => !files.has(`${name}.txt`));
    for (const suffix in FORMATS) files.set(`${base}.${suffix}`, await card.file(suffix).arrayBuffer());
  }
  save(zip(files), "texts.zip");
}
