/* What is saved: text, subtitles, and all of them in an archive. */

import { packed } from "./audio.js";

export const FORMATS = {
  txt: { label: "Text", type: "text/plain", of: ({ text }) => `${text}\n` },
  srt: {
    label: "SRT",
    type: "application/x-subrip",
    of: ({ segments }) => segments.map((segment, n) => `${n + 1}\n${cue(segment, ",")}`).join("\n"),
  },
  vtt: {
    label: "VTT",
    type: "text/vtt",
    of: ({ segments }) => ["WEBVTT\n", ...segments.map((segment) => cue(segment, ".", escaped))].join("\n"),
  },
};

function cue({ start, end, text }, mark, change = (text) => text) {
  const time = (seconds) => new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23).replace(".", mark);
  return `${time(start)} --> ${time(end)}\n${change(text)}\n`;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** name → ArrayBuffer, as a ZIP archive without compression (PKWARE, APPNOTE.TXT 6.3.9, sections 4.3.7, 4.3.12, 4.3.16). */
export function zip(files) {
  const [now, bodies, directory] = [new Date(), [], []];
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  let at = 0;
  for (const [name, data] of files) {
    const path = new TextEncoder().encode(name);
    const sizes = [
      [4, crc32(new Uint8Array(data))],
      [4, data.byteLength],
      [4, data.byteLength],
      [2, path.length],
      [2, 0],
    ];
    const common = [[2, 20], [2, 0x800], [2, 0], [2, time], [2, date], ...sizes]; // version, names in UTF-8, stored
    bodies.push(packed([4, "PK\x03\x04"], ...common), path, data);
    directory.push(packed([4, "PK\x01\x02"], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]), path);
    at += 30 + path.length + data.byteLength;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = packed([4, "PK\x05\x06"], [4, 0], [2, files.size], [2, files.size], [4, size], [4, at], [2, 0]);
  return new Blob([...bodies, ...directory, end], { type: "application/zip" });
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
