// The page's own question for a password. A browser that already sends one is never asked.

import { call, hooks, useCredentials } from "./api.js";
import { note, show, ui } from "./dom.js";
import { attempt } from "./status.js";

/** Shows the form with the device's *refusal*, if any, until it is sent. Requests queue, so one asks at a time. */
hooks.login = (refusal) =>
  new Promise((done) => {
    const before = document.activeElement;
    const shown = !ui.main.hidden;
    show(false, ui.main);
    show(true, ui.login);
    show(refusal, ui.refusal);
    ui.refusal.textContent = refusal;
    ui.link.textContent = "Locked";
    ui.link.className = "chip warn";
    ui.password.value = "";
    ui.password.focus();
    ui.login.onsubmit = (event) => {
      event.preventDefault();
      useCredentials(ui.user.value, ui.password.value, ui.keep.checked);
      show(false, ui.login);
      show(shown, ui.main);
      before?.focus();
      done();
    };
  });

ui.secret.onsubmit = (event) => {
  event.preventDefault();
  const password = ui.fresh.value;
  attempt(async () => {
    await call("PUT", "/api/v1/password", { json: { password } });
    useCredentials(ui.user.value, password, ui.keep.checked);
    show(false, ui.secret);
    note("good", "The new password is set.");
  });
};
