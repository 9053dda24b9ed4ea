// The running system under test, as `quorate up` announced it, and the commands with which its administrator changes it.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** @param {string} name */
function required(name) {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set; tests/browser/run says what is needed`);
  return value;
}

export const ISSUER = required("ISSUER");
export const GATEWAY = required("GATEWAY");
export const DEMO = required("DEMO");
/** The link of the first person's invitation; one test opens it. */
export const INVITATION = process.env.INVITATION ?? "";
/** Where screenshots go, if anywhere. */
export const SCREENSHOTS = process.env.SCREENSHOTS;
export const DATA_DIR = required("DATA_DIR");
export const QUORATE = required("QUORATE");

/**
 * Runs a command of `quorate` that must succeed.
 * @param {...string} args
 * @returns {Promise<any>} what it told
 */
export async function quorate(...args) {
  const { stdout } = await run(QUORATE, [...args, "--json", "--data-dir", DATA_DIR]);
  return JSON.parse(stdout);
}

let count = 0;
/**
 * A name that nobody else in this system has: test files run one after the other as processes of their own.
 * @param {string} stem
 */
export function freshName(stem) {
  count += 1;
  return `${stem}-${process.pid}-${count}`;
}

/**
 * Invites a person whose record holds every claim.
 * @param {string} stem of the user name
 */
export async function invite(stem) {
  const userName = freshName(stem);
  const person = {
    preferred_username: userName,
    name: `${stem} Lovelace`,
    email: `${userName}@example.org`,
    email_verified: true,
    groups: ["makers", "readers"],
  };
  const told = await quorate(
    ...["user", "invite", userName, "--email", person.email, "--email-verified", "--display-name", person.name],
    ...["--group", "makers", "--group", "readers"],
  );
  return { ...person, sub: /** @type {string} */ (told.sub), link: /** @type {string} */ (told.invitation) };
}

/** @typedef {Awaited<ReturnType<typeof invite>>} Person */

/**
 * Does something while too few custodians run to sign; they stand still and lose nothing.
 * @template T
 * @param {(resume: () => void) => Promise<T>} act calls `resume` once they may go on
 */
export async function withoutQuorum(act) {
  const { processes } = JSON.parse(await readFile(`${DATA_DIR}/run.json`, "utf8"));
  const stopped = ["custodian-3", "custodian-4"].map((name) => /** @type {number} */ (processes[name]));
  const signal = (/** @type {NodeJS.Signals} */ name) => stopped.forEach((id) => process.kill(id, name));
  signal("SIGSTOP");
  // Whatever happens, they do not stand still for the tests that follow.
  const deadline = setTimeout(() => signal("SIGCONT"), 10_000);
  try {
    return await act(() => signal("SIGCONT"));
  } finally {
    clearTimeout(deadline);
    signal("SIGCONT");
  }
}

/**
 * Registers an application.
 * @param {string} id
 * @param {string} type web, native or spa
 * @param {string[]} redirectUris
 * @param {...string} more further options
 */
export function addClient(id, type, redirectUris, ...more) {
  return quorate("client", "add", id, "--type", type, ...redirectUris.flatMap((uri) => ["--redirect-uri", uri]), ...more);
}
