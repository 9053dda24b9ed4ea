// Enrolling a passkey: the new one proves itself over a statement of whose it is; somebody who may say so signs the same statement.

import { utf8 } from "./bytes.js";
import { element } from "./dom.js";
import { tap, writeTap } from "./passkey.js";
import { MAX_LABEL_BYTES, enrolmentChallenge, writeEnrolment } from "./statement.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./anchor.js").Anchor} Anchor */
/** @typedef {import("./passkey.js").NewPasskey} NewPasskey */
/** @typedef {import("./words.js").Words} Words */

/**
 * The statement, and the new passkey's answer to it.
 * @param {NewPasskey} made
 * @param {{ by: { invitation: Bytes } | { passkey: Bytes }, kSubject: Bytes, label: string, anchor: Anchor }} about
 */
export async function proveNewPasskey(made, about) {
  const statement = writeEnrolment({ issuer: location.origin, ...made, ...about });
  const challenge = await enrolmentChallenge(statement);
  const credential = writeTap(await tap({ challenge, allowed: [made.credentialId] }));
  return { statement, challenge, credential };
}

/**
 * A field for the passkey's name, and what stands in it; undefined (and said so at the field) if that is no name.
 * @param {Words} words
 */
export function labelField(words) {
  const input = element("input", {
    id: "label",
    value: words.labelDefault,
    autocomplete: "off",
    maxlength: MAX_LABEL_BYTES,
    "aria-describedby": "label-hint label-error",
  });
  const error = element("p", { id: "label-error", role: "status", class: "news" });
  const field = element(
    "div",
    { class: "field" },
    element("label", { for: "label" }, words.label),
    element("p", { id: "label-hint", class: "hint" }, words.labelHint),
    input,
    error,
  );
  const read = () => {
    const label = input.value.trim();
    const isName = label !== "" && !/\p{Cc}/u.test(label) && utf8(label).length <= MAX_LABEL_BYTES;
    error.textContent = isName ? "" : words.labelBad;
    input.setAttribute("aria-invalid", String(!isName));
    if (isName) return label;
    input.focus();
    return undefined;
  };
  return { field, read };
}
