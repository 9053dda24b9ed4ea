// The account page as what it is to its own issuer: an ordinary public client with code, PKCE, state and nonce.

import { toBase64url } from "./base64.js";
import { random, utf8 } from "./bytes.js";
import { sha256 } from "./hash.js";
import { loadKeys } from "./issuer.js";
import { textOf } from "./json.js";
import { verifiedClaims } from "./jws.js";
import { ACCOUNT_CLIENT, accountUri } from "./visit.js";

/** @typedef {import("./gateway.js").Gateway} Gateway */
/** @typedef {{ state: string, nonce: string, verifier: string }} Begun */
/** @typedef {{ accessToken: string, idToken: string, expiresMs: number, tlx: string }} Tokens `tlx`: log and index of the ID token */

const BEGUN = "quorate.begun";
const TOKENS = "quorate.tokens";
const SCOPE = "openid profile email groups quorate:account";

/** The answer does not belong to a sign-in that this page began, or is not the issuer's. */
export class BadReturn extends Error {}

/** @param {string} language */
export async function beginSignIn(language) {
  /** @type {Begun} */
  const begun = { state: toBase64url(random(32)), nonce: toBase64url(random(32)), verifier: toBase64url(random(32)) };
  sessionStorage.setItem(BEGUN, JSON.stringify(begun));
  const request = new URLSearchParams({
    response_type: "code",
    client_id: ACCOUNT_CLIENT,
    redirect_uri: accountUri(),
    scope: SCOPE,
    state: begun.state,
    nonce: begun.nonce,
    code_challenge: toBase64url(await sha256(utf8(begun.verifier))),
    code_challenge_method: "S256",
    // Only a tap shows the page the key to the person's own entries.
    prompt: "login",
    ui_locales: language,
  });
  location.assign(`/authorize?${request}`);
}

/**
 * Redeems the code of a response that belongs to a request of this tab.
 * @param {Gateway} gateway
 * @param {URLSearchParams} response with `code`
 * @returns {Promise<Tokens>}
 */
export async function finishSignIn(gateway, response) {
  const begun = takeBegun();
  const one = (/** @type {string} */ name) => (response.getAll(name).length === 1 ? response.get(name) : null);
  const code = one("code");
  if (begun === undefined || code === null || one("state") !== begun.state || one("iss") !== location.origin) {
    throw new BadReturn("the response answers no request of this tab");
  }
  const answer = await gateway.token({
    grant_type: "authorization_code",
    client_id: ACCOUNT_CLIENT,
    redirect_uri: accountUri(),
    code,
    code_verifier: begun.verifier,
  });
  const idToken = textOf(answer.id_token);
  const { iss, aud, nonce, tlx } = await verifiedClaims(idToken, await loadKeys(), "JWT");
  if (iss !== location.origin || aud !== ACCOUNT_CLIENT || nonce !== begun.nonce)
    throw new BadReturn("another ID token");
  const expiresMs = Date.now() + Number(answer.expires_in ?? 0) * 1000;
  const tokens = { accessToken: textOf(answer.access_token), idToken, expiresMs, tlx: textOf(tlx) };
  sessionStorage.setItem(TOKENS, JSON.stringify(tokens));
  return tokens;
}

/** A request is answered once. @returns {Begun | undefined} */
function takeBegun() {
  const begun = sessionStorage.getItem(BEGUN);
  sessionStorage.removeItem(BEGUN);
  return begun === null ? undefined : JSON.parse(begun);
}

/** Tokens that this tab still holds. @returns {Tokens | undefined} */
export function keptTokens() {
  /** @type {Tokens | undefined} */
  const tokens = JSON.parse(sessionStorage.getItem(TOKENS) ?? "null") ?? undefined;
  return tokens !== undefined && tokens.expiresMs > Date.now() ? tokens : undefined;
}

export function forgetTokens() {
  sessionStorage.removeItem(TOKENS);
}
