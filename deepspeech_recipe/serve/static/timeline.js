/* The words over the wave form. */

import { BUCKETS, decoded, peaks } from "./audio.js";

const SCALE = 96; // pixels a second at least
const BAR = 3; // pixels of a bar of the wave form, with the gap after it
const LABELS = 18; // pixels of a row of words below it

/** A slider over the words: arrows go from one to the next, Enter plays from there; so does a click. */
export class Timeline {
  constructor(card) {
    this.card = card;
    this.box = card.find(".timeline");
    this.canvas = card.find("canvas");
    this.word = 0;
    this.box.addEventListener("scroll", () => this.draw());
    this.box.addEventListener("click", (event) => this.clicked(event));
    this.box.addEventListener("keydown", (event) => this.pressed(event));
    for (const event of ["focus", "blur"]) this.box.addEventListener(event, () => this.draw());
  }

  /** Decodes and draws when it comes into sight: there may be hundreds. */
  show() {
    this.box.hidden = false;
    this.box.ariaLabel = `Words of ${this.card.name} over time: arrows choose a word, Enter plays from it`;
    this.box.ariaValueMax = this.card.seconds;
    this.choose(0);
    new ResizeObserver(() => this.draw()).observe(this.box);
    new IntersectionObserver(async ([{ isIntersecting }], observer) => {
      if (!isIntersecting) return;
      observer.disconnect();
      try {
        this.peaks = peaks(await decoded(this.card.blob, 8000), 8000);
        this.draw();
      } catch {
        // Words without a wave form: the server reads what this browser does not.
      }
    }).observe(this.box);
  }

  choose(number) {
    const { words } = this.card;
    this.word = Math.max(0, Math.min(words.length - 1, number));
    const at = words[this.word]?.start ?? 0;
    this.box.ariaValueNow = at;
    this.box.ariaValueText = words.length ? `${words[this.word].word}, ${at.toFixed(1)} seconds` : "no words";
    const x = at * this.scale();
    if (x < this.box.scrollLeft || x > this.box.scrollLeft + this.box.clientWidth * 0.9) this.box.scrollLeft = x - 40;
    this.draw();
  }

  scale() {
    return Math.max(this.box.clientWidth / Math.max(this.card.seconds, 0.1), SCALE);
  }

  clicked(event) {
    const time = (event.clientX - this.box.getBoundingClientRect().left + this.box.scrollLeft) / this.scale();
    const number = this.card.words.findIndex(({ start, end }) => start <= time && time < end);
    if (number >= 0) this.choose(number);
    this.card.play(number >= 0 ? this.card.words[number].start : time);
  }

  pressed(event) {
    const { words } = this.card;
    const steps = { ArrowRight: this.word + 1, ArrowLeft: this.word - 1, Home: 0, End: words.length - 1 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) this.choose(steps[event.key]);
    else if (event.key === "Enter") this.card.play(words[this.word]?.start ?? 0);
    else if (event.key === " ") this.card.find(".play").click();
    else return;
    event.preventDefault();
  }

  /** What is in sight; the canvas stays while the box scrolls under it. */
  draw() {
    const { clientWidth: width, clientHeight: height, scrollLeft: left } = this.box;
    if (!width) return;
    const { words, seconds } = this.card;
    const scale = this.scale();
    this.box.lastElementChild.style.width = `${Math.max(width, seconds * scale)}px`;
    const style = getComputedStyle(this.box);
    const colour = (name) => style.getPropertyValue(`--${name}`);
    const density = window.devicePixelRatio;
    Object.assign(this.canvas, { width: width * density, height: height * density });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    const context = this.canvas.getContext("2d");
    context.scale(density, density);
    context.font = `13px ${style.fontFamily}`;
    if (this.scaled !== scale) {
      this.rows = rows(words, (word) => context.measureText(word).width / scale, 6 / scale);
      this.scaled = scale;
    }
    const now = this.card.position();
    const bottom = height - 6 - LABELS * (1 + Math.max(0, ...this.rows));
    const visible = [...words.keys()].filter(
      (n) => words[n].start * scale < left + width && words[n].end * scale > left - 200,
    );
    for (const number of visible) {
      const { start, end, word } = words[number];
      const [x, spoken] = [start * scale - left, start <= now && now < end];
      context.fillStyle = colour(spoken ? "now" : "word");
      context.beginPath();
      context.roundRect(x, 2, Math.max(2, (end - start) * scale), bottom - 4, 6);
      context.fill();
      context.strokeStyle = colour("accent");
      context.lineWidth = 2;
      if (number === this.word && this.box.matches(":focus-visible")) context.stroke();
      context.fillStyle = colour(spoken ? "accent" : "ink");
      if (this.rows[number] >= 0) context.fillText(word, x, bottom + 16 + LABELS * this.rows[number]);
    }
    const middle = bottom / 2;
    for (let x = 0; this.peaks && x < width; x += BAR) {
      const [from, to] = [x + left, x + BAR + left].map((place) => Math.floor((place / scale) * BUCKETS));
      const peak = Math.max(0, ...this.peaks.subarray(from, Math.max(to, from + 1))) * (middle - 8);
      context.fillStyle = colour((x + left) / scale < now ? "accent" : "wave");
      context.fillRect(x, middle - peak - 0.5, BAR - 1, 2 * peak + 1);
    }
    context.fillStyle = colour("accent");
    if (now >= 0) context.fillRect(now * scale - left - 1, 0, 2, bottom);
  }

  /** What is played, word by word. */
  follow() {
    const now = this.card.position();
    const number = this.card.words.findIndex(({ start, end }) => start <= now && now < end);
    if (number !== this.spoken) this.mark(number);
    const x = now * this.scale();
    const { scrollLeft: left, clientWidth: width } = this.box;
    if (now >= 0 && (x < left || x > left + width)) this.box.scrollLeft = x - 40;
    this.draw();
    cancelAnimationFrame(this.frame);
    if (this.card.plays()) this.frame = requestAnimationFrame(() => this.follow());
  }

  /** Shows which word of the text is played. */
  mark(number) {
    this.spoken = number;
    const text = this.card.find(".text");
    text.querySelector(".now")?.classList.remove("now");
    const span = text.querySelector(`[data-word="${number}"]`);
    if (!span) return;
    span.classList.add("now");
    const hidden =
      span.offsetTop < text.scrollTop || span.offsetTop + span.offsetHeight > text.scrollTop + text.clientHeight;
    if (hidden) text.scrollTop = span.offsetTop - text.clientHeight / 2;
  }
}

/** In which of two rows each word's label has room, in seconds; −1: in none. */
function rows(words, length, gap) {
  const free = [-Infinity, -Infinity];
  return words.map(({ start, word }) => {
    const row = free.findIndex((end) => end + gap <= start);
    if (row >= 0) free[row] = start + length(word);
    return row;
  });
}
