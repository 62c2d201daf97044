// The page's own question for a password. A browser that already sends one is never asked.

import { hooks, useCredentials } from "./api.js";
import { $, show } from "./dom.js";

/** Shows the form with the device's *refusal*, if any, until it is sent. */
hooks.login = (refusal) =>
  new Promise((done) => {
    const before = document.activeElement;
    const hidden = $("main").hidden;
    show(false, "main");
    show(true, "login");
    $("refusal").textContent = refusal;
    $("link").textContent = "Locked";
    $("link").className = "pill warn";
    $("password").value = "";
    $("password").focus();
    $("login").onsubmit = (event) => {
      event.preventDefault();
      useCredentials($("user").value, $("password").value, $("keep").checked);
      show(false, "login");
      $("main").hidden = hidden;
      before?.focus();
      done();
    };
  });
