// A tenant for the pages to talk to: one log key instead of custodians, everything in memory. It checks evidence as the custodians do,
// as far as the pages' part of it goes, so that a page that signs the wrong bytes fails here.

import {
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  sign,
  verify,
  createCipheriv,
} from "node:crypto";

import { decode, encode, present } from "../../site/js/cbor.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */
/** @typedef {{ credentialId: string, key: any, sub: string, label: string, index: number, timeMs: number }} Passkey */
/** @typedef {{ sub: string, userName: string, displayName: string, kSubject: Bytes }} User */

/** @param {...(string | Uint8Array)} parts */
export const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};
/** @param {Uint8Array} bytes */
export const b64url = (bytes) => Buffer.from(bytes).toString("base64url");
/** @param {string} text */
export const fromB64url = (text) => new Uint8Array(Buffer.from(text, "base64url"));
/** @param {number | bigint} value */
const u64be = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
const ZERO = new Uint8Array(32);

/** What the custodians' rules refuse. */
export class Refused extends Error {
  /** @param {string} refusal */
  constructor(refusal) {
    super(refusal);
    this.refusal = refusal;
  }
}

/** Merkle tree of RFC 6962 that remembers its complete subtrees. */
export class MerkleTree {
  constructor() {
    /** @type {Uint8Array[][]} */
    this.levels = [[]];
  }

  get size() {
    return this.levels[0]?.length ?? 0;
  }

  /** @param {Uint8Array} leaf */
  append(leaf) {
    let hash = sha256(Uint8Array.of(0), leaf);
    for (let level = 0; ; level += 1) {
      const row = (this.levels[level] ??= []);
      row.push(hash);
      if (row.length % 2 === 1) return;
      hash = sha256(Uint8Array.of(1), /** @type {Uint8Array} */ (row[row.length - 2]), hash);
    }
  }

  /**
   * @param {number} start
   * @param {number} end
   * @returns {Uint8Array}
   */
  range(start, end) {
    const length = end - start;
    const level = Math.log2(length);
    if (Number.isInteger(level) && start % length === 0)
      return /** @type {Uint8Array} */ (this.levels[level]?.[start / length]);
    const middle = start + 2 ** Math.floor(Math.log2(length - 1));
    return sha256(Uint8Array.of(1), this.range(start, middle), this.range(middle, end));
  }

  /** @param {number} size */
  root(size = this.size) {
    return size === 0 ? sha256() : this.range(0, size);
  }

  /**
   * @param {number} index
   * @param {number} size
   */
  proof(index, size = this.size) {
    const path = [];
    let [start, end] = [0, size];
    while (end - start > 1) {
      const middle = start + 2 ** Math.floor(Math.log2(end - start - 1));
      if (index < middle) {
        path.push(this.range(middle, end));
        end = middle;
      } else {
        path.push(this.range(start, middle));
        start = middle;
      }
    }
    return path.reverse();
  }
}

export class Tenant {
  constructor() {
    this.issuer = "";
    this.logKey = generateKeyPairSync("ed25519");
    this.tokenKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.tree = new MerkleTree();
    /** @type {Bytes[]} */
    this.leaves = [];
    /** @type {Map<number, { salt: Uint8Array, body: Uint8Array, sub: string }>} */
    this.openings = new Map();
    /** @type {Map<string, { record: Uint8Array, salt: Uint8Array }>} */
    this.records = new Map();
    /** @type {Map<string, Passkey>} */
    this.passkeys = new Map();
    /** @type {Map<string, User>} */
    this.users = new Map();
    /** @type {Map<string, { grant: Map<string, any>, evidence: string, sub: string }>} */
    this.grants = new Map();
    /** @type {Set<string>} */
    this.revoked = new Set();
  }

  get origin() {
    return `${new URL(this.issuer).host}/log/1`;
  }

  get kid() {
    return "token-key";
  }

  logPublicKey() {
    return fromB64url(/** @type {string} */ (this.logKey.publicKey.export({ format: "jwk" }).x));
  }

  vkeyId() {
    return sha256(`${this.origin}\n`, Uint8Array.of(1), this.logPublicKey()).slice(0, 4);
  }

