// What is never sent and what is never deleted: one list for the page and for the command line
// (src/pico_ota/never.py), which explains itself in the file.

import { junk, settings, updater } from "../src/pico_ota/never.json";

// One expression of all *patterns*, for a path without the slash in front. What is in a folder
// that matches, matches.
const matcher = (patterns) => new RegExp(patterns.map((text) => {
  const names = text.replace(/^\//, "").replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
  return (text[0] === "/" ? "^" : "(^|/)") + names + "(/|$)";
}).join("|"), "u");

const [JUNK, UPDATER, SETTINGS] = [junk, updater, settings].map(matcher);

/** True for what stays at home; *rel* is a path below the folder that is sent. */
export const isJunk = (rel) => JUNK.test(rel);

/** True for a device path that the updater itself needs. */
export const isUpdater = (path) => UPDATER.test(path.slice(1));

/** True for a device path that can keep the board from starting: a program, or anything in "/". */
export const isVital = (path) => /\.m?py$|^\/[^/]*$/.test(path);

/** True for a device path that is deleted only by name: the updater's, and the settings of this board. */
export const isSpared = (path) => isUpdater(path) || SETTINGS.test(path.slice(1));
