// The demonstration's relying party: who signed in, and the proof that the tokens stood in the log, checked here and not by any server.

import { element } from "./js/dom.js";
import { Gateway } from "./js/gateway.js";
import { gatewayUrl } from "./js/issuer.js";
import { members, textOf } from "./js/json.js";
import { loggedToken } from "./js/logged_token.js";
import { readPolicy } from "./js/policy.js";

const main = /** @type {HTMLElement} */ (document.querySelector("main"));

await show();
main.removeAttribute("aria-busy");

async function show() {
  const session = members(await (await fetch("/session")).json());
  if (session.id_token === undefined) {
    main.replaceChildren(...signedOut());
    return;
  }
  const outcome = element("section", { "aria-live": "polite" }, element("p", {}, "Checking the log …"));
  main.replaceChildren(
    element("h1", {}, "Signed in"),
    claimsTable(textOf(session.id_token)),
    outcome,
    element("p", {}, element("a", { class: "action quiet", href: "/logout" }, "Sign out")),
  );
  outcome.replaceChildren(...(await proof(session)));
}

function signedOut() {
  const error = new URLSearchParams(location.search).get("error");
  return [
    element("h1", {}, "A relying party of the demonstration"),
    element(
      "p",
      {},
      "It uses a stock OpenID Connect library and knows nothing of custodians. Sign in with the passkey that you enrolled; then this page shows your claims and checks, in your own browser, that your tokens stood in the public log before anybody could sign them.",
    ),
    ...(error === null ? [] : [element("p", { role: "alert", class: "bad" }, `That did not work: ${error}.`)]),
    element("p", {}, element("a", { class: "action", href: "/login" }, "Sign in")),
  ];
}

/** @param {string} idToken */
function claimsTable(idToken) {
  const payload = (idToken.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
  const claims = members(JSON.parse(new TextDecoder().decode(bytes)));
  const rows = Object.entries(claims).map(([name, value]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", {}, typeof value === "string" ? value : JSON.stringify(value)),
    ),
  );
  return element("table", {}, element("caption", {}, "Claims of the ID token"), element("tbody", {}, ...rows));
}

/** @param {Record<string, unknown>} session */
async function proof(session) {
  try {
    const issuer = await load(textOf(session.issuer));
    const access = await loggedToken(textOf(session.access_token), "at+jwt", issuer);
    const id = await loggedToken(textOf(session.id_token), "JWT", issuer);
    const time = new Date(id.timeMs).toLocaleString();
    return [
      element("h2", {}, "In the log"),
      element(
        "p",
        { class: "good", id: "proof" },
        `Verified in this browser: the access token is leaf ${access.index} and the ID token leaf ${id.index} of ${id.origin}, recorded ${time}, under a checkpoint of ${id.size} leaves that the custodians signed together.`,
      ),
    ];
  } catch (error) {
    return [
      element("h2", {}, "Not proven"),
      element("p", { class: "bad", id: "proof", role: "alert" }, `The log does not vouch for these tokens: ${error}`),
    ];
  }
}

/**
 * What the issuer's site says; everything else is checked against it.
 * @param {string} issuer
 */
async function load(issuer) {
  const [discovery, jwks, policy] = await Promise.all([
    fetch(`${issuer}/.well-known/openid-configuration`).then((response) => response.json()),
    fetch(`${issuer}/jwks.json`).then((response) => response.json()),
    fetch(`${issuer}/.well-known/quorate/tlog-policy`).then((response) => response.text()),
  ]);
  const gateway = new Gateway(gatewayUrl(textOf(members(discovery).token_endpoint)));
  return { issuer, jwks, gateway, policy: await readPolicy(policy) };
}
