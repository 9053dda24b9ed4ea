// Authorization responses (RFC 6749 §4.1.2, RFC 9207, OAuth 2.0 Form Post Response Mode): the answer goes to the registered redirect
// URI and nowhere else, with `state` and `iss` in every one of them.

import { element } from "./dom.js";
import { placeOf, wayTo, withParameters } from "./redirect.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./redirect.js").Parameters} Parameters */
/** @typedef {import("./request.js").ReturnAddress} ReturnAddress */

/**
 * Sends the browser back to the client.
 * @param {Page} page
 * @param {string} clientName
 * @param {ReturnAddress} returnTo as judged: its URI is registered and may be navigated to
 * @param {Parameters} outcome code, or error and description
 */
export function answer(page, clientName, { redirectUri, mode, state }, outcome) {
  /** @type {Parameters} */
  const parameters = [...outcome];
  if (state !== undefined) parameters.push(["state", state]);
  parameters.push(["iss", location.origin]);
  const way = wayTo(redirectUri);
  if (way === undefined) throw new Error("only a judged address is answered");
  if (way === "app") {
    offer(
      page,
      clientName,
      withParameters(redirectUri, parameters),
      outcome.some(([name]) => name === "code"),
    );
    return;
  }
  page.wait(
    outcome.some(([name]) => name === "code") ? page.words.goingBack(placeOf(redirectUri)) : page.words.loading,
  );
  if (mode === "form_post") post(redirectUri, parameters);
  else location.replace(withParameters(redirectUri, parameters));
}

/**
 * Apps are opened by the person: a script that opens them could be made to open another one.
 * @param {Page} page
 * @param {string} clientName
 * @param {string} target
 * @param {boolean} isSuccess
 */
function offer(page, clientName, target, isSuccess) {
  const { words } = page;
  page.show(
    isSuccess ? words.backTitle : words.errorBackTitle,
    element("p", {}, isSuccess ? words.backToAppLead : words.errorBackLead(clientName)),
    element(
      "p",
      {},
      element("a", { href: target, class: "button primary", rel: "noreferrer" }, words.backToApp(clientName)),
    ),
  );
}

/**
 * @param {string} target
 * @param {Parameters} parameters
 */
function post(target, parameters) {
  const inputs = parameters.map(([name, value]) => element("input", { type: "hidden", name, value }));
  const form = element("form", { method: "post", action: target, hidden: true }, ...inputs);
  document.body.append(form);
  form.submit();
}
