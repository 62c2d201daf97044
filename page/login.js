// The page's own question for a password. A browser that already sends one is never asked.

import { call, hooks } from "./api.js";
import { masked, useCredentials } from "./digest.js";
import { duration, note, show, ui } from "./dom.js";
import { attempt, device } from "./status.js";

/**
 * Shows the form until it is sent, with the device's *refusal*, if any, and closed for *wait* seconds. Requests queue,
 * so one asks at a time.
 */
hooks.login = (refusal, wait) =>
  new Promise((done) => {
    const before = document.activeElement;
    const shown = !ui.main.hidden;
    show(false, ui.main);
    show(true, ui.login);
    show(refusal || wait, ui.refusal);
    const count = (s) => {
      ui.enter.disabled = s > 0;
      ui.refusal.textContent = s > 0 ? `Too many wrong passwords. Wait ${duration(s)}.` : wait ? "Try again now." : refusal;
      if (s > 0) setTimeout(count, 1000, s - 1);
    };
    count(wait);
    ui.link.textContent = "Locked";
    ui.link.className = "chip warn";
    ui.password.value = "";
    ui.password.focus();
    ui.login.onsubmit = async (event) => {
      event.preventDefault();
      await useCredentials(ui.user.value, ui.password.value, ui.keep.checked);
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
    // This form shows while the default password is in use.
    await call("PUT", "/api/v1/password", { json: await masked(device.user, "otapico", password) });
    await useCredentials(device.user, password, ui.keep.checked);
    show(false, ui.secret);
    note("good", "The new password is set.");
  });
};
