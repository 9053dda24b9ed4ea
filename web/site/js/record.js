// Records of the registry that pages read: clients and invitations. A record is `[kind, [value]]`, its value a map with integer
// keys. Members that this page does not know are ignored; those that it knows must be of their type.

import { Malformed } from "./bytes.js";
import { decode } from "./cbor.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/**
 * @typedef {object} Client
 * @property {string} clientId
 * @property {string} name
 * @property {boolean} isNative whether it runs on the person's own device
 * @property {string[]} redirectUris
 * @property {string[]} postLogoutRedirectUris
 * @property {string[]} scope
 * @property {string[]} resources
 * @property {boolean} hasSecret whether it authenticates at the token endpoint; otherwise it is public
 * @property {boolean} pkceOptional
 * @property {boolean} silent whether a session key may answer instead of a passkey
 * @property {string[]} idTokenClaims
 * @property {string[]} accessTokenClaims
 * @property {boolean} suspended
 */
/**
 * @typedef {object} Invitation
 * @property {Bytes} publicKey
 * @property {string} sub
 * @property {string} userName
 * @property {string | undefined} displayName
 * @property {number} expiresMs
 */

const CLIENT = 8;
const INVITATION = 11;

/**
 * @param {Uint8Array} bytes
 * @returns {Client}
 */
export function readClient(bytes) {
  const value = valueOf(bytes, CLIENT);
  return {
    clientId: text(value, 0),
    name: text(value, 1),
    isNative: number(value, 2, 2) === 1,
    redirectUris: texts(value, 3),
    postLogoutRedirectUris: texts(value, 4),
    scope: text(value, 5)
      .split(" ")
      .filter((token) => token !== ""),
    resources: texts(value, 6),
    hasSecret: number(value, 7, 2) !== 0,
    pkceOptional: number(value, 9, 1) === 1,
    silent: flag(value, 10),
    idTokenClaims: texts(value, 11),
    accessTokenClaims: texts(value, 12),
    suspended: flag(value, 14),
  };
}

/**
 * @param {Uint8Array} bytes
 * @returns {Invitation}
 */
export function readInvitation(bytes) {
  const value = valueOf(bytes, INVITATION);
  const publicKey = value.get(0);
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== 32) throw new Malformed("an invitation");
  return {
    publicKey: publicKey.slice(),
    sub: text(value, 1),
    userName: text(value, 2),
    displayName: value.has(3) ? text(value, 3) : undefined,
    expiresMs: number(value, 4, Number.MAX_SAFE_INTEGER),
  };
}

/**
 * @param {Uint8Array} bytes
 * @param {number} kind
 * @returns {ReadonlyMap<unknown, unknown>}
 */
function valueOf(bytes, kind) {
  const record = decode(bytes);
  if (!Array.isArray(record) || record.length !== 2 || record[0] !== kind) throw new Malformed("a record of this kind");
  const fields = record[1];
  if (!Array.isArray(fields) || fields.length !== 1 || !(fields[0] instanceof Map)) throw new Malformed("a record");
  return fields[0];
}

/**
 * @param {ReadonlyMap<unknown, unknown>} value
 * @param {number} member
 */
function text(value, member) {
  const found = value.get(member);
  if (typeof found !== "string") throw new Malformed(`a record whose member ${member} is text`);
  return found;
}

/**
 * @param {ReadonlyMap<unknown, unknown>} value
 * @param {number} member
 */
function texts(value, member) {
  const found = value.get(member);
  if (!Array.isArray(found) || found.some((one) => typeof one !== "string")) {
    throw new Malformed(`a record whose member ${member} is a list of texts`);
  }
  return /** @type {string[]} */ (found);
}

/**
 * @param {ReadonlyMap<unknown, unknown>} value
 * @param {number} member
 * @param {number} most
 */
function number(value, member, most) {
  const found = value.get(member);
  if (typeof found !== "number" || found < 0 || found > most) {
    throw new Malformed(`a record whose member ${member} is a number that is known`);
  }
  return found;
}

/**
 * @param {ReadonlyMap<unknown, unknown>} value
 * @param {number} member
 */
function flag(value, member) {
  const found = value.get(member);
  if (typeof found !== "boolean") throw new Malformed(`a record whose member ${member} is true or false`);
  return found;
}
