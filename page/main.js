// Puts the parts together.

import { hooks } from "./api.js";
import "./login.js";
import { connected, follow, online } from "./status.js";
import { aim, startUpload } from "./upload.js";
import { startConsole } from "./console.js";
import { startEditor } from "./edit.js";
import { ui } from "./dom.js";
import { downloadAll } from "./tar.js";
import { open, startBrowser } from "./browser.js";

hooks.waiting = (ms, failure) =>
  ms ? online(`${failure.status ? "Busy" : "Not answering"}: again in ${Math.ceil(ms / 1000)} s`, "warn") : connected();

hooks.changed = () => open();

startUpload();
follow();
startBrowser(aim);
startEditor();
startConsole();
ui.all.onclick = downloadAll;
