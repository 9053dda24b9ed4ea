// Signed notes (C2SP signed-note v1.0.0) and cosignatures on them (C2SP tlog-cosignature v1.0.1): a text, a blank line, and
// signature lines. Lines of unknown keys are passed over; a known key with a bad signature refuses the whole note.

import { fromBase64 } from "./base64.js";
import { Malformed, equal, hex, utf8 } from "./bytes.js";
import { isSmallOrder, verify } from "./ed25519.js";
import { sha256 } from "./hash.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/**
 * A key that verifies notes, as a vkey names it.
 * @typedef {{ name: string, type: number, publicKey: Bytes, keyId: Bytes }} VerifierKey
 */
/** @typedef {{ name: string, keyId: Bytes, signature: Bytes }} SignatureLine */
/** @typedef {{ text: string, lines: SignatureLine[] }} Note */

/** Ed25519 over the text. */
export const ED25519 = 0x01;
/** Ed25519 over time and text. */
export const COSIGNATURE = 0x04;
/** ML-DSA-44 over time and text: known by name, not verified here, so it never counts. */
export const ML_DSA_44 = 0x06;

/** Bytes of the public key of each type. */
const KEY_BYTES = new Map([
  [ED25519, 32],
  [COSIGNATURE, 32],
  [ML_DSA_44, 1312],
]);
/** Largest note that is read, characters: room for post-quantum signature lines. */
const MAX_NOTE = 512 * 1024;
/** Most signature lines; the specification asks for at least 16. */
const MAX_LINES = 64;
/** Last time of a cosignature that the specification admits. */
const MAX_TIME = 2n ** 63n - 1n;
/** Longest key name, bytes. */
const MAX_NAME = 255;

/**
 * Key names and origins have the same form: no Unicode spaces, no control characters, no plus sign.
 * @param {string} text
 */
export function isName(text) {
  return /^[^\p{White_Space}\u0000-\u001f+]+$/u.test(text) && utf8(text).length <= MAX_NAME;
}

/**
 * First four bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ public key)`.
 * @param {string} name
 * @param {number} type
 * @param {Uint8Array} publicKey
 */
export async function keyId(name, type, publicKey) {
  return (await sha256(utf8(`${name}\n`), Uint8Array.of(type), publicKey)).slice(0, 4);
}

/**
 * Reads a vkey: `name+hex8(key id)+base64(type ‖ public key)`.
 * @param {string} text
 * @returns {Promise<VerifierKey>}
 */
export async function readVerifierKey(text) {
  const parts = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
  if (parts === null) throw new Malformed("a verifier key");
  const [, name = "", id = "", encoded = ""] = parts;
  const key = fromBase64(encoded);
  const type = key[0] ?? 0;
  const publicKey = key.slice(1);
  if (!isName(name) || publicKey.length !== KEY_BYTES.get(type)) throw new Malformed("a verifier key");
  if (type !== ML_DSA_44 && isSmallOrder(publicKey)) throw new Malformed("a verifier key that is not of small order");
  const derived = await keyId(name, type, publicKey);
  if (hex(derived) !== id) throw new Malformed("a verifier key with its own key id");
  return { name, type, publicKey, keyId: derived };
}

/**
 * Reads a note, exactly as it is published.
 * @param {string} all
 * @returns {Note}
 */
export function readNote(all) {
  if (all.length > MAX_NOTE) throw new Malformed("a note of at most 512 KiB");
  const border = all.lastIndexOf("\n\n");
  if (border < 0) throw new Malformed("a note with an empty line before its signatures");
  const text = all.slice(0, border + 1);
  const rest = all.slice(border + 2);
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) throw new Malformed("a note without control characters");
  if (!rest.endsWith("\n")) throw new Malformed("a note whose last line ends");
  const lines = rest.slice(0, -1).split("\n", MAX_LINES + 1);
  if (lines.length > MAX_LINES) throw new Malformed("a note of at most 64 signatures");
  return { text, lines: lines.map(readLine) };
}

/**
 * @param {string} line
 * @returns {SignatureLine}
 */
function readLine(line) {
  const parts = /^— ([^ ]+) ([^ ]+)$/.exec(line);
  if (parts === null) throw new Malformed("a signature line");
  const [, name = "", encoded = ""] = parts;
  const blob = fromBase64(encoded);
  if (!isName(name) || blob.length < 5) throw new Malformed("a signature line");
  return { name, keyId: blob.slice(0, 4), signature: blob.slice(4) };
}

/**
 * The known keys whose signatures verify, each once however many lines it has, with the signature of its first line.
 * @param {Note} note
 * @param {readonly VerifierKey[]} known
 * @returns {Promise<{ key: VerifierKey, signature: Bytes }[]>}
 */
export async function verifiedSignatures(note, known) {
  /** @type {{ key: VerifierKey, signature: Bytes }[]} */
  const verified = [];
  for (const line of note.lines) {
    const matching = known.filter((key) => key.name === line.name && equal(key.keyId, line.keyId));
    const key = matching[0];
    if (key === undefined) continue;
    if (matching.length > 1) throw new Malformed("a note whose signers can be told apart");
    if (!(await isSignedBy(key, note.text, line.signature))) throw new Malformed(`a note that ${key.name} has signed`);
    if (!verified.some((other) => other.key === key)) verified.push({ key, signature: line.signature });
  }
  return verified;
}

/**
 * @param {VerifierKey} key
 * @param {string} text
 * @param {Bytes} signature
 */
async function isSignedBy(key, text, signature) {
  if (key.type === ED25519) return verify(key.publicKey, utf8(text), signature);
  if (key.type !== COSIGNATURE || signature.length !== 72) return false;
  const time = new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0);
  return time <= MAX_TIME && verify(key.publicKey, cosignatureMessage(time, text), signature.slice(8));
}

/**
 * What a cosigner signs.
 * @param {number | bigint} timeS seconds since 1970 UTC
 * @param {string} text
 */
export function cosignatureMessage(timeS, text) {
  return utf8(`cosignature/v1\ntime ${timeS}\n${text}`);
}