  /** @param {string} gateway */
  siteFiles(gateway) {
    const key = Buffer.concat([Uint8Array.of(1), this.logPublicKey()]).toString("base64");
    const jwk = { ...this.tokenKey.publicKey.export({ format: "jwk" }), kid: this.kid, alg: "ES256", use: "sig" };
    return {
      "/.well-known/openid-configuration": JSON.stringify({ issuer: this.issuer, token_endpoint: `${gateway}/token` }),
      "/.well-known/quorate/tlog-policy": `log ${this.origin}+${Buffer.from(this.vkeyId()).toString("hex")}+${key} ${gateway}/log/1\nquorum none\n`,
      "/jwks.json": JSON.stringify({ keys: [jwk] }),
    };
  }

  /**
   * @param {number} type
   * @param {{ tokenHash?: Uint8Array, body?: Uint8Array, evidence?: string, sub?: string, timeMs?: number }} [entry]
   */
  append(type, { tokenHash = ZERO, body = Uint8Array.of(0xa0), evidence = "", sub, timeMs = Date.now() } = {}) {
    const index = this.tree.size;
    const salt = new Uint8Array(randomBytes(32));
    const user = sub === undefined ? undefined : this.users.get(sub);
    const tag = user === undefined ? new Uint8Array(16) : this.tag(user.kSubject, index);
    const leaf = new Uint8Array(139);
    leaf.set([1, type]);
    leaf.set(u64be(timeMs), 2);
    leaf.set(this.registry().root(), 10);
    leaf.set(tokenHash, 42);
    leaf.set(sha256("quorate/entry/v1\0", salt, body), 74);
    leaf[106] = evidence === "" ? 0 : evidence.charCodeAt(0);
    leaf.set(tag, 107);
    this.leaves.push(leaf);
    this.tree.append(leaf);
    if (sub !== undefined) this.openings.set(index, { salt, body, sub });
    return index;
  }

  /**
   * @param {Uint8Array} kSubject
   * @param {number} index
   */
  tag(kSubject, index) {
    const mac = createHmac("sha256", kSubject).update("quorate/tag/v1\0").update(u64be(1)).update(u64be(index));
    return new Uint8Array(mac.digest()).slice(0, 16);
  }

  registry() {
    const tree = new MerkleTree();
    for (const key of this.recordKeys()) tree.append(this.recordData(key));
    return tree;
  }

  recordKeys() {
    return [...this.records.keys()].sort();
  }

  /** @param {string} key */
  recordData(key) {
    const { record, salt } = /** @type {{ record: Uint8Array, salt: Uint8Array }} */ (this.records.get(key));
    return new Uint8Array(Buffer.concat([Buffer.from("quorate/record/v1\0"), salt, Buffer.from(`${key}\0`), record]));
  }

  /**
   * @param {string} key
   * @param {Uint8Array} record
   */
  put(key, record) {
    this.records.set(key, { record, salt: new Uint8Array(randomBytes(16)) });
    this.append(3);
  }

  /** @param {Record<string, any>} client */
  putClient(client) {
    const members = {
      id: "web",
      name: "Notebook",
      type: 0,
      redirectUris: [],
      postLogout: [],
      scope: "email groups openid profile",
      resources: [],
      auth: 0,
      keys: [],
      pkce: 0,
      silent: true,
      idTokenClaims: [],
      accessTokenClaims: [],
      lifetime: 300,
      suspended: false,
      ...client,
    };
    this.put(`client/${members.id}`, encode([8, [new Map(Object.values(members).map((value, at) => [at, value]))]]));
  }

  /**
   * @param {Uint8Array} publicKey
   * @param {{ sub: string, userName: string, displayName?: string, expiresMs: number }} invitation
   */
  putInvitation(publicKey, { sub, userName, displayName, expiresMs }) {
    const value = present([
      [0, publicKey],
      [1, sub],
      [2, userName],
      [3, displayName],
      [4, expiresMs],
    ]);
    this.put(`invitation/${Buffer.from(publicKey).toString("hex")}`, encode([11, [value]]));
  }

