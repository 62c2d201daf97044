// Small helpers for elements, words and numbers. Text goes in as text, never as markup.

/** The elements of the page by their id. */
export const ui = new Proxy({}, { get: (_, id) => document.getElementById(id) });

/** An element with properties and children; strings become text nodes, false ones nothing. */
export function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter(Boolean));
  return node;
}

export const button = (text, onclick, className = "") =>
  el("button", { type: "button", onclick, className }, text);

/**
 * A button that asks once more in its own place: no dialog, and a stray click does nothing.
 * *about* is what it does that to, for a screen reader.
 */
export function twice(text, question, action, className, about) {
  let timer = 0;
  const ask = (again) => {
    clearTimeout(timer);
    timer = again && setTimeout(ask, 5000);
    made.textContent = again ? question : text;
    made.classList.toggle("sure", again);
    if (about) made.ariaLabel = made.textContent + " " + about;
  };
  const made = button(text, ({ detail }) => {
    if (detail > 1) return; // the second half of a double click has not read the question
    const sure = timer;
    ask(!sure);
    if (sure) action();
    else say(question);
  }, className);
  made.onblur = () => ask(false);
  ask(false);
  return made;
}

/** Reads *text* to a screen reader without moving the focus. */
export const say = (text) => (ui.live.textContent = text);

export const show = (visible, ...nodes) => nodes.forEach((node) => (node.hidden = !visible));

/** Fills *node* with what *make* returns, unless *key* is what it was filled for already. */
export function renew(node, key, make) {
  if (node.made === key) return;
  node.made = key;
  node.replaceChildren(...make().filter(Boolean));
}

const MOST = 100000; // characters: two or three thousand lines

/** Adds *text* to a box that scrolls; who looks at its end goes on to do so. */
export function append(box, text) {
  if (!text) return;
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  box.append(text);
  if (box.textContent.length > MOST) box.textContent = box.textContent.slice(-MOST * 0.8);
  if (atEnd) box.scrollTop = box.scrollHeight;
}

/** A coloured line of text and buttons. */
export const line = (kind, text, ...buttons) => el("div", { className: "note " + kind }, el("span", {}, text), ...buttons);

/** Shows a message that stays until it is closed. */
export const note = (kind, text, ...buttons) =>
  renew(ui.notes, text, () => [line(kind, text, ...buttons, button("Close", () => renew(ui.notes, "", Array), "small"))]);

// A number and its unit stay on one line.
const unit = (n, word) => n + "\u00a0" + word;

export function bytes(n) {
  if (n < 1000) return unit(n, "B");
  return n < 1e6 ? unit((n / 1024).toFixed(n < 1e5), "KB") : unit((n / 1048576).toFixed(2), "MB");
}

const split = (s, whole, big, parts, small) => unit(Math.floor(s / whole), big) + " " + unit(Math.floor((s % whole) / (whole / parts)), small);

export function duration(s) {
  s = Math.round(s);
  if (s < 60) return unit(s, "s");
  if (s < 3600) return split(s, 60, "min", 60, "s");
  return s < 86400 ? split(s, 3600, "h", 60, "min") : split(s, 86400, "d", 24, "h");
}

export const count = (n, word) => n + " " + word + (n === 1 ? "" : "s");

/** Sleeps; an abort of *signal* ends it early. */
export const sleep = (ms, signal) =>
  new Promise((done) => {
    setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
