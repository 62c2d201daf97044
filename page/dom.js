// Small helpers for elements, words and numbers. Text goes in as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties set and children appended; a string child becomes a text node. */
export function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

export const button = (text, onclick, className = "") =>
  el("button", { type: "button", onclick, className }, text);

/** A button that asks once more, in its own place: no dialog, and a stray click does nothing. */
export function twice(text, question, action, className = "") {
  let timer = 0;
  const calm = () => {
    clearTimeout(timer);
    timer = 0;
    made.textContent = text;
    made.classList.remove("sure");
  };
  const made = button(text, () => {
    if (timer) {
      calm();
      action();
      return;
    }
    made.textContent = question;
    made.classList.add("sure");
    say(question);
    timer = setTimeout(calm, 5000);
  }, className);
  made.onblur = calm;
  return made;
}

/** Reads *text* to a screen reader without moving the focus. */
export const say = (text) => ($("live").textContent = text);

export const show = (visible, ...ids) => ids.forEach((id) => ($(id).hidden = !visible));

/** A message under the header that stays until it is closed. */
export function note(kind, text, ...buttons) {
  const line = el("div", { className: "note " + kind }, el("span", {}, text), ...buttons);
  line.append(button("Close", () => line.remove(), "small"));
  $("notes").replaceChildren(line);
}

/** Runs *action* and shows what went wrong, if anything did. */
export async function attempt(action) {
  try {
    return await action();
  } catch (e) {
    note("bad", e.message);
  }
}

export function bytes(n) {
  if (n < 1000) return n + " B";
  return n < 1e6 ? (n / 1024).toFixed(n < 1e5 ? 1 : 0) + " KB" : (n / 1048576).toFixed(2) + " MB";
}

export function duration(s) {
  s = Math.round(s);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
}

export const count = (n, word) => n + " " + word + (n === 1 ? "" : "s");

export const sleep = (ms, signal) =>
  new Promise((done) => {
    setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
