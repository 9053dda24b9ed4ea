// Keys of logs and witnesses, and what they sign, written as a log writes it.

import { toBase64 } from "../site/js/base64.js";
import { concat, hex, utf8 } from "../site/js/bytes.js";
import { fromSeed } from "../site/js/ed25519.js";
import { ED25519, cosignatureMessage, keyId } from "../site/js/note.js";

/** @typedef {import("../site/js/note.js").VerifierKey} VerifierKey */

/** @param {VerifierKey} key */
export function writeVerifierKey(key) {
  return `${key.name}+${hex(key.keyId)}+${toBase64(concat(Uint8Array.of(key.type), key.publicKey))}`;
}

/**
 * @param {VerifierKey} key
 * @param {Uint8Array} signature
 */
export function signatureLine(key, signature) {
  return `— ${key.name} ${toBase64(concat(key.keyId, signature))}\n`;
}

/**
 * A signer of this name, and its lines under texts.
 * @param {string} name
 * @param {number} type
 * @param {number} seed
 */
export async function signer(name, type, seed) {
  const pair = await fromSeed(new Uint8Array(32).fill(seed));
  const key = { name, type, publicKey: pair.publicKey, keyId: await keyId(name, type, pair.publicKey) };
  const line = async (/** @type {string} */ text) => {
    if (type === ED25519) return signatureLine(key, await pair.sign(utf8(text)));
    const time = new Uint8Array(8);
    time[7] = 5;
    return signatureLine(key, concat(time, await pair.sign(cosignatureMessage(5, text))));
  };
  return { vkey: writeVerifierKey(key), line };
}
