import assert from "node:assert/strict";
import { test } from "node:test";

import { chooseWords } from "../site/js/words.js";

const english = chooseWords(["en"]).words;
const german = chooseWords(["de"]).words;

test("the first language that is asked for and exists is spoken", () => {
  /** @type {[string[][], string, string][]} */
  const cases = [
    [[], "en", "en"],
    [[["de-AT"], ["en"]], "de", "de-AT"],
    [[[], ["fr", "en-GB", "de"]], "en", "en-GB"],
    [[["fr"], ["de"]], "de", "de"],
    [[["DE"]], "de", "DE"],
    [[["de-"], ["deu"], ["constructor"], ["en;q=1"]], "en", "en"],
    [[["de-x"]], "en", "en"],
    [[["de-aaaaaaaa-aaaaaaaa"]], "de", "de"],
  ];
  for (const [wishes, language, locale] of cases) {
    const chosen = chooseWords(...wishes);
    assert.deepEqual([chosen.words.language, chosen.locale], [language, locale], JSON.stringify(wishes));
  }
});

/**
 * @param {any} one
 * @param {any} other
 * @param {string} path
 */
function compare(one, other, path) {
  assert.equal(typeof one, typeof other, path);
  if (typeof one === "string") assert.ok(one.trim() !== "" && other.trim() !== "", path);
  if (typeof one === "function") {
    const words = /** @type {const} */ (["Anna", "Berta"]);
    for (const say of [one, other])
      for (const word of words.slice(0, say.length)) assert.match(String(say(...words)), new RegExp(word), path);
  }
  if (typeof one !== "object") return;
  assert.deepEqual(Object.keys(one).sort(), Object.keys(other).sort(), path);
  for (const key of Object.keys(one)) compare(one[key], other[key], `${path}.${key}`);
}

test("both languages say the same things, and use what they are told", () => {
  const { renewals: _r, secondsAgo: _s, indexQuorum: _q, language: _l, ...rest } = english;
  const { renewals: _t, secondsAgo: _u, indexQuorum: _v, language: _w, ...others } = german;
  compare(rest, others, "words");
  for (const { renewals, secondsAgo, indexQuorum } of [english, german]) {
    assert.match(renewals(1), /^1 \S+$/);
    assert.match(renewals(12), /^12 /);
    assert.match(secondsAgo(7), /7/);
    assert.doesNotMatch(secondsAgo(1), /1/);
    assert.notEqual(indexQuorum(3, 3), indexQuorum(2, 3));
  }
});
