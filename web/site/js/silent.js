// Whether a session key may answer instead of a tap. The custodians decide; the page only avoids to ask for what they refuse.

import { ACR_PASSKEY, ACR_SESSION } from "./request.js";

/** @typedef {import("./record.js").Client} Client */
/** @typedef {import("./request.js").Request} Request */

/** Longest life of a session key after its tap, seconds. */
export const SESSION_LIFETIME_S = 8 * 3600;
/** A session is left alone this long before its age would be too much, so that the client's redemption does not come too late. */
const MARGIN_S = 30;

/**
 * Why the person must tap, as the error that `prompt=none` gets for it; undefined if the session may answer.
 * @param {Request} request
 * @param {Client} client
 * @param {{ authTimeS: number } | undefined} session
 * @param {number} nowS
 * @returns {"interaction_required" | "login_required" | undefined}
 */
export function whyTap({ asked, prompt }, client, session, nowS) {
  if (!client.silent) return "interaction_required";
  if (["login", "consent", "select_account"].some((value) => prompt.has(value))) return "login_required";
  if (session === undefined || !demandsNoPasskey(asked.acr)) return "login_required";
  const age = Math.max(0, nowS - session.authTimeS);
  const most = Math.min(SESSION_LIFETIME_S, asked.maxAge ?? SESSION_LIFETIME_S) - MARGIN_S;
  return age <= most ? undefined : "login_required";
}

/**
 * A session is enough where nothing is asked for, or where it is preferred to a passkey.
 * @param {readonly string[]} acr in order of preference
 */
function demandsNoPasskey(acr) {
  const session = acr.indexOf(ACR_SESSION);
  const passkey = acr.indexOf(ACR_PASSKEY);
  return acr.length === 0 || (session >= 0 && (passkey < 0 || session < passkey));
}
