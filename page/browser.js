// The files on the device: look, open, rename, delete, make folders.

import { address, call } from "./api.js";
import { button, bytes, el, say, twice, ui } from "./dom.js";
import { edit } from "./edit.js";
import { isUpdater } from "./never.js";
import { list } from "./plan.js";
import { attempt } from "./status.js";

let folder = "/";

/** Shows *path*, a folder that ends in "/", or the present one again. */
export const open = (path = folder) =>
  attempt(async () => {
    const files = await list(path);
    // Folders first, the updater's own last.
    const rank = ({ name, directory }) => 2 * isUpdater(path + name) - directory;
    files.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
    folder = path;
    const names = path.split("/").slice(1, -1);
    const step = (text, i) => button(text, () => open(["", ...names.slice(0, i), ""].join("/")), "small");
    ui.crumbs.replaceChildren(step("Flash", 0), ...names.flatMap((name, i) => ["/", step(name, i + 1)]));
    ui.entries.replaceChildren(...files.map(entry));
  });

// Changes something on the device, shows the folder anew and says what was done.
const change = (words, method, path, options) =>
  attempt(async () => {
    await call(method, address("/fs", path), { tries: 0, ...options });
    await open();
    ui.filesTitle.focus();
    say(words);
  });

function entry({ name, directory, file_size }) {
  const path = folder + name;
  const own = !isUpdater(path);
  const row = el("li", { className: own ? "" : "calm" },
    directory ? button(name + "/", () => open(path + "/"), "name mono") : button(name, () => attempt(() => edit(path, file_size)), "name mono file"),
    !directory && el("span", { className: "size" }, bytes(file_size)),
    !own && el("span", { className: "chip" }, "updater"),
    own && Object.assign(button("Rename", () => rename(row, path, name), "small"), { ariaLabel: "Rename " + name }),
    own && twice("Delete", directory ? "Delete with all in it?" : "Really delete?", () =>
      change("Deleted " + name, "DELETE", path, directory && { headers: { "X-OTA-Recursive": "yes" } }), "small", name),
  );
  return row;
}

function rename(row, path, name) {
  const input = el("input", { className: "name mono", value: name, ariaLabel: "New name of " + name });
  const save = () => change("Renamed to " + input.value, "MOVE", path, { headers: { "X-Destination": address("/fs", folder + input.value) } });
  const back = () => form.replaceWith(row);
  const form = el("li", {}, input, button("Save", save, "main"), button("Cancel", back));
  input.onkeydown = ({ key }) => {
    if (key === "Enter") save();
    if (key === "Escape") back();
  };
  row.replaceWith(form);
  input.focus();
}

/** *upload* is called with a folder that the person wants to send files to. */
export function startBrowser(upload) {
  ui.maker.onsubmit = (event) => {
    event.preventDefault();
    change("Made " + ui.folder.value, "PUT", folder + ui.folder.value + "/");
    ui.maker.reset();
  };
  ui.newFile.onclick = () => ui.maker.reportValidity() && attempt(() => edit(folder + ui.folder.value)).then(() => ui.maker.reset());
  ui.here.onclick = () => upload(folder);
  open();
}
