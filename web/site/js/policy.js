// Trust policies (C2SP tlog-policy): which logs are known, which witnesses, and how many of them must have cosigned a checkpoint.
// Read with the same strictness as the Rust crate, so that both accept the same files and the same checkpoints.

import { Malformed, equal } from "./bytes.js";
import { readCheckpoint } from "./checkpoint.js";
import { COSIGNATURE, ED25519, ML_DSA_44, readNote, readVerifierKey, verifiedSignatures } from "./note.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./note.js").VerifierKey} VerifierKey */
/** @typedef {{ key: VerifierKey, url: string | undefined }} Log */
/** @typedef {{ name: string, key: VerifierKey, url: string | undefined }} Witness */
/** @typedef {{ name: string, needed: number, members: string[] }} Group */
/** @typedef {{ logs: Log[], witnesses: Witness[], groups: Group[], quorum: string }} Policy */
/**
 * A checkpoint that the policy vouches for.
 * @typedef {import("./checkpoint.js").Checkpoint & { signature: Bytes, note: string }} SignedCheckpoint
 */

/** Largest policy file, characters. */
const MAX_POLICY = 1024 * 1024;
/** Most lines of one kind. */
const MAX_OF_A_KIND = 256;
/** Name of the quorum that asks for no witness. */
const NONE = "none";

/** A note does not satisfy the policy. */
class NotVouched extends Error {
  /** @param {string} what */
  constructor(what) {
    super(`not vouched for: ${what}`);
    this.name = "NotVouched";
  }
}

/**
 * Reads a policy file: every line ended by a line feed, exactly one quorum.
 * @param {string} text
 * @returns {Promise<Policy>}
 */
export async function readPolicy(text) {
  if (text.length > MAX_POLICY) throw new Malformed("a policy of at most 1 MiB");
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) throw new Malformed("a policy without control characters");
  // A file cut short could otherwise name another quorum.
  if (!text.endsWith("\n")) throw new Malformed("a policy whose last line ends");
  /** @type {Policy} */
  const policy = { logs: [], witnesses: [], groups: [], quorum: "" };
  for (const line of text.slice(0, -1).split("\n")) {
    const words = line.split(/[ \t]+/).filter((word) => word !== "");
    if (words[0] !== undefined && !words[0].startsWith("#")) await readPolicyLine(policy, words);
  }
  if (policy.quorum === "") throw new Malformed("a policy with a quorum line");
  return policy;
}

/**
 * @param {Policy} policy
 * @param {string[]} words
 */
async function readPolicyLine(policy, words) {
  const [kind, first = "", second = "", ...rest] = words;
  if (kind === "log" && (words.length === 2 || words.length === 3)) {
    const key = await newKey(policy, first, [ED25519, ML_DSA_44]);
    checkRoom(policy.logs);
    policy.logs.push({ key, url: words[2] });
  } else if (kind === "witness" && (words.length === 3 || words.length === 4)) {
    checkNewName(policy, first);
    const key = await newKey(policy, second, [COSIGNATURE, ML_DSA_44]);
    checkRoom(policy.witnesses);
    policy.witnesses.push({ name: first, key, url: words[3] });
  } else if (kind === "group" && words.length >= 4) {
    checkNewName(policy, first);
    checkRoom(policy.groups);
    policy.groups.push({ name: first, needed: readThreshold(second, rest.length), members: newMembers(policy, rest) });
  } else if (kind === "quorum" && words.length === 2) {
    if (policy.quorum !== "") throw new Malformed("a policy with one quorum line");
    if (first !== NONE && !defines(policy, first)) throw new Malformed("a quorum that an earlier line defines");
    policy.quorum = first;
  } else {
    throw new Malformed("a policy of log, witness, group and quorum lines");
  }
}

/**
 * One public key under two names would count twice, and a log does not witness itself.
 * @param {Policy} policy
 * @param {string} word
 * @param {number[]} types
 */
async function newKey(policy, word, types) {
  const key = await readVerifierKey(word);
  if (!types.includes(key.type)) throw new Malformed("a policy whose keys fit their roles");
  const others = [...policy.logs, ...policy.witnesses].map((line) => line.key.publicKey);
  if (others.some((other) => equal(other, key.publicKey))) throw new Malformed("a policy that names each key once");
  return key;
}

/**
 * @param {Policy} policy
 * @param {string} name
 */
function defines(policy, name) {
  return [...policy.witnesses, ...policy.groups].some((line) => line.name === name);
}

/**
 * @param {Policy} policy
 * @param {string} name
 */
function checkNewName(policy, name) {
  if (name === NONE || defines(policy, name)) throw new Malformed("a policy that defines each name once");
}

/**
 * A name is a member once, of one group, or its witnesses would count in two ways.
 * @param {Policy} policy
 * @param {string[]} members
 */
function newMembers(policy, members) {
  const taken = new Set(policy.groups.flatMap((group) => group.members));
  for (const member of members) {
    if (!defines(policy, member)) throw new Malformed("a group whose members earlier lines define");
    if (taken.has(member)) throw new Malformed("a policy in which a name is a member once");
    taken.add(member);
  }
  return members;
}

/**
 * @param {string} word
 * @param {number} members
 */
function readThreshold(word, members) {
  const needed = word === "all" ? members : word === "any" ? 1 : Number(/^[1-9][0-9]{0,2}$/.test(word) ? word : NaN);
  if (!(needed >= 1 && needed <= members)) throw new Malformed("a threshold between one and the group's members");
  return needed;
}

/** @param {unknown[]} lines */
function checkRoom(lines) {
  if (lines.length >= MAX_OF_A_KIND) throw new Malformed("a policy of at most 256 lines of a kind");
}

/**
 * The checkpoint, if a listed log of its origin has signed the note and the quorum of witnesses has cosigned it.
 * @param {Policy} policy
 * @param {string} published the note as published
 * @returns {Promise<SignedCheckpoint>}
 */
export async function vouchedCheckpoint(policy, published) {
  const note = readNote(published);
  const listed = [...policy.logs, ...policy.witnesses].map((line) => line.key);
  const verified = await verifiedSignatures(
    note,
    listed.filter((key) => key.type !== ML_DSA_44),
  );
  const checkpoint = readCheckpoint(note.text);
  const byLog = verified.find(
    ({ key }) => key.name === checkpoint.origin && policy.logs.some((log) => log.key === key),
  );
  if (byLog === undefined) throw new NotVouched("no listed log of this origin has signed it");
  const keys = new Set(verified.map(({ key }) => key));
  if (policy.quorum !== NONE && !satisfied(policy, keys).has(policy.quorum)) {
    throw new NotVouched("the quorum of witnesses is not reached");
  }
  return { ...checkpoint, signature: byLog.signature, note: published };
}

/**
 * Names of the witnesses and groups that have witnessed. Members stand before their group, so one pass in order is enough.
 * @param {Policy} policy
 * @param {Set<VerifierKey>} keys
 */
function satisfied(policy, keys) {
  const names = new Set(policy.witnesses.filter((witness) => keys.has(witness.key)).map((witness) => witness.name));
  for (const group of policy.groups) {
    if (group.members.filter((member) => names.has(member)).length >= group.needed) names.add(group.name);
  }
  return names;
}
