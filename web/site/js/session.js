// The session key (class B): a P-256 key that a tap has authorised. It can sign but nobody can take it out of the browser; it lies
// with the tap and the grant that authorised it, since every grant that it signs must show them.

import { fromBase64url } from "./base64.js";
import { concat } from "./bytes.js";
import { SESSION_LIFETIME_S } from "./silent.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{ grant: string, credential_id: string, authenticator_data: string, client_data: string, signature: string }} WrittenTap */
/** @typedef {{ privateKey: CryptoKey, publicKey: Bytes }} SessionKey the public key is x ‖ y */
/** @typedef {SessionKey & { tap: WrittenTap, authTimeS: number }} Session */

const DATABASE = "quorate";
const STORE = "session";
/** There is one session to a browser: a new tap takes the place of the one before. */
const CURRENT = "current";
const ECDSA = { name: "ECDSA", namedCurve: "P-256" };

/** @returns {Promise<SessionKey>} */
export async function makeSessionKey() {
  const pair = await crypto.subtle.generateKey(ECDSA, false, ["sign", "verify"]);
  const { x = "", y = "" } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  return { privateKey: pair.privateKey, publicKey: concat(fromBase64url(x), fromBase64url(y)) };
}

/**
 * r ‖ s, as WebCrypto gives it.
 * @param {SessionKey} key
 * @param {Bytes} message
 */
export async function signWithSession({ privateKey }, message) {
  return new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, message));
}

/**
 * Keeps a session. A browser that keeps nothing (private windows of some) only means another tap next time.
 * @param {Session} session
 */
export async function keepSession(session) {
  await transact("readwrite", (store) => store.put(session, CURRENT)).catch(() => undefined);
}

/**
 * The session that is kept, unless its time is over.
 * @param {number} nowS
 * @returns {Promise<Session | undefined>}
 */
export async function keptSession(nowS) {
  /** @type {Session | undefined} */
  const session = await transact("readonly", (store) => store.get(CURRENT)).catch(() => undefined);
  if (session === undefined) return undefined;
  const age = nowS - session.authTimeS;
  if (age < SESSION_LIFETIME_S && age > -SESSION_LIFETIME_S) return session;
  await forgetSession();
  return undefined;
}

export async function forgetSession() {
  await transact("readwrite", (store) => store.delete(CURRENT)).catch(() => undefined);
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} act
 * @returns {Promise<any>}
 */
async function transact(mode, act) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await answered(opening);
  try {
    return await answered(act(database.transaction(STORE, mode, { durability: "strict" }).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
