// The end-session endpoint. What this page can end is what it began: the session key in this browser.

import { button, element, trouble } from "./dom.js";
import { judgeLogout, logoutClient } from "./end_session.js";
import { GatewayError } from "./gateway.js";
import { loadIssuer, loadKeys } from "./issuer.js";
import { readHint } from "./jws.js";
import { begin } from "./page.js";
import { placeOf, wayTo, withParameters } from "./redirect.js";
import { checkClient, clientKey } from "./registry.js";
import { namedClient, readParameters } from "./request.js";
import { forgetSession } from "./session.js";
import { forgetVisit } from "./visit.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./record.js").Client} Client */
/** @typedef {import("./request.js").RequestParameters} RequestParameters */

void begin(async (page) => {
  const parameters = readParameters(new URLSearchParams(location.search));
  const hint = await hintOf(parameters);
  const clientId = logoutClient(parameters, hint);
  const client = clientId === undefined ? undefined : await clientOf(clientId);
  const { mustAsk, target, problem } = judgeLogout(parameters, hint, client);
  const leave = () => signOut(page, client, target, parameters.values.get("state"));
  if (!mustAsk) return leave();
  const { words } = page;
  page.show(
    words.logoutTitle,
    problem === undefined ? undefined : trouble(words.logoutBad[problem], words.logoutBadAfter),
    element("p", {}, client === undefined || problem !== undefined ? words.logoutAsk : words.logoutAskApp(client.name)),
    element(
      "div",
      { class: "actions" },
      button(words.logoutButton, () => void leave().catch((error) => page.fail(error))),
      button(words.logoutStay, () => page.show(words.stayedTitle), "secondary"),
    ),
  );
});

/** @param {RequestParameters} parameters */
async function hintOf({ values }) {
  const hint = values.get("id_token_hint");
  if (hint === undefined) return undefined;
  const keys = await loadKeys();
  return readHint(hint, keys, location.origin).catch(() => /** @type {const} */ ("bad"));
}

/**
 * The client's record, proved; undefined if there is none of this name.
 * @param {string} clientId
 * @returns {Promise<Client | undefined>}
 */
async function clientOf(clientId) {
  if ("reason" in namedClient({ values: new Map([["client_id", clientId]]), twice: new Set() })) return undefined;
  const { issuer, gateway, policy } = await loadIssuer();
  try {
    return (await checkClient(policy, issuer, clientId, await gateway.record(clientKey(clientId)))).client;
  } catch (error) {
    if (error instanceof GatewayError && error.status === 404) return undefined;
    throw error;
  }
}

/**
 * @param {Page} page
 * @param {Client | undefined} client
 * @param {string | undefined} target registered
 * @param {string | undefined} state
 */
async function signOut(page, client, target, state) {
  const { words } = page;
  await forgetSession();
  forgetVisit();
  if (target === undefined) return page.show(words.loggedOutTitle, element("p", {}, words.loggedOutLead));
  const address = withParameters(target, state === undefined ? [] : [["state", state]]);
  if (wayTo(target) === "web") {
    page.wait(words.logoutGoing(placeOf(target)));
    return location.replace(address);
  }
  const link = element(
    "a",
    { href: address, class: "button primary", rel: "noreferrer" },
    words.backToApp(client?.name ?? ""),
  );
  page.show(words.loggedOutTitle, element("p", {}, words.loggedOutLead), element("p", {}, link));
}