  /** A tick where the last leaf is old or names an older registry. */
  freshen() {
    const last = this.leaves.at(-1);
    const isNewest = last !== undefined && Buffer.from(last.slice(10, 42)).equals(this.registry().root());
    const age = last === undefined ? Infinity : Date.now() - Number(Buffer.from(last.slice(2, 10)).readBigUInt64BE());
    if (!isNewest || age > 20_000) this.append(8);
  }

  checkpoint() {
    const text = `${this.origin}\n${this.tree.size}\n${Buffer.from(this.tree.root()).toString("base64")}\n`;
    const signature = sign(null, Buffer.from(text), this.logKey.privateKey);
    return `${text}\n— ${this.origin} ${Buffer.concat([this.vkeyId(), signature]).toString("base64")}\n`;
  }

  anchor() {
    this.freshen();
    const index = this.tree.size - 1;
    return {
      checkpoint: this.checkpoint(),
      leaf: b64url(/** @type {Uint8Array} */ (this.leaves[index])),
      leaf_proof: this.tree.proof(index).map(b64url),
    };
  }

  /** @param {string} key */
  record(key) {
    const found = this.records.get(key);
    if (found === undefined) return undefined;
    const anchor = this.anchor();
    const keys = this.recordKeys();
    return {
      ...anchor,
      record: b64url(found.record),
      salt: b64url(found.salt),
      record_index: keys.indexOf(key),
      record_count: keys.length,
      record_proof: this.registry().proof(keys.indexOf(key)).map(b64url),
    };
  }

  /**
   * Checks a tap over a challenge and gives the passkey.
   * @param {any} answer
   * @param {Uint8Array} challenge
   * @param {any} [newKey]
   * @returns {Passkey | undefined}
   */
  checkTap(answer, challenge, newKey) {
    const clientData = JSON.parse(Buffer.from(answer.client_data, "base64url").toString());
    const isAsked =
      clientData.type === "webauthn.get" &&
      clientData.challenge === b64url(challenge) &&
      clientData.origin === this.issuer &&
      clientData.crossOrigin !== true;
    if (!isAsked) throw new Refused("wrong_challenge");
    const data = fromB64url(answer.authenticator_data);
    const rpIdHash = sha256(new URL(this.issuer).hostname);
    const flags = data[32] ?? 0;
    if (!Buffer.from(data.slice(0, 32)).equals(rpIdHash) || (flags & 5) !== 5) throw new Refused("not_verified");
    const passkey = this.passkeys.get(answer.credential_id);
    const key = newKey ?? passkey?.key;
    if (key === undefined) throw new Refused("unknown_credential");
    const input = Buffer.concat([data, sha256(fromB64url(answer.client_data))]);
    if (!verify(key.hash, input, key.publicKey, fromB64url(answer.signature))) throw new Refused("bad_signature");
    return passkey;
  }

  /** @param {any} body of POST /grants */
  takeGrant(body) {
    const bytes = fromB64url(body.grant);
    const grant = this.readGrant(bytes);
    const isSession = body.tap !== undefined;
    let passkey;
    if (isSession) {
      const tapped = fromB64url(body.tap.grant);
      passkey = this.checkTap(body.tap, sha256("quorate/grant/v1\0", tapped));
      const session = /** @type {Uint8Array} */ (grant.get("session"));
      const authorised = this.readGrant(tapped, true).get("session");
      if (!Buffer.from(authorised).equals(session)) throw new Refused("session_not_authorised");
      const { publicKey } = importKey([0, [session]]);
      const input = Buffer.concat([Buffer.from("quorate/session-grant/v1\0"), bytes]);
      const isSigned = verify(
        "sha256",
        input,
        { key: publicKey, dsaEncoding: "ieee-p1363" },
        fromB64url(body.signature),
      );
      if (!isSigned) throw new Refused("bad_signature");
      if (this.revoked.has(this.sid(session))) throw new Refused("session_revoked");
    } else {
      passkey = this.checkTap(body, sha256("quorate/grant/v1\0", bytes));
    }
    const sub = /** @type {Passkey} */ (passkey).sub;
    if (grant.has("sub") && grant.get("sub") !== sub) throw new Refused("wrong_subject");
    this.grants.set(b64url(grant.get("code_hash")), { grant, evidence: isSession ? "B" : "A", sub });
  }

