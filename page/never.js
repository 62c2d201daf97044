// What is never sent and what is never deleted: one list for the page and for the command line
// (src/pico_ota/never.py), which explains itself in the file.

import { junk, settings, updater } from "../src/pico_ota/never.json";

// One expression of all *patterns*, for a path without the slash in front. What is in a folder
// that matches, matches.
const matcher = (patterns) => new RegExp(patterns.map((text) => {
  const names = text.replace(/^\//, "").replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
  return (text[0] === "/" ? "^" : "(^|/)") + names + "(/|$)";
}).join("|"), "u");

const [UPDATER, SETTINGS] = [updater, settings].map(matcher);
const JUNK = Object.entries(junk).map(([why, patterns]) => [matcher(patterns), why]);

/** Why *rel*, a path below the folder that is sent, stays at home, as "name (reason)"; nothing when it does not. */
export function junkOf(rel) {
  for (const [pattern, why] of JUNK) {
    const found = pattern.exec(rel);
    if (found) return `${found[0].replaceAll("/", "")} (${why})`;
  }
}

/** True for a device path that the updater itself needs. */
export const isUpdater = (path) => UPDATER.test(path.slice(1));

/** True for a device path that can keep the board from starting: a program, or anything in "/". */
export const isVital = (path) => /\.m?py$|^\/[^/]*$/.test(path);

/** True for a device path that is deleted only by name: the updater's, and the settings of this board. */
export const isSpared = (path) => isUpdater(path) || SETTINGS.test(path.slice(1));
