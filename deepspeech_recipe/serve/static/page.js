/* The page: speak and read along, or drop recordings. What the server and it say to each other: docs/serve.md. */

import { saveAll } from "./card.js";
import { press, stop } from "./live.js";
import { dropped, take } from "./recordings.js";
import { $, meet } from "./server.js";

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
while (!(await meet())) await new Promise((resolve) => setTimeout(resolve, 1000));