  /**
   * @param {Uint8Array} bytes
   * @param {boolean} [isOld]
   * @returns {Map<string, any>}
   */
  readGrant(bytes, isOld = false) {
    const grant = /** @type {Map<string, any>} */ (decode(bytes));
    const anchor = grant.get("anchor");
    const text = `${this.origin}\n${anchor.get("size")}\n${Buffer.from(anchor.get("root")).toString("base64")}\n`;
    const isAnchored =
      Buffer.from(this.tree.root(anchor.get("size"))).equals(anchor.get("root")) &&
      verify(null, Buffer.from(text), this.logKey.publicKey, anchor.get("sig"));
    if (grant.get("v") !== 1 || grant.get("iss") !== this.issuer || !isAnchored) throw new Refused("bad_anchor");
    const last = /** @type {Uint8Array} */ (this.leaves[anchor.get("size") - 1]);
    if (!isOld && Date.now() - Number(Buffer.from(last.slice(2, 10)).readBigUInt64BE()) > 300_000)
      throw new Refused("expired");
    return grant;
  }

  /** @param {Uint8Array} session */
  sid(session) {
    return b64url(sha256("quorate/session/v1\0", session).slice(0, 16));
  }

  /**
   * Redeems a code: two leaves in one batch.
   * @param {URLSearchParams} form
   */
  redeem(form) {
    const key = b64url(sha256("quorate/code/v1\0", fromB64url(form.get("code") ?? "")));
    const kept = this.grants.get(key);
    const challenge = kept?.grant.get("code_challenge");
    const isVerified = challenge === undefined || challenge === b64url(sha256(form.get("code_verifier") ?? ""));
    if (kept === undefined || !isVerified || form.get("redirect_uri") !== kept.grant.get("redirect_uri"))
      return undefined;
    this.grants.delete(key);
    return this.issue(kept.grant, kept.evidence, kept.sub);
  }

  /**
   * @param {Map<string, any>} grant
   * @param {string} evidence
   * @param {string} sub
   * @param {number} [timeMs]
   */
  issue(grant, evidence, sub, timeMs = Date.now()) {
    const seconds = Math.floor(timeMs / 1000);
    const shared = { iss: this.issuer, sub, sid: this.sid(grant.get("session")), iat: seconds, exp: seconds + 300 };
    const access = this.token("at+jwt", sub, evidence, timeMs, (tlx) => ({
      ...shared,
      aud: grant.get("resource") ?? this.issuer,
      client_id: grant.get("client_id"),
      scope: grant.get("scope"),
      jti: b64url(randomBytes(32)),
      tlx,
    }));
    const id = this.token("JWT", sub, evidence, timeMs, (tlx) => ({
      ...shared,
      aud: grant.get("client_id"),
      ...(grant.has("nonce") ? { nonce: grant.get("nonce") } : {}),
      tlx,
    }));
    return { access_token: access, id_token: id, token_type: "Bearer", expires_in: 300, scope: grant.get("scope") };
  }

  /**
   * @param {string} typ
   * @param {string} sub
   * @param {string} evidence
   * @param {number} timeMs
   * @param {(tlx: string) => object} claimsAt
   */
  token(typ, sub, evidence, timeMs, claimsAt) {
    const claims = Buffer.from(JSON.stringify(claimsAt(`1/${this.tree.size}`)));
    const header = Buffer.from(JSON.stringify({ alg: "ES256", kid: this.kid, typ })).toString("base64url");
    const input = `${header}.${claims.toString("base64url")}`;
    const body = encode(
      new Map(
        /** @type {[number, any][]} */ ([
          [0, new Uint8Array(claims)],
          [1, new Uint8Array(32)],
          [2, new Uint8Array(1)],
        ]),
      ),
    );
    this.append(5, { tokenHash: sha256("quorate/token/v1\0", input), body, evidence, sub, timeMs });
    const signature = sign("sha256", Buffer.from(input), { key: this.tokenKey.privateKey, dsaEncoding: "ieee-p1363" });
    return `${input}.${signature.toString("base64url")}`;
  }

