/* The page: speak and read along, or drop recordings. What the server and it say to each other: docs/serve.md. */

import { saveAll } from "./card.js";
import { press, stop } from "./live.js";
import { dropped, take } from "./recordings.js";
import { $, about, address } from "./server.js";

$("microphone").addEventListener("click", press);
addEventListener("keydown", ({ key }) => key === "Escape" && stop());

for (const kind of ["files", "folder"]) {
  $(`choose-${kind}`).addEventListener("click", () => $(kind).click());
  $(kind).addEventListener("change", ({ target }) => {
    take(Array.from(target.files, (file) => ({ file, path: file.webkitRelativePath || file.name })));
    target.value = ""; // the same again is a change too
  });
}
$("save-all").addEventListener("click", saveAll);

const carriesFiles = ({ dataTransfer }) => dataTransfer.types.includes("Files");
const dragging = (is) => document.body.classList.toggle("dragging", is);
addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dragging(true);
});
addEventListener("dragleave", ({ relatedTarget }) => relatedTarget ?? dragging(false));
addEventListener("drop", async (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dragging(false);
  take(await dropped(event.dataTransfer.items));
});

$("host").textContent = location.host;
for (let waits = false; ; waits = true) {
  if (waits) await new Promise((resolve) => setTimeout(resolve, 1000));
  try {
    const answer = await fetch(address("v1/models"));
    if (answer.status === 401) location.reload(); // to sign in
    const { data, error } = await answer.json();
    $("problem").textContent = error?.message ?? ""; // that it loads the model
    if (data) {
      about(data[0]);
      break;
    }
  } catch {
    $("problem").textContent = "The server does not answer. Is it running?";
  }
}
