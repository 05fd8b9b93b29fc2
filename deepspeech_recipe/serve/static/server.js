/* What every part of the page needs: elements, times, the server's addresses and its model. */

export const $ = (id) => document.getElementById(id);
export const address = (path) => new URL(path, document.baseURI);

export let model = { id: "", language: null, sample_rate: 16000, processor: "" };

/** What the server says of its model. */
export function about(known) {
  model = known;
  const { id, language, sample_rate: rate, processor } = model;
  const named = language && new Intl.DisplayNames(["en"], { type: "language" }).of(language);
  $("model").textContent = [id, named, rate && `${rate / 1000} kHz`, processor].filter(Boolean).join(" · ");
}

/** Asks the server for its model; false if it does not answer, or not yet. */
export async function meet() {
  try {
    const answer = await fetch(address("v1/models"));
    if (answer.status === 401) location.reload(); // to sign in
    const { data, error } = await answer.json();
    $("problem").textContent = error?.message ?? ""; // that it loads the model
    if (data) about(data[0]);
    return Boolean(data);
  } catch {
    $("problem").textContent = "The server does not answer. Is it running?";
    return false;
  }
}

export function element(name, text, style = "", data = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = style;
  Object.assign(made.dataset, data);
  return made;
}

/** 61.5 → "1:01" */
export function clock(seconds) {
  const [hours, minutes, rest] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(rest)}`;
}