  /**
   * @param {number} index
   * @param {Uint8Array} kSubject
   */
  sealed(index, kSubject) {
    const { salt, body } = /** @type {{ salt: Uint8Array, body: Uint8Array }} */ (this.openings.get(index));
    const info = Buffer.concat([Buffer.from("quorate/subject-body/v1\0"), u64be(1), u64be(index)]);
    const key = new Uint8Array(hkdfSync("sha256", kSubject, new Uint8Array(0), info, 32));
    const nonce = new Uint8Array(randomBytes(12));
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    cipher.setAAD(sha256(Uint8Array.of(0), /** @type {Uint8Array} */ (this.leaves[index])));
    const sealed = Buffer.concat([cipher.update(Buffer.concat([salt, body])), cipher.final()]);
    return b64url(Buffer.concat([nonce, sealed, cipher.getAuthTag()]));
  }

  /** @param {any} body of POST /enrolments */
  enrol(body) {
    const bytes = fromB64url(body.statement);
    const statement = /** @type {Map<number, any>} */ (decode(bytes));
    const challenge = sha256("quorate/enrol/v1\0", bytes);
    const credentialId = b64url(statement.get(4));
    const key = importKey(statement.get(5));
    if (body.credential.credential_id !== credentialId || statement.get(1) !== this.issuer)
      throw new Refused("wrong_statement");
    this.checkTap(body.credential, challenge, key);
    let sub;
    if (statement.has(2)) {
      const publicKey = statement.get(2);
      const name = `invitation/${Buffer.from(publicKey).toString("hex")}`;
      const invitation = this.records.get(name);
      if (invitation === undefined) throw new Refused("invitation_consumed");
      const seedKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: b64url(publicKey) }, format: "jwk" });
      const message = Buffer.concat([Buffer.from("quorate/enrol/v1\0"), bytes]);
      if (!verify(null, message, seedKey, fromB64url(body.seed_signature))) throw new Refused("bad_signature");
      const record = /** @type {any} */ (decode(invitation.record))[1][0];
      sub = record.get(1);
      this.users.set(sub, {
        sub,
        userName: record.get(2),
        displayName: record.get(3) ?? record.get(2),
        kSubject: statement.get(6),
      });
      this.records.delete(name);
    } else {
      const passkey = this.checkTap(body.tap, challenge);
      sub = /** @type {Passkey} */ (passkey).sub;
      if (body.tap.credential_id !== b64url(statement.get(3))) throw new Refused("wrong_passkey");
      if (!Buffer.from(statement.get(6)).equals(/** @type {User} */ (this.users.get(sub)).kSubject))
        throw new Refused("wrong_subject");
    }
    const index = this.append(4, { sub });
    this.passkeys.set(credentialId, { credentialId, key, sub, label: statement.get(7), index, timeMs: Date.now() });
    return { index, sub };
  }

  /** @param {any} body of POST /revocations */
  revoke(body) {
    const bytes = fromB64url(body.statement);
    const statement = /** @type {Map<number, any>} */ (decode(bytes));
    const passkey = this.checkTap(body.tap, sha256("quorate/revoke/v1\0", bytes));
    const opening = this.openings.get(statement.get(2));
    const isOpened =
      opening !== undefined &&
      Buffer.from(opening.salt).equals(statement.get(3)) &&
      Buffer.from(opening.body).equals(statement.get(4));
    if (!isOpened || opening.sub !== passkey?.sub) throw new Refused("opening_mismatch");
    const claims = JSON.parse(Buffer.from(/** @type {any} */ (decode(opening.body)).get(0)).toString());
    this.revoked.add(claims.sid);
    return { index: this.append(6, { sub: passkey.sub }) };
  }
}

/** @param {any} key as in an enrolment */
export function importKey([kind, fields]) {
  if (kind === 0) {
    const jwk = { kty: "EC", crv: "P-256", x: b64url(fields[0].slice(0, 32)), y: b64url(fields[0].slice(32)) };
    return { hash: "sha256", publicKey: createPublicKey({ key: jwk, format: "jwk" }) };
  }
  if (kind === 1)
    return {
      hash: null,
      publicKey: createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: b64url(fields[0]) }, format: "jwk" }),
    };
  return {
    hash: "sha256",
    publicKey: createPublicKey({ key: { kty: "RSA", n: b64url(fields[0]), e: b64url(fields[1]) }, format: "jwk" }),
  };
}
