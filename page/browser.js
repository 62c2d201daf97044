// The files on the device: look, download, rename, delete, make folders.

import { call, url } from "./api.js";
import { $, attempt, button, bytes, el, say, twice } from "./dom.js";
import { isGuarded, list } from "./plan.js";

let folder = "/";

/** Shows *path*, a folder that ends in "/", or the present one again. */
export const open = (path = folder) =>
  attempt(async () => {
    const files = (await list(path)).filter((f) => path + f.name !== "/.ota");
    files.sort((a, b) => b.directory - a.directory || (a.name < b.name ? -1 : 1));
    folder = path;
    paintCrumbs();
    $("entries").replaceChildren(...files.map(line));
    if (!files.length) $("entries").append(el("li", { className: "muted" }, "Nothing here yet."));
  });

function paintCrumbs() {
  const names = folder.split("/").slice(1, -1);
  const step = (text, path) => button(text, () => open(path), "small");
  const crumbs = names.flatMap((name, i) => ["/", step(name, "/" + names.slice(0, i + 1).join("/") + "/")]);
  $("crumbs").replaceChildren(step("Flash", "/"), ...crumbs);
  $("crumbs").lastChild.ariaCurrent = "location";
}

// Does something to the device, shows the folder anew and says what was done.
const change = (words, action) =>
  attempt(async () => {
    await action();
    await open();
    $("files-title").focus();
    say(words);
  });

function line({ name, directory, file_size }) {
  const path = folder + name;
  const named = (made, verb) => {
    made.ariaLabel = verb + " " + name;
    return made;
  };
  const row = el("li", {}, directory
    ? button(name + "/", () => open(path + "/"), "name mono")
    : el("span", { className: "name mono" }, name));
  if (!directory) row.append(el("span", { className: "size" }, bytes(file_size)));
  if (!directory) row.append(named(button("Download", () => download(path, name), "small"), "Download"));
  if (isGuarded(path)) {
    row.append(el("span", { className: "chip", title: "Belongs to the updater" }, "updater"));
  } else {
    const headers = directory ? { "X-OTA-Recursive": "yes" } : {};
    row.append(
      named(button("Rename", () => rename(row, path, name), "small"), "Rename"),
      twice("Delete", directory ? "Delete with all in it?" : "Really delete?",
        () => change("Deleted " + name, () => call("DELETE", url("/fs", path), { headers })), "small"),
    );
    named(row.lastChild, "Delete");
  }
  return row;
}

const download = (path, name) =>
  attempt(async () => {
    // Through a blob, not a link: a link could not carry the page's own credentials.
    const href = URL.createObjectURL(await call("GET", url("/fs", path), { blob: true, timeout: 120000 }));
    el("a", { href, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60000);
  });

function rename(row, path, name) {
  const input = el("input", { className: "name mono", value: name, ariaLabel: "New name of " + name, spellcheck: false });
  const save = () => change("Renamed to " + input.value, () =>
    call("MOVE", url("/fs", path), { headers: { "X-Destination": url("/fs", folder + input.value) }, tries: 0 }));
  const back = row.cloneNode(false);
  back.append(input, button("Save", save, "main"), button("Cancel", () => back.replaceWith(row)));
  input.onkeydown = (event) => {
    if (event.key === "Enter") save();
    if (event.key === "Escape") back.replaceWith(row);
  };
  row.replaceWith(back);
  input.focus();
}

/** *upload* is called with a folder that the person wants to send files to. */
export function startBrowser(upload) {
  $("new-folder").onsubmit = (event) => {
    event.preventDefault();
    const name = $("folder-name").value;
    $("folder-name").value = "";
    change("Made " + name, () => call("PUT", url("/fs", folder + name + "/")));
  };
  $("here").onclick = () => upload(folder);
  open();
}
