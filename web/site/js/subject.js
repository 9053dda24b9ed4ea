// What a person can do with `K_subject`: find the own leaves in the public log, and open what is sealed to them.

import { concat, equal, u64be } from "./bytes.js";
import * as domain from "./domain.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

const NONCE_BYTES = 12;
const SALT_BYTES = 32;

export class Subject {
  /**
   * @param {number} log number of the log
   * @param {CryptoKey} tagKey
   * @param {CryptoKey} sealingKey
   */
  constructor(log, tagKey, sealingKey) {
    this.log = log;
    this.tagKey = tagKey;
    this.sealingKey = sealingKey;
  }

  /**
   * @param {number} log
   * @param {Bytes} kSubject
   */
  static async of(log, kSubject) {
    const hmac = { name: "HMAC", hash: "SHA-256" };
    return new Subject(
      log,
      await crypto.subtle.importKey("raw", kSubject, hmac, false, ["sign"]),
      await crypto.subtle.importKey("raw", kSubject, "HKDF", false, ["deriveKey"]),
    );
  }

  /**
   * Tag of this subject at an index: `HMAC(K, domain ‖ u64be log ‖ u64be index)[..16]`.
   * @param {number} index
   */
  async tag(index) {
    const message = concat(domain.TAG, u64be(this.log), u64be(index));
    return new Uint8Array(await crypto.subtle.sign("HMAC", this.tagKey, message)).slice(0, 16);
  }

  /**
   * @param {number} index
   * @param {Uint8Array} subjectTag as it stands in the leaf
   */
  async owns(index, subjectTag) {
    // Machines' leaves have no subject, which saves most of the work.
    return subjectTag.some((byte) => byte !== 0) && equal(await this.tag(index), subjectTag);
  }

  /**
   * Opens a sealed opening; undefined if it is not for this subject and this leaf.
   * @param {number} index
   * @param {Bytes} leafHash
   * @param {Bytes} sealed
   * @returns {Promise<{ salt: Bytes, body: Bytes } | undefined>}
   */
  async open(index, leafHash, sealed) {
    const info = concat(domain.SUBJECT_BODY, u64be(this.log), u64be(index));
    const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
    const key = await crypto.subtle.deriveKey(hkdf, this.sealingKey, { name: "AES-GCM", length: 256 }, false, [
      "decrypt",
    ]);
    try {
      const gcm = { name: "AES-GCM", iv: sealed.slice(0, NONCE_BYTES), additionalData: leafHash };
      const opening = new Uint8Array(await crypto.subtle.decrypt(gcm, key, sealed.slice(NONCE_BYTES)));
      return { salt: opening.slice(0, SALT_BYTES), body: opening.slice(SALT_BYTES) };
    } catch {
      return undefined;
    }
  }
}
