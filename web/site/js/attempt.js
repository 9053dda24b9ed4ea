// One attempt to sign in: a fresh code, a grant that names its digest, and a session key that the tap will authorise. Each is used
// once; a new one is made every two minutes, since a grant is good for five after its anchor.

import { toBase64url } from "./base64.js";
import { grantChallenge, makeCode, sessionMessage, writeGrant } from "./grant.js";
import { writeTap } from "./passkey.js";
import { keepSession, makeSessionKey, signWithSession } from "./session.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./gateway.js").Gateway} Gateway */
/** @typedef {import("./grant.js").Asked} Asked */
/** @typedef {import("./passkey.js").Tap} Tap */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").SessionKey} SessionKey */
/**
 * @typedef {object} Attempt
 * @property {string} code
 * @property {Bytes} grant
 * @property {Bytes} challenge
 * @property {SessionKey} session
 * @property {number} authTimeS earliest time that the custodians can take for that of the tap
 * @property {number} madeMs
 */

/** Age at which an attempt is replaced by a new one, milliseconds. */
export const RENEW_MS = 120_000;
/** Age beyond which an answer is not even sent, milliseconds: the anchor would be too old at redemption. */
export const TOO_OLD_MS = 270_000;

/**
 * @param {Asked} asked
 * @param {Anchor} anchor
 * @param {SessionKey} [kept] the session key that will sign; a new one to be authorised otherwise
 * @returns {Promise<Attempt>}
 */
export async function makeAttempt(asked, anchor, kept) {
  const madeMs = Date.now();
  const iat = Math.floor(madeMs / 1000);
  const session = kept ?? (await makeSessionKey());
  const { code, codeHash } = await makeCode();
  const grant = writeGrant(asked, { issuer: location.origin, codeHash, session: session.publicKey, iat, anchor });
  const authTimeS = Math.min(iat, Math.floor(anchor.timeMs / 1000));
  return { code, grant, challenge: await grantChallenge(grant), session, authTimeS, madeMs };
}

/**
 * Hands over a tap (class A) and keeps the session that it authorises.
 * @param {Gateway} gateway
 * @param {Attempt} attempt
 * @param {Tap} tap
 */
export async function submitTap(gateway, { grant, session, authTimeS }, tap) {
  const evidence = { grant: toBase64url(grant), ...writeTap(tap) };
  await gateway.grant(evidence);
  await keepSession({ ...session, tap: evidence, authTimeS });
}

/**
 * Hands over a session key's signature (class B) with the tap that authorised it.
 * @param {Gateway} gateway
 * @param {Attempt} attempt
 * @param {Session} session
 */
export async function submitSession(gateway, { grant }, session) {
  const signature = await signWithSession(session, sessionMessage(grant));
  await gateway.grant({ grant: toBase64url(grant), signature: toBase64url(signature), tap: session.tap });
}
