// What the account page needs of the tap that opened it, for as long as its tab is open: `K_subject`, which finds and opens the
// person's own entries, and which passkey it was. Both pages are of one origin; nothing of it goes over the network.

import { fromBase64url, toBase64url } from "./base64.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ kSubject: Bytes, credentialId: Bytes }} Visit */

/** The client that the account page is. */
export const ACCOUNT_CLIENT = "quorate-account";
const KEY = "quorate.visit";

export function accountUri() {
  return `${location.origin}/account`;
}

/** @param {Visit} visit */
export function keepVisit({ kSubject, credentialId }) {
  sessionStorage.setItem(KEY, JSON.stringify([toBase64url(kSubject), toBase64url(credentialId)]));
}

/** @returns {Visit | undefined} */
export function keptVisit() {
  try {
    const [kSubject, credentialId] = JSON.parse(sessionStorage.getItem(KEY) ?? "");
    return { kSubject: fromBase64url(kSubject), credentialId: fromBase64url(credentialId) };
  } catch {
    return undefined;
  }
}

export function forgetVisit() {
  sessionStorage.removeItem(KEY);
}
