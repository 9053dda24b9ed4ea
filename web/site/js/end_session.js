// Logout requests (OpenID Connect RP-Initiated Logout 1.0 §2–3). Pure: parameters, hint and the client's record in, decision out.

import { wayTo } from "./redirect.js";

/** @typedef {import("./record.js").Client} Client */
/** @typedef {import("./request.js").RequestParameters} RequestParameters */
/** @typedef {{ aud: string }} Hint a verified `id_token_hint` */
/**
 * `problem` is told and no address is gone to; otherwise the browser goes to `target`, if there is one. Without proof that the request
 * comes from an app that the person is signed in to, the person is asked.
 * @typedef {{ mustAsk: boolean, target: string | undefined, problem: "hint" | "client" | "address" | undefined }} Logout
 */

/**
 * The client that a logout request speaks for; undefined if it names none, or two.
 * @param {RequestParameters} parameters
 * @param {Hint | "bad" | undefined} hint
 */
export function logoutClient({ values }, hint) {
  const clientId = values.get("client_id");
  if (hint === undefined || hint === "bad") return clientId;
  return clientId === undefined || clientId === hint.aud ? hint.aud : undefined;
}

/**
 * @param {RequestParameters} parameters
 * @param {Hint | "bad" | undefined} hint
 * @param {Client | undefined} client the record of {@link logoutClient}, proved; undefined if there is none
 * @returns {Logout}
 */
export function judgeLogout(parameters, hint, client) {
  const problem = problemOf(parameters, hint, client);
  const target = problem === undefined ? parameters.values.get("post_logout_redirect_uri") : undefined;
  return { mustAsk: problem !== undefined || hint === undefined, target, problem };
}

/**
 * @param {RequestParameters} parameters
 * @param {Hint | "bad" | undefined} hint
 * @param {Client | undefined} client
 */
function problemOf(parameters, hint, client) {
  const { values, twice } = parameters;
  const target = values.get("post_logout_redirect_uri");
  if (hint === "bad") return "hint";
  const isNamed = hint !== undefined || values.has("client_id");
  if (isNamed && (client === undefined || client.suspended)) return "client";
  if (twice.size > 0) return "address";
  if (target === undefined) return undefined;
  const isRegistered = client !== undefined && client.postLogoutRedirectUris.includes(target);
  return isRegistered && wayTo(target) !== undefined ? undefined : "address";
}
