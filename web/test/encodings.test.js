import assert from "node:assert/strict";
import { test } from "node:test";

import { fromBase64, fromBase64url, fromBase64urlOf, toBase64, toBase64url } from "../site/js/base64.js";
import { compare, decimal, fromU64be, fromUtf8, hex, u64be, utf8 } from "../site/js/bytes.js";
import { decode, encode, present } from "../site/js/cbor.js";
import * as domain from "../site/js/domain.js";

/** @param {string} text */
const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

test("base64 has one text for each byte string", () => {
  for (const length of [0, 1, 2, 3, 31, 32, 33, 64]) {
    const value = crypto.getRandomValues(new Uint8Array(length));
    assert.deepEqual(fromBase64(toBase64(value)), value);
    assert.deepEqual(fromBase64url(toBase64url(value)), value);
  }
  for (const bad of ["A", "AA", "AA=", "AB==", "AAB=", "AA==\n", " AA==", "AA-=", "=", "AAAA=", "A=A="]) {
    assert.throws(() => fromBase64(bad), `base64 ${JSON.stringify(bad)}`);
  }
  for (const bad of ["A", "AB", "AAB", "AA==", "A+", "A/AA", "AA\n", "AAAAA", "ä"]) {
    assert.throws(() => fromBase64url(bad), `base64url ${JSON.stringify(bad)}`);
  }
  assert.throws(() => fromBase64urlOf("AAAA", 2));
});

test("text has one encoding", () => {
  assert.equal(fromUtf8(utf8("\ufeffä€😀")), "\ufeffä€😀");
  for (const bad of ["c080", "ff", "eda080", "f4908080", "e282"]) assert.throws(() => fromUtf8(bytes(bad)), bad);
  assert.throws(() => utf8("\ud800"));
  assert.throws(() => utf8("a\udc00b"));
});

test("numbers have one encoding", () => {
  assert.equal(hex(u64be(0x0102030405)), "0000000102030405");
  assert.equal(fromU64be(u64be(Number.MAX_SAFE_INTEGER)), Number.MAX_SAFE_INTEGER);
  assert.throws(() => fromU64be(bytes("0020000000000000")));
  for (const bad of [-1, 0.5, NaN, 2 ** 53]) assert.throws(() => u64be(bad));
  assert.equal(decimal("0"), 0);
  assert.equal(decimal("9007199254740991"), Number.MAX_SAFE_INTEGER);
  for (const bad of ["", "00", "01", "-1", "+1", "1.0", "1e3", " 1", "9007199254740992", "0x1"]) {
    assert.throws(() => decimal(bad), bad);
  }
});

/** Examples of RFC 8949 appendix A and of the Rust crate's own tests. */
const CANONICAL = /** @type {[any, string][]} */ ([
  [0, "00"],
  [23, "17"],
  [24, "1818"],
  [255, "18ff"],
  [256, "190100"],
  [65535, "19ffff"],
  [65536, "1a00010000"],
  [4294967295, "1affffffff"],
  [4294967296, "1b0000000100000000"],
  [1000000000000, "1b000000e8d4a51000"],
  [18446744073709551615n, "1bffffffffffffffff"],
  [-1, "20"],
  [-7, "26"],
  [-257, "390100"],
  [-18446744073709551616n, "3bffffffffffffffff"],
  [false, "f4"],
  [true, "f5"],
  ["", "60"],
  ["ü", "62c3bc"],
  ["𐅑", "64f0908591"],
  [new Uint8Array(0), "40"],
  [bytes("01020304"), "4401020304"],
  [[], "80"],
  [[1, [2, 3], [4, 5]], "8301820203820405"],
  [new Map(), "a0"],
  [new Map(Object.entries({ v: 1, iss: "x", scope: "a" })), "a36176016369737361786573636f70656161"],
  [
    new Map(
      /** @type {[any, any][]} */ ([
        [0, 1],
        [2, bytes("07")],
      ]),
    ),
    "a20001024107",
  ],
  [
    new Map(
      /** @type {[any, any][]} */ ([
        ["aa", 1],
        ["b", 2],
        [100, 3],
        [-1, 4],
        [10, 5],
      ]),
    ),
    "a50a05186403200461620262616101",
  ],
]);

test("canonical CBOR is written and read back", () => {
  for (const [value, expected] of CANONICAL) {
    assert.equal(hex(encode(value)), expected);
    assert.deepEqual(decode(bytes(expected)), value, expected);
    assert.equal(hex(encode(decode(bytes(expected)))), expected);
  }
  assert.equal(
    hex(
      encode(
        present([
          ["a", undefined],
          ["b", 1],
        ]),
      ),
    ),
    "a1616201",
  );
});

test("every other form of CBOR is refused", () => {
  const refused = {
    nothing: "",
    "integer not in its shortest form, 1 byte": "1817",
    "integer not in its shortest form, 2 bytes": "1900ff",
    "integer not in its shortest form, 4 bytes": "1a0000ffff",
    "integer not in its shortest form, 8 bytes": "1b00000000ffffffff",
    "negative integer not in its shortest form": "3800",
    "length not in its shortest form": "5801aa",
    "text length not in its shortest form": "780161",
    "array length not in its shortest form": "980100",
    "map length not in its shortest form": "b8010001",
    "trailing byte": "0000",
    "members out of order": "a20241070001",
    "member twice": "a200010001",
    "text keys by length first": "a262616101616202",
    "indefinite bytes": "5f4107ff",
    "indefinite text": "7f6161ff",
    "indefinite array": "9f00ff",
    "indefinite map": "bf0001ff",
    "reserved additional information": "1c",
    null: "f6",
    undefined: "f7",
    "simple value": "e0",
    "simple value of two bytes": "f8ff",
    "half float": "f93c00",
    "single float": "fa3f800000",
    "double float": "fb3ff0000000000000",
    "break alone": "ff",
    tag: "c000",
    bignum: "c249010000000000000000",
    "bytes cut short": "4201",
    "text that is not UTF-8": "61ff",
    "text with half a character": "63eda080",
    "array cut short": "8200",
    "map cut short": "a100",
    "array of more members than bytes": "9b7fffffffffffffff",
    "bytes key": "a1410001",
    "boolean key": "a1f401",
    "array key": "a18001",
    "too deep": "81".repeat(17) + "00",
  };
  for (const [what, text] of Object.entries(refused)) assert.throws(() => decode(bytes(text)), /malformed/, what);
  assert.doesNotThrow(() => decode(bytes("81".repeat(16) + "00")));
});

test("values without an encoding are refused", () => {
  for (const bad of [1.5, NaN, 2 ** 53, null, undefined, {}, new Map([["a", undefined]]), 1n << 64n, "\ud800"]) {
    assert.throws(() => encode(/** @type {any} */ (bad)));
  }
});

test("random bytes either are canonical or are refused", () => {
  for (let round = 0; round < 20000; round += 1) {
    const random = crypto.getRandomValues(new Uint8Array(1 + (round % 12)));
    try {
      assert.equal(hex(encode(decode(random))), hex(random));
    } catch (error) {
      assert.match(String(error), /malformed/);
    }
  }
});

test("domain strings are distinct, end in NUL, and none begins another", () => {
  const all = Object.values(domain);
  for (const one of all) {
    assert.equal(one.at(-1), 0);
    assert.match(fromUtf8(one.slice(0, -1)), /^quorate\/[a-z-]+\/v1$/);
    const begins = all.filter((other) => compare(other.slice(0, one.length), one) === 0);
    assert.equal(begins.length, 1);
  }
});
