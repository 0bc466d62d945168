/**
 * pith-verify: checks pith documents in a browser or in Node 18 and later.
 *
 * A second implementation of the pith protocol, written from its text and sharing no code with
 * the first. It has no dependencies, keeps nothing between calls, reads no clock and fetches
 * nothing: bytes and the verifier's terms go in, a report comes out. Section numbers are those
 * of docs/protocol.md. Signatures and SHA-256 are WebCrypto's, so whatever needs one is async.
 *
 *     import { parsePin, verifyBundle } from "./pith-verify.js";
 *
 *     const pin = await parsePin(pinFileBytes, "pith.science.json");
 *     const report = await verifyBundle(bundleBytes, { pins: [pin], at: new Date() });
 *     report.ok;       // true only when every check is ok and every verdict valid or proven
 *     report.checks;   // [{ name, status: "ok" | "fail" | "skipped", code, path, reason }]
 *
 * What a stranger's bytes can cause is a failed check, or a PithError where a function says so;
 * any other exception is a defect, or a platform without Ed25519 (see `missing`).
 *
 * verifyBundle, verifyEvent, verifyReceipt, verifyKeySet, verifySigners, verifyEvidence
 *                                                          whole documents -> report
 * parsePin, keyPin                                         what trust starts from
 * verifyChain, followKeySet, verifySignersChain, verifyEnrolment    keys over time
 * numberOf, parseRecord, merge, stateOf, bindSigners       parts of the work
 * readJson, canonical, digest, verifySignature             bytes
 */

/** A failure that a stranger's bytes can cause. `code` names the rule that was broken
 * ("number.form", "event.signature"), `path` is the JSON path of the value, or "". */
export class PithError extends Error {
  constructor(code, message, path = "") {
    super(message);
    this.name = "PithError";
    this.code = code;
    this.path = path;
  }
}

const subtle = (globalThis.crypto ?? (await import("node:crypto")).webcrypto).subtle;

/** Why this platform cannot verify ("no WebCrypto: the page must come over https"), or null. */
export async function missing() {
  if (subtle === undefined) return "no WebCrypto: the page must come over https";
  try {
    await subtle.importKey("raw", BASE_POINT, { name: "Ed25519" }, false, ["verify"]);
    return null;
  } catch {
    return "this WebCrypto has no Ed25519: use a newer browser";
  }
}

// -- bytes ----------------------------------------------------------------------------------

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

const base64Of = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

const sha256 = async (bytes) => new Uint8Array(await subtle.digest("SHA-256", bytes));

/** A little-endian number, as Ed25519 writes them. */
const littleEndian = (bytes) => BigInt("0x" + hexOf(Uint8Array.from(bytes).reverse()));

/** Below, equal or above zero as `a` stands before, at or after `b`. */
function compareBytes(a, b) {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

const compareText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** RFC 4648 base32 of the first 130 bits, in 26 characters. */
function base32Prefix(bytes) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = Array.from(bytes.subarray(0, 17), (b) => b.toString(2).padStart(8, "0")).join("");
  return Array.from({ length: 26 }, (_, i) => alphabet[parseInt(bits.slice(5 * i, 5 * i + 5), 2)])
    .join("");
}

/** A foreign value as it stands in a message: quoted, escaped to ASCII, cut. */
function shown(value) {
  const text = typeof value === "string" ? value : canonicalText(value ?? null, 1);
  const cut = text.length > 80 ? text.slice(0, 79) + "…" : text;
  return JSON.stringify(cut).replace(
    /[^ -~…]/g,
    (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

// -- 1. Canonical bytes ---------------------------------------------------------------------

const MAX_INTEGER = Number.MAX_SAFE_INTEGER; // 2^53 - 1
const MAX_DEPTH = 64;
const MAX_MEMBERS = 10_000;

/** How much one document may hold (J1, J4). */
const SMALL = { bytes: 1 << 20, values: 100_000 };
const KEY_SET = { bytes: 512 << 10, values: 100_000 };
const LARGE = { bytes: 16 << 20, values: 2_000_000 };

/** A number written with a fraction or an exponent. It is no integer, even where its value is
 * one: 2.0 has the canonical bytes of 2 and is refused where an integer must stand (J9). */
export class Fraction {
  constructor(value) {
    this.value = value;
  }

  toJSON() {
    return this.value;
  }
}

const FORBIDDEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff" +
    "\\ufdd0-\\ufdef" +
    Array.from({ length: 17 }, (_, plane) =>
      ["fffe", "ffff"].map((low) => `\\u{${plane.toString(16)}${low}}`).join("")).join("") +
    "]",
  "u",
);

/** A recursive descent over the decoded text; see `readJson`. */
class JsonReader {
  constructor(text, limits, inRecord) {
    this.text = text;
    this.limits = limits;
    this.inRecord = inRecord;
    this.place = 0;
    this.values = 0;
    this.trail = [];
  }

  refuse(code, message) {
    const steps = this.trail.map((step) =>
      typeof step === "number" ? `[${step}]` : /^[A-Za-z0-9_]{1,64}$/.test(step) ? `.${step}`
        : `.${shown(step)}`);
    return new PithError(`json.${code}`, message, steps.length ? "$" + steps.join("") : "");
  }

  syntax() {
    return this.refuse("syntax", `not JSON at character ${this.place}`);
  }

  /** The whole text: one object, and white space around it. */
  document() {
    this.space();
    const first = this.text[this.place];
    const value = this.value(0);
    this.space();
    if (this.place < this.text.length) {
      throw this.refuse("single", `something follows the value at character ${this.place}`);
    }
    if (first !== "{") throw this.refuse("single", "the top level is not a JSON object");
    return value;
  }

  space() {
    while (" \t\n\r".includes(this.text[this.place] ?? "x")) this.place++;
  }

  /** Goes over *text* where it stands here, and says whether it does. */
  take(text) {
    const found = this.text.startsWith(text, this.place);
    if (found) this.place += text.length;
    return found;
  }

  match(sticky) {
    sticky.lastIndex = this.place;
    const found = sticky.exec(this.text);
    if (found !== null) this.place = sticky.lastIndex;
    return found;
  }

  value(depth) {
    this.values++;
    if (this.values > this.limits.values) {
      throw this.refuse("values", `over ${this.limits.values} values`);
    }
    const first = this.text[this.place];
    if (first === "{" || first === "[") {
      if (depth === MAX_DEPTH) throw this.refuse("depth", `nested deeper than ${MAX_DEPTH}`);
      return first === "{" ? this.object(depth + 1) : this.list(depth + 1);
    }
    if (first === '"') return this.string();
    if (this.take("true")) return true;
    if (this.take("false")) return false;
    if (this.take("null")) return null;
    return this.number();
  }

  object(depth) {
    const members = Object.create(null);
    let count = 0;
    let twice = null;
    this.place++;
    this.space();
    if (this.take("}")) return members;
    do {
      this.space();
      if (this.text[this.place] !== '"') throw this.syntax();
      const name = this.string();
      this.space();
      if (!this.take(":")) throw this.syntax();
      this.space();
      this.trail.push(name);
      if (name in members) twice ??= name;
      members[name] = this.value(depth);
      this.trail.pop();
      count++;
      this.space();
    } while (this.take(","));
    if (!this.take("}")) throw this.syntax();
    if (twice !== null) throw this.refuse("duplicate", `duplicate member ${shown(twice)}`);
    if (count > MAX_MEMBERS) {
      throw this.refuse("members", `object with over ${MAX_MEMBERS} members`);
    }
    return members;
  }

  list(depth) {
    const items = [];
    this.place++;
    this.space();
    if (this.take("]")) return items;
    do {
      this.space();
      this.trail.push(items.length);
      items.push(this.value(depth));
      this.trail.pop();
      this.space();
    } while (this.take(","));
    if (!this.take("]")) throw this.syntax();
    return items;
  }

  string() {
    this.place++;
    let text = "";
    for (;;) {
      text += this.match(/[^"\\\u0000-\u001f]*/y)[0];
      if (this.take('"')) break;
      if (!this.take("\\")) throw this.syntax();
      text += this.escape();
    }
    if (/\p{Surrogate}/u.test(text)) throw this.refuse("surrogate", "lone surrogate");
    if (this.inRecord && FORBIDDEN.test(text)) {
      throw this.refuse("character", "forbidden character");
    }
    return text;
  }

  escape() {
    const simple = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
    const found = this.match(/u([0-9a-fA-F]{4})|["\\/bfnrt]/y);
    if (found === null) throw this.syntax();
    return found[1] === undefined ? simple[found[0]] : String.fromCharCode(parseInt(found[1], 16));
  }

  number() {
    if (this.match(/NaN|-?Infinity/y)) throw this.refuse("finite", "NaN and Infinity are not JSON");
    const found = this.match(/-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y);
    if (found === null) throw this.syntax();
    const [token, fraction, exponent] = found;
    const plain = fraction === undefined && exponent === undefined;
    if (this.inRecord && (!plain || token === "-0")) {
      throw this.refuse("integer", `${shown(token)} in a record is not a plain integer`);
    }
    const number = Number(token);
    if (!plain && !Number.isFinite(number)) {
      throw this.refuse("finite", `${shown(token)} overflows`);
    }
    if (number === 0 && /[1-9]/.test(token.split(/[eE]/)[0])) {
      throw this.refuse("finite", `${shown(token)} underflows to zero`);
    }
    if (Math.abs(number) > MAX_INTEGER || (Math.abs(number) === MAX_INTEGER && isBeyond(token))) {
      throw this.refuse("range", `${shown(token)} is beyond 2^53-1`);
    }
    return plain ? number + 0 : new Fraction(number);
  }
}

/** Whether a token whose double is ±(2^53-1) is, digit by digit, beyond it. */
function isBeyond(token) {
  const [mantissa, exponent = "0"] = token.replace(/^-/, "").split(/[eE]/);
  const [whole, fraction = ""] = mantissa.split(".");
  const digits = (whole + fraction).replace(/^0*/, "");
  const zeros = (whole + fraction).length - digits.length;
  const places = whole.length + Number(exponent) - zeros; // the value is 0.digits * 10^places
  const limit = String(MAX_INTEGER);
  if (places !== limit.length) return places > limit.length;
  const head = digits.slice(0, limit.length).padEnd(limit.length, "0");
  return head > limit || (head === limit && /[1-9]/.test(digits.slice(limit.length)));
}

/**
 * Reads one JSON object strictly (J1 to J11): `bytes` is a Uint8Array.
 *
 * Objects come out without a prototype, integers as numbers, every other number as a Fraction.
 * `limits` is the cap of its kind, `inRecord` adds the rules for records (J7, J8). Throws a
 * PithError whose code is the rule: json.size, json.utf8, json.syntax, json.single, json.depth,
 * json.members, json.values, json.duplicate, json.surrogate, json.range, json.finite,
 * json.character, json.integer.
 */
export function readJson(bytes, { limits = SMALL, inRecord = false } = {}) {
  if (bytes.length > limits.bytes) {
    throw new PithError("json.size", `${bytes.length} bytes are over the cap of ${limits.bytes}`);
  }
  if (compareBytes(bytes.subarray(0, 3), [0xef, 0xbb, 0xbf]) === 0) {
    throw new PithError("json.utf8", "byte order mark before the JSON");
  }
  if (bytes.subarray(0, 4).includes(0)) {
    throw new PithError("json.utf8", "not UTF-8 but UTF-16 or UTF-32");
  }
  return new JsonReader(utf8(bytes), limits, inRecord).document();
}

function utf8(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new PithError("json.utf8", "not UTF-8");
  }
}

/** The RFC 8785 bytes of a value that `readJson` gave, or of plain I-JSON. */
export const canonical = (value) => encoder.encode(canonicalText(value));

function canonicalText(value, depth = 1) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return canonicalString(value);
  if (typeof value === "number") return canonicalNumber(value);
  if (value instanceof Fraction) return canonicalNumber(value.value);
  if (typeof value !== "object") throw new PithError("json.type", `a ${typeof value} is not JSON`);
  if (depth > MAX_DEPTH) throw new PithError("json.depth", `nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) {
    return `[${value.map((item) => canonicalText(item, depth + 1)).join(",")}]`;
  }
  // RFC 8785 section 3.2.3: names in the order of their UTF-16 code units, which is JavaScript's.
  const members = Object.keys(value).sort().map((name) =>
    `${canonicalString(name)}:${canonicalText(value[name], depth + 1)}`);
  return `{${members.join(",")}}`;
}

function canonicalString(text) {
  if (/\p{Surrogate}/u.test(text)) throw new PithError("json.surrogate", "lone surrogate");
  return JSON.stringify(text);
}

function canonicalNumber(number) {
  if (!Number.isFinite(number)) throw new PithError("json.finite", `${number} is not JSON`);
  if (Math.abs(number) > MAX_INTEGER) {
    throw new PithError("json.range", `${number} is beyond 2^53-1`);
  }
  return String(number);
}

const equalJson = (a, b) => canonicalText(a) === canonicalText(b);

/** SHA-256 of the canonical bytes: a Uint8Array of 32. */
export const digest = (value) => sha256(canonical(value));

/** The bytes of a signed message that has the prefix of its kind (9.3). */
const prefixed = (prefix, value) => encoder.encode(`${prefix}\n${canonicalText(value)}`);

/** An object without some of its members. */
function without(value, ...names) {
  const kept = Object.create(null);
  for (const name of Object.keys(value)) if (!names.includes(name)) kept[name] = value[name];
  return kept;
}

// -- closed schemas: each function passes one value and returns it, or throws ----------------

const MAX_TEXT = 4096;

const isObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value)
  && !(value instanceof Fraction);

function wrongType(value, wanted, path) {
  return new PithError("schema.type", `${shown(value)} is not ${wanted}`, path);
}

/** An object with exactly the members of `names`, a list. */
function closed(value, names, path) {
  const members = mapping(value, path);
  const found = Object.keys(members);
  if (found.length !== names.length || !names.every((name) => name in members)) {
    const lost = names.filter((name) => !(name in members));
    const more = found.filter((name) => !names.includes(name)).slice(0, 5).map(shown);
    const told = `missing [${lost.join(", ")}], unknown [${more.join(", ")}]`;
    throw new PithError("schema.members", `members are not those of its kind: ${told}`, path);
  }
  return members;
}

function mapping(value, path) {
  if (!isObject(value)) throw wrongType(value, "an object", path);
  return value;
}

function list(value, path) {
  if (!Array.isArray(value)) throw wrongType(value, "a list", path);
  return value;
}

function text(value, path, limit = MAX_TEXT) {
  if (typeof value !== "string") throw wrongType(value, "text", path);
  if (value.length > limit && [...value].length > limit) {
    throw new PithError("schema.length", `text of over ${limit} characters`, path);
  }
  return value;
}

const optional = (check) => (value, path) => (value === null ? null : check(value, path));

/** A plain integer: neither true (J11) nor 2.0 (J9). */
function integer(value, path) {
  if (typeof value !== "number") throw wrongType(value, "an integer", path);
  return value;
}

function oneOf(value, allowed, path) {
  if (typeof value !== "string" || !allowed.includes(value)) {
    const told = allowed.length === 1 ? `where only ${allowed[0]} may` : "where only others may";
    throw new PithError("schema.constant", `${shown(value)} stands ${told}`, path);
  }
  return value;
}

/** Members that may each hold one string only. */
function constants(members, wanted, path) {
  for (const [name, only] of Object.entries(wanted)) {
    oneOf(members[name], [only], `${path}.${name}`);
  }
}

const matching = (pattern, code, wanted) => (value, path) => {
  if (typeof value !== "string" || !pattern.test(value)) {
    throw new PithError(code, `${shown(value)} is not ${wanted}`, path);
  }
  return value;
};

const hex64 = matching(/^[0-9a-f]{64}$/, "schema.hex", "64 lower-case hex digits");
const hex32 = matching(/^[0-9a-f]{32}$/, "schema.hex", "32 lower-case hex digits");
const eventId = matching(/^sha256:[0-9a-f]{64}$/, "schema.event_id", "an event id");
const keyId = matching(/^[a-z0-9][a-z0-9.-]{2,63}$/, "schema.key_id", "a key id");
const partyName = matching(
  /^[A-Za-z0-9][A-Za-z0-9._:\/-]{0,127}$/, "schema.name", "a registry or signer id");

/** An https address without user, query, fragment or final slash. */
function baseUrl(value, path) {
  const label = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
  const pattern = new RegExp(
    `^https://${label}(?:\\.${label})*(?::([1-9][0-9]{0,4}))?` +
      "(?:/(?!\\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*$");
  const found = typeof value === "string" ? pattern.exec(value) : null;
  if (found === null || Number(found[1] ?? 1) > 65_535) {
    throw new PithError("schema.base_url", `${shown(value)} is not an https base URL`, path);
  }
  return value;
}

/** Bytes in the one base64 spelling that re-encodes to itself; of `length` where it is given. */
function base64(value, path, length = null) {
  let bytes = null;
  try {
    bytes = Uint8Array.from(atob(value), (char) => char.charCodeAt(0));
  } catch {
    // refused below, like every other spelling
  }
  const plain = typeof value === "string" && bytes !== null && base64Of(bytes) === value;
  if (!plain || (length === null ? bytes.length === 0 : bytes.length !== length)) {
    const wanted = length === null ? "bytes" : `${length} bytes`;
    throw new PithError("schema.base64", `${shown(value)} is not ${wanted} in plain base64`, path);
  }
  return bytes;
}

// -- times: microseconds since 1970-01-01T00:00:00Z, as BigInt -------------------------------

const SECOND = 1_000_000n;
const DAY = 86_400n * SECOND;

const isLeap = (year) => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

/** Days from 1970-01-01 to a date; Date.UTC would take the years 0 to 99 for the 1900s. */
function daysOf(year, month, day) {
  const past = year - 1;
  const leaps = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
  const before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month - 1];
  return past * 365 + leaps + before + (month > 2 && isLeap(year) ? 1 : 0) + day - 1 - 719_162;
}

function parseTime(value, digits) {
  const tail = digits ? `\\.([0-9]{${digits}})` : "()";
  const shape = new RegExp(
    `^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})${tail}Z$`);
  const found = typeof value === "string" ? shape.exec(value) : null;
  if (found === null) return null;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const days = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  if (year < 1 || days === undefined || day < 1 || day > days) return null;
  if (hour > 23 || minute > 59 || second > 59) return null;
  const seconds = daysOf(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
  return BigInt(seconds) * SECOND + BigInt(found[7] || 0);
}

const timeWith = (digits, wanted) => (value, path) => {
  const moment = parseTime(value, digits);
  if (moment === null) throw new PithError("schema.time", `${shown(value)} is not ${wanted}`, path);
  return moment;
};

const seconds = timeWith(0, "a time like 2026-01-31T12:00:00Z");
const micros = timeWith(6, "a time like 2026-01-31T12:00:00.000000Z");

/** A moment cut to whole seconds. */
function whole(moment) {
  const rest = ((moment % SECOND) + SECOND) % SECOND;
  return moment - rest;
}

const timeText = (moment) => {
  // toISOString writes the years 0001 to 9999 with four digits, as the protocol does.
  return new Date(Number(whole(moment) / 1000n)).toISOString().replace(".000Z", "Z");
};

// -- 2. Canonical record --------------------------------------------------------------------

const ARXIV_PREFIXES = ["arxiv:", "10.48550/arxiv.", "doi:10.48550/arxiv.",
  "https://doi.org/10.48550/arxiv.", "https://arxiv.org/abs/"];

function isArxivId(value) {
  const recent = /^([0-9]{2}(?:0[1-9]|1[0-2]))\.([0-9]{4,5})$/.exec(value);
  if (recent !== null) {
    const [, month, number] = recent;
    const inItsTime = number.length === 5 ? month >= "1501" : month >= "0704" && month <= "1412";
    return Number(number) > 0 && inItsTime;
  }
  const old = /^[a-z]+(?:-[a-z]+)*\/([0-9]{2}(?:0[1-9]|1[0-2]))([0-9]{3})$/.exec(value);
  return old !== null && Number(old[2]) > 0 && (old[1] >= "9101" || old[1] <= "0703");
}

/** Kinds of sources: what an id looks like, the aliases of one id and version, and how people
 * type it, as [id, version or null]. */
const SOURCE_KINDS = {
  arxiv: {
    isId: isArxivId,
    aliases: (id, version) => [
      ["arxiv", id], ["arxiv_version", `${id}v${version}`], ["doi", `10.48550/arxiv.${id}`]],
    reference: (typed) => {
      const lower = typed.toLowerCase();
      const prefix = ARXIV_PREFIXES.find((each) => lower.startsWith(each)) ?? "";
      const rest = lower.slice(prefix.length);
      const found = /^(.+?)v([1-9][0-9]{0,3})$/.exec(rest);
      const [id, version] = found === null ? [rest, null] : [found[1], Number(found[2])];
      return isArxivId(id) ? [id, version] : null;
    },
  },
};

function parseSource(value, path) {
  const members = closed(value, ["kind", "id", "version"], path);
  const kind = text(members.kind, `${path}.kind`);
  if (!Object.hasOwn(SOURCE_KINDS, kind)) {
    throw new PithError("source.kind", `unknown source kind ${shown(kind)}`, `${path}.kind`);
  }
  const id = text(members.id, `${path}.id`);
  if (!SOURCE_KINDS[kind].isId(id)) {
    throw new PithError("source.id", `${shown(id)} is not an id of ${kind}`, `${path}.id`);
  }
  const version = integer(members.version, `${path}.version`);
  if (version < 1 || version > 9999) {
    throw new PithError("source.version", `${version} is not 1 to 9999`, `${path}.version`);
  }
  return { kind, id, version };
}

const METADATA = ["license", "primary_cat", "submitted_at", "cross_cats_sorted",
  "title_canon_sha256", "abstract_canon_sha256"];

const category = matching(
  /^[!-~]{1,64}$/, "record.category", "a category (1 to 64 visible ASCII characters)");

function crossCategories(value, primary, path) {
  const refuse = (told) => new PithError("record.cross_cats", told, path);
  if (list(value, path).length > 64) throw refuse("over 64 categories");
  value.forEach((name, i) => {
    category(name, `${path}[${i}]`);
    if (i > 0 && name <= value[i - 1]) throw refuse("categories are not sorted without repeats");
  });
  if (value.includes(primary)) throw refuse("the primary category stands among the others");
  return value;
}

/**
 * Checks a record that was read from JSON. Gives {source, value, canonical, sha256, year, number,
 * short, aliases}: `canonical` a Uint8Array, `sha256` in hex, `aliases` pairs [kind, value].
 */
export async function parseRecord(value, path = "$") {
  const members = closed(value, ["source", "metadata", "schema_version"], path);
  oneOf(members.schema_version, ["1.0"], `${path}.schema_version`);
  const at = `${path}.metadata`;
  const metadata = closed(members.metadata, METADATA, at);
  const primary = category(metadata.primary_cat, `${at}.primary_cat`);
  const source = parseSource(members.source, `${path}.source`);
  seconds(metadata.submitted_at, `${at}.submitted_at`);
  text(metadata.license, `${at}.license`);
  crossCategories(metadata.cross_cats_sorted, primary, `${at}.cross_cats_sorted`);
  hex64(metadata.title_canon_sha256, `${at}.title_canon_sha256`);
  hex64(metadata.abstract_canon_sha256, `${at}.abstract_canon_sha256`);
  if (FORBIDDEN.test(metadata.license)) {
    throw new PithError("json.character", "forbidden character", `${at}.license`);
  }
  const bytes = canonical(value);
  const hash = await sha256(bytes);
  const named = nameOf(base32Prefix(hash), metadata.submitted_at.slice(0, 4));
  const aliases = [...SOURCE_KINDS[source.kind].aliases(source.id, source.version),
    ...shortAliases(named.suffix)].sort(([a], [b]) => compareText(a, b));
  return { source, value, canonical: bytes, sha256: hexOf(hash), aliases, ...named };
}

// -- 3. Pith number, 4. Aliases -------------------------------------------------------------

const nameOf = (suffix, year) =>
  ({ suffix, year, number: `pith:${year}:${suffix}`, short: `pith:${suffix.slice(0, 8)}` });

const shortAliases = (suffix) => [12, 16, 8].map((n) => [`pith_short_${n}`, suffix.slice(0, n)]);

/** Reads a full number in its one spelling. Gives {number, year, suffix, short}. */
function parseNumber(value) {
  const found = typeof value === "string" ? /^pith:([0-9]{4}):([A-Z2-7]{26})$/.exec(value) : null;
  if (found === null) {
    throw new PithError("number.form", `malformed pith number ${shown(value)}`);
  }
  return nameOf(found[2], found[1]);
}

/** The pith number of a record, given as bytes of JSON: {number, short, sha256, aliases}.
 * Throws a PithError where they are no canonical record. */
export async function numberOf(bytes) {
  const { number, short, sha256, aliases } = await parseRecord(readJson(bytes, { inRecord: true }));
  return { number, short, sha256, aliases };
}

/** What a person types for a record: a number or a part of it, an arXiv id, a DOI. Gives
 * {prefix, year} or {kind, id, version}. Throws a PithError number.reference. */
function parseReference(typed) {
  const folded = /^[\x00-\x7f]*$/.test(typed)
    ? typed.replace(/^[\t-\r\x1c-\x20]+|[\t-\r\x1c-\x20]+$/g, "") : "";
  for (const [kind, { reference }] of Object.entries(SOURCE_KINDS)) {
    const found = reference(folded);
    if (found !== null) return { kind, id: found[0], version: found[1] };
  }
  const found = /^(?:PITH:)?(?:([0-9]{4}):)?([A-Z2-7]{8,26})$/.exec(folded.toUpperCase());
  if (found === null || ![8, 12, 16, 26].includes(found[2].length)) {
    throw new PithError("number.reference", `${shown(typed)} names no record`);
  }
  return { prefix: found[2], year: found[1] ?? null };
}

// -- 5. Keys --------------------------------------------------------------------------------

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (n) => ((n % P) + P) % P;

function power(base, exponent) {
  let result = 1n;
  for (let square = mod(base); exponent > 0n; exponent >>= 1n, square = (square * square) % P) {
    if (exponent & 1n) result = (result * square) % P;
  }
  return result;
}

const D = mod(-121665n * power(121666n, P - 2n));
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);
const BASE_POINT = Uint8Array.from([0x58, ...Array(31).fill(0x66)]);

/** RFC 8032 5.1.3: the point of 32 bytes in extended coordinates, or null for bytes that are
 * not the one encoding of a point. */
function decodePoint(bytes) {
  const encoded = littleEndian(bytes);
  const [sign, y] = [encoded >> 255n, encoded & (2n ** 255n - 1n)];
  if (y >= P) return null;
  const [u, v] = [mod(y * y - 1n), mod(D * y * y + 1n)];
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  if (mod(v * x * x) !== u) x = mod(x * ROOT_OF_MINUS_ONE);
  if (mod(v * x * x) !== u || (x === 0n && sign === 1n)) return null;
  if ((x & 1n) !== sign) x = P - x;
  return { x, y, z: 1n, t: mod(x * y) };
}

/** RFC 8032 5.1.4, the complete addition. */
function addPoints(p, q) {
  const a = mod((p.y - p.x) * (q.y - q.x));
  const b = mod((p.y + p.x) * (q.y + q.x));
  const c = mod(2n * p.t * D * q.t);
  const d = mod(2n * p.z * q.z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}

/** Whether 32 bytes are the canonical encoding of a point of order L. */
function isMainSubgroupPoint(bytes) {
  let point = bytes.length === 32 ? decodePoint(bytes) : null;
  if (point === null || (point.x === 0n && point.y === 1n)) return false;
  let total = { x: 0n, y: 1n, z: 1n, t: 0n };
  for (let n = L; n > 0n; n >>= 1n, point = addPoints(point, point)) {
    if (n & 1n) total = addPoints(total, point);
  }
  return total.x === 0n && total.y === total.z;
}

/** Whether R is one of the 14 encodings of the eight points of small order. Their y are 0, 1,
 * -1 and the roots of D y^4 + 2 y^2 - 1: doubling such a point gives y = 0. */
function isSmallOrder(bytes) {
  const square = mod((littleEndian(bytes) & (2n ** 255n - 1n)) ** 2n);
  return mod(square * (square - 1n) * (D * square * square + 2n * square - 1n)) === 0n;
}

/** A public key: {raw, hex, sha256, fingerprint, fingerprintB32, handle}, `handle` WebCrypto's.
 * Throws key.point for bytes that are not a canonical point of the main subgroup. */
async function publicKey(raw) {
  if (!isMainSubgroupPoint(raw)) {
    throw new PithError("key.point", `${hexOf(raw)} is no canonical point of the main subgroup`);
  }
  const hash = await sha256(raw);
  const handle = await subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
  return { raw, hex: hexOf(raw), sha256: hexOf(hash), fingerprint: hexOf(hash).slice(0, 32),
    fingerprintB32: base32Prefix(hash), handle };
}

async function checkSignature(key, message, signature) {
  if (signature.length !== 64) {
    throw new PithError("signature.length", `signature of ${signature.length} bytes, not 64`);
  }
  if (isSmallOrder(signature.subarray(0, 32))) {
    throw new PithError("signature.small_order", "R of the signature has small order");
  }
  if (littleEndian(signature.subarray(32)) >= L) {
    throw new PithError("signature.malleable", "S of the signature is not below the group order");
  }
  if (!(await subtle.verify({ name: "Ed25519" }, key.handle, signature, message))) {
    throw new PithError("signature.wrong", "signature does not verify");
  }
}

/** Checks that a key of 32 bytes made a signature over a message, as strictly as section 9.5.
 * Throws a PithError key.point, signature.length, .small_order, .malleable or .wrong. */
export async function verifySignature(rawKey, message, signature) {
  await checkSignature(await publicKey(rawKey), message, signature);
}

const KEY_MEMBERS = ["key_id", "algorithm", "format", "public_key_b64", "public_key_hex",
  "fingerprint_sha256_b32_first128bits", "fingerprint_sha256_hex", "rotates_at", "url", "notes"];
const PARTY_TYPES = ["author", "mirror", "third_party"];

/** A key object: {keyId, key, signerId, signerType}, the last two null for a registry's own. */
async function parseKeyObject(value, path) {
  const isParty = isObject(value) && ("signer_id" in value || "signer_type" in value);
  const names = isParty ? [...KEY_MEMBERS, "signer_id", "signer_type"] : KEY_MEMBERS;
  const members = closed(value, names, path);
  constants(members, { algorithm: "ed25519", format: "raw" }, path);
  base64(members.public_key_b64, `${path}.public_key_b64`, 32);
  const key = await publicKey(fromHex(hex64(members.public_key_hex, `${path}.public_key_hex`)));
  const own = { public_key_b64: base64Of(key.raw), fingerprint_sha256_hex: key.fingerprint,
    fingerprint_sha256_b32_first128bits: key.fingerprintB32 };
  for (const [name, wanted] of Object.entries(own)) {
    if (members[name] !== wanted) {
      throw new PithError("key.fields", `${name} is not that of the key`, `${path}.${name}`);
    }
  }
  keyId(members.key_id, `${path}.key_id`);
  optional(seconds)(members.rotates_at, `${path}.rotates_at`);
  text(members.url, `${path}.url`);
  text(members.notes, `${path}.notes`);
  return { keyId: members.key_id, key,
    signerId: isParty ? partyName(members.signer_id, `${path}.signer_id`) : null,
    signerType: isParty ? oneOf(members.signer_type, PARTY_TYPES, `${path}.signer_type`) : null };
}

// -- 6. Receipt v0.3 ------------------------------------------------------------------------

const RECEIPT = ["kind", "key_id", "algorithm", "signed_at", "signature_b64", "signed_message",
  "builder_version", "receipt_version", "canonical_sha256", "last_reissued_at",
  "signature_status", "first_computed_at", "public_key_fingerprint"];

function parseReceipt(value, path) {
  const members = closed(value, RECEIPT, path);
  constants(members, { kind: "pith_receipt", algorithm: "ed25519",
    signed_message: "canonical_sha256_bytes", receipt_version: "0.3",
    signature_status: "signed_v1" }, path);
  if (members.builder_version === "") {
    throw new PithError("schema.length", "builder_version is empty", `${path}.builder_version`);
  }
  const receipt = {
    keyId: keyId(members.key_id, `${path}.key_id`),
    fingerprint: hex32(members.public_key_fingerprint, `${path}.public_key_fingerprint`),
    sha256: hex64(members.canonical_sha256, `${path}.canonical_sha256`),
    signature: base64(members.signature_b64, `${path}.signature_b64`, 64),
    builder: text(members.builder_version, `${path}.builder_version`, 128),
    firstComputedAt: micros(members.first_computed_at, `${path}.first_computed_at`),
    lastReissuedAt: micros(members.last_reissued_at, `${path}.last_reissued_at`),
    signedAt: micros(members.signed_at, `${path}.signed_at`),
  };
  const { firstComputedAt, lastReissuedAt, signedAt } = receipt;
  if (firstComputedAt > lastReissuedAt || lastReissuedAt > signedAt) {
    throw new PithError("receipt.times", "the three times are out of order", path);
  }
  return receipt;
}

async function checkReceipt(receipt, record, key) {
  if (receipt.sha256 !== record.sha256) {
    throw new PithError("receipt.record", `the receipt is of ${receipt.sha256}`);
  }
  if (receipt.fingerprint !== key.fingerprint) {
    throw new PithError("receipt.key", `the receipt names key ${receipt.fingerprint}`);
  }
  await checkSignature(key, fromHex(receipt.sha256), receipt.signature);
}

// -- 7. Event: what each type may say -------------------------------------------------------

const REGISTRY_SIGNER = "pith_registry";
const MAX_EVENT_BYTES = 64 << 10;
const EMPTY_LIST_SHA256 = "258153158e38e3291e3d48162225fcdb2d5a3ed65a07baac614ab91432fd4f57";
const GRAPH = ["paper", "claims", "source", "verdict", "references", "formal_canon",
  "author_claims", "builder_version"];
const ANCHOR = ["anchored_sha256", "proof_format", "proof_b64", "status", "anchored_at",
  "authority"];
const MIRROR_HINT = ["mirror_type", "name", "base_url", "bundle_url", "state_url",
  "well_known_bundle_url", "status"];
const RELATIONSHIPS = ["supports", "refutes", "extends", "uses_method", "depends_on", "replaces",
  "compares", "cites"];

const claimId = matching(
  /^[A-Za-z0-9._-]{1,64}$/, "schema.claim_id", "a claim id (1 to 64 of A-Z a-z 0-9 . _ -)");

function filled(value, path, limit = MAX_TEXT) {
  if (text(value, path, limit) === "") throw new PithError("schema.empty", "empty text", path);
  return value;
}

function httpsUrl(value, path) {
  const label = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
  const pattern = new RegExp(
    `^https://${label}(?:\\.${label})*(?::([1-9][0-9]{0,4}))?` +
      "(?:[/?#][A-Za-z0-9._~:/?#[\\]@!$&'()*+,;=%-]*)?$");
  const found = typeof value === "string" ? pattern.exec(value) : null;
  if (found === null || Number(found[1] ?? 1) > 65_535 || value.length > 2048) {
    throw new PithError("schema.url", `${shown(value)} is not an https URL`, path);
  }
  return value;
}

/** An ORCID, its last character the checksum of ISO 7064 MOD 11-2. */
function orcid(value, path) {
  const isFormed = typeof value === "string" && /^([0-9]{4}-){3}[0-9]{3}[0-9X]$/.test(value);
  const sum = isFormed
    ? value.slice(0, -1).replaceAll("-", "").split("").reduce((n, c) => (n + Number(c)) * 2, 0) : 0;
  if (!isFormed || "0123456789X"[(12 - (sum % 11)) % 11] !== value.at(-1)) {
    throw new PithError("schema.orcid", `${shown(value)} is not an ORCID`, path);
  }
  return value;
}

/** The name of a work: a full pith number, or a source's kind and id, with or without version. */
function work(value, path) {
  const found = typeof value === "string"
    ? /^([a-z]+):(.+?)(?:v[1-9][0-9]{0,3})?$/.exec(value) : null;
  if (found !== null && found[1] === "pith") return parseNumber(value);
  if (found === null || !Object.hasOwn(SOURCE_KINDS, found[1])
      || !SOURCE_KINDS[found[1]].isId(found[2])) {
    throw new PithError("schema.work", `${shown(value)} names no work`, path);
  }
  return value;
}

function checkRecordCreated(value, path) {
  const members = closed(value, ["canonical_record", "canonical_sha256", "receipt", "source_kind",
    "source_id", "source_version", "attestation_state"], path);
  mapping(members.canonical_record, `${path}.canonical_record`);
  hex64(members.canonical_sha256, `${path}.canonical_sha256`);
  mapping(members.receipt, `${path}.receipt`);
  text(members.source_kind, `${path}.source_kind`);
  text(members.source_id, `${path}.source_id`);
  integer(members.source_version, `${path}.source_version`);
  oneOf(members.attestation_state, ["computed"], `${path}.attestation_state`);
}

/** Decision 0004: inside its sections a snapshot is the publisher's, but for the one known
 * digest of a list that is there, whole and empty. */
function checkGraphSnapshot(value, path) {
  const members = closed(value, ["graph_snapshot", "verdict_id"], path);
  const at = `${path}.graph_snapshot`;
  const graph = closed(members.graph_snapshot, GRAPH, at);
  for (const name of GRAPH) {
    if (name === "source" || name === "builder_version") continue;
    const section = mapping(graph[name], `${at}.${name}`);
    if (!("snapshot_sha256" in section)) continue;
    const found = hex64(section.snapshot_sha256, `${at}.${name}.snapshot_sha256`);
    const isEmpty = section.count === 0 && Array.isArray(section.items) && !section.items.length;
    if (isEmpty && found !== EMPTY_LIST_SHA256) {
      throw new PithError("graph.snapshot_sha256", `${found} is not the digest of an empty list`,
        `${at}.${name}.snapshot_sha256`);
    }
  }
  parseSource(graph.source, `${at}.source`);
  text(graph.builder_version, `${at}.builder_version`, 128);
  optional(text)(members.verdict_id, `${path}.verdict_id`);
}

function checkAttestation(value, path) {
  const members = closed(
    value, ["claimant", "method", "strength", "statement", "evidence_url"], path);
  const claimant = closed(members.claimant, ["name", "orcid"], `${path}.claimant`);
  filled(claimant.name, `${path}.claimant.name`, 256);
  optional(orcid)(claimant.orcid, `${path}.claimant.orcid`);
  filled(members.method, `${path}.method`, 128);
  oneOf(members.strength, ["strong", "weak"], `${path}.strength`);
  filled(members.statement, `${path}.statement`);
  optional(httpsUrl)(members.evidence_url, `${path}.evidence_url`);
}

/** A closed timestamp proof; what it says of itself is not believed. */
function checkAnchor(value, path) {
  const members = closed(value, ANCHOR, path);
  hex64(members.anchored_sha256, `${path}.anchored_sha256`);
  oneOf(members.proof_format, ["rfc3161", "opentimestamps"], `${path}.proof_format`);
  base64(text(members.proof_b64, `${path}.proof_b64`, 16 * MAX_TEXT), `${path}.proof_b64`);
  oneOf(members.status, ["pending", "confirmed"], `${path}.status`);
  optional(seconds)(members.anchored_at, `${path}.anchored_at`);
  optional(text)(members.authority, `${path}.authority`);
}

function checkStorage(value, path) {
  const members = closed(
    value, ["archive", "source_url", "capture_url", "captured_at", "content_sha256"], path);
  filled(members.archive, `${path}.archive`, 128);
  httpsUrl(members.source_url, `${path}.source_url`);
  optional(httpsUrl)(members.capture_url, `${path}.capture_url`);
  seconds(members.captured_at, `${path}.captured_at`);
  hex64(members.content_sha256, `${path}.content_sha256`);
}

function checkCitation(value, path, subject) {
  const members = closed(value, ["citing", "cited", "relationship", "claim_id", "note"], path);
  work(members.citing, `${path}.citing`);
  work(members.cited, `${path}.cited`);
  if ((members.citing === subject.number) === (members.cited === subject.number)) {
    throw new PithError("event.citation", "not exactly one of the two is the subject", path);
  }
  oneOf(members.relationship, RELATIONSHIPS, `${path}.relationship`);
  optional(claimId)(members.claim_id, `${path}.claim_id`);
  optional(text)(members.note, `${path}.note`);
}

function checkReplication(value, path) {
  const members = closed(value, ["kind", "outcome", "artifact_url", "artifact_sha256", "note"],
    path);
  oneOf(members.kind, ["replication", "falsification", "formal_bridge"], `${path}.kind`);
  filled(members.outcome, `${path}.outcome`, 1024);
  optional(httpsUrl)(members.artifact_url, `${path}.artifact_url`);
  optional(hex64)(members.artifact_sha256, `${path}.artifact_sha256`);
  optional(text)(members.note, `${path}.note`);
}

function checkCorrection(value, path, subject, target) {
  const members = closed(value, ["corrects", "field", "reason", "replacement"], path);
  const corrects = eventId(members.corrects, `${path}.corrects`);
  if (target.startsWith("event:") && target !== `event:${corrects}`) {
    throw new PithError("event.corrects", `corrects ${corrects}, not its target`, path);
  }
  optional((field, at) => filled(field, at, 256))(members.field, `${path}.field`);
  filled(members.reason, `${path}.reason`);
  optional(text)(members.replacement, `${path}.replacement`);
}

/** The four fixed paths of a record's documents on an https base (section 8). */
function placesOf(base, { suffix }) {
  const resolver = `${base}/pith/${suffix}`;
  return { resolver, bundle: `${resolver}/bundle.json`, state: `${resolver}/state.json`,
    well_known_bundle: `${base}/.well-known/pith/${suffix}/bundle.json` };
}

function mustEqual(members, wanted, path, code) {
  for (const [name, only] of Object.entries(wanted)) {
    if (members[name] !== only) {
      throw new PithError(code, `${shown(members[name])} is not ${only}`, `${path}.${name}`);
    }
  }
}

function checkMirrorHint(value, path, subject, code) {
  const members = closed(value, MIRROR_HINT, path);
  const places = placesOf(baseUrl(members.base_url, `${path}.base_url`), subject);
  text(members.name, `${path}.name`, 128);
  text(members.mirror_type, `${path}.mirror_type`, 64);
  text(members.status, `${path}.status`, 64);
  mustEqual(members, { bundle_url: places.bundle, state_url: places.state,
    well_known_bundle_url: places.well_known_bundle }, path, code);
}

const checkHintEvent = (value, path, subject) =>
  checkMirrorHint(value, path, subject, "event.mirror_hint");

/** The table of section 7, in the order of rank. `check` is called with the payload, its path,
 * the subject and the target. */
const EVENT_TYPES = {
  record_created: { targets: ["record"], parties: [], check: checkRecordCreated },
  graph_snapshot: { targets: ["graph"], parties: [], check: checkGraphSnapshot },
  author_attestation: {
    targets: ["record", "claim"], parties: ["author"], check: checkAttestation },
  timestamp_anchor: { targets: ["record", "event", "checkpoint"], parties: [], check: checkAnchor },
  storage_attestation: { targets: ["record"], parties: ["mirror"], check: checkStorage },
  citation_signature: {
    targets: ["record", "claim"], parties: ["author", "third_party"], check: checkCitation },
  replication_record: {
    targets: ["record", "claim"], parties: ["third_party"], check: checkReplication },
  correction: {
    targets: ["record", "graph", "event"], parties: ["author"], check: checkCorrection },
  mirror_hint: { targets: ["record"], parties: ["mirror"], check: checkHintEvent },
};
const RANK = Object.keys(EVENT_TYPES);

const TARGETS = {
  record: /^record$/,
  graph: /^graph$/,
  checkpoint: /^checkpoint$/,
  claim: /^claim:[A-Za-z0-9._-]{1,64}$/,
  event: /^event:sha256:[0-9a-f]{64}$/,
};

function checkTarget(value, allowed, path) {
  text(value, path);
  if (!allowed.some((name) => TARGETS[name].test(value))) {
    throw new PithError("event.target", `${shown(value)} is no target of this type`, path);
  }
  return value;
}

// -- 7. Event: its envelope -----------------------------------------------------------------

const EVENT = ["event_type", "subject_pith_number", "target", "payload", "signer", "created_at",
  "supersedes", "prev_event", "signature", "content_sha256", "schema_version", "event_id"];
const SIGNATURE = ["signature_status", "algorithm", "key_id", "public_key_fingerprint",
  "signature_b64", "signed_message", "signed_at"];

function parseSigner(value, path) {
  const members = closed(
    value, ["signer_id", "signer_type", "key_id", "public_key_fingerprint"], path);
  oneOf(members.signer_type, [REGISTRY_SIGNER, ...PARTY_TYPES], `${path}.signer_type`);
  return {
    signerId: partyName(members.signer_id, `${path}.signer_id`),
    signerType: members.signer_type,
    keyId: keyId(members.key_id, `${path}.key_id`),
    fingerprint: hex32(members.public_key_fingerprint, `${path}.public_key_fingerprint`),
  };
}

/** The place of a signer among bindings: a Map from these to public keys. All four members are
 * bound together, and no name holds a space. */
const bindingOf = ({ signerId, signerType, keyId: id, fingerprint }) =>
  `${signerId} ${signerType} ${id} ${fingerprint}`;

const registryBinding = (signerId, id, fingerprint) =>
  bindingOf({ signerId, signerType: REGISTRY_SIGNER, keyId: id, fingerprint });

/** The bindings of a list [{signer_id, signer_type, key_id, public_key_fingerprint,
 * public_key_hex}], for `merge`. */
export async function bindSigners(signers) {
  const bindings = new Map();
  for (const [i, each] of signers.entries()) {
    const signer = parseSigner(without(each, "public_key_hex"), `$[${i}]`);
    const key = await publicKey(fromHex(hex64(each.public_key_hex, `$[${i}].public_key_hex`)));
    bindings.set(bindingOf(signer), key);
  }
  return bindings;
}

/** A closed signature object, of an event or (with `more` members) of a bundle. */
function parseSignature(value, path, signedMessage, more = []) {
  const members = closed(value, [...SIGNATURE, ...more], path);
  constants(members, { signature_status: "signed_v1", algorithm: "ed25519",
    signed_message: signedMessage }, path);
  return {
    keyId: keyId(members.key_id, `${path}.key_id`),
    fingerprint: hex32(members.public_key_fingerprint, `${path}.public_key_fingerprint`),
    raw: base64(members.signature_b64, `${path}.signature_b64`, 64),
    signedAt: micros(members.signed_at, `${path}.signed_at`),
  };
}

function parseSupersedes(value, path) {
  const ids = list(value, path).map((id, i) => eventId(id, `${path}[${i}]`));
  if (ids.length > 64) throw new PithError("event.supersedes", "over 64 ids", path);
  if (ids.some((id, i) => i > 0 && id <= ids[i - 1])) {
    throw new PithError("event.supersedes", "ids are not sorted without repeats", path);
  }
  return ids;
}

/** A closed event, `bytes` its canonical form; digests and signature are not yet compared. */
function parseEvent(value, bytes) {
  const path = "$";
  const members = closed(value, EVENT, path);
  const type = text(members.event_type, `${path}.event_type`);
  if (!Object.hasOwn(EVENT_TYPES, type)) {
    throw new PithError("event.type", `unknown event_type ${shown(type)}`, `${path}.event_type`);
  }
  oneOf(members.schema_version, ["1.0"], `${path}.schema_version`);
  const subject = parseNumber(members.subject_pith_number);
  const target = checkTarget(members.target, EVENT_TYPES[type].targets, `${path}.target`);
  EVENT_TYPES[type].check(members.payload, `${path}.payload`, subject, target);
  const event = {
    type, subject, target, payload: members.payload, bytes,
    signer: parseSigner(members.signer, `${path}.signer`),
    createdAt: seconds(members.created_at, `${path}.created_at`),
    supersedes: parseSupersedes(members.supersedes, `${path}.supersedes`),
    prevEvent: optional(eventId)(members.prev_event, `${path}.prev_event`),
    signature: parseSignature(
      members.signature, `${path}.signature`, "open_graph_event_sha256_bytes"),
    sha256: hex64(members.content_sha256, `${path}.content_sha256`),
    id: eventId(members.event_id, `${path}.event_id`),
  };
  // Decision 0009: signed_at is under no signature, and an earlier one must not win the merge.
  if (whole(event.signature.signedAt) < event.createdAt) {
    throw new PithError("event.times", "signed before it was created", `${path}.signature`);
  }
  if (bytes.length > MAX_EVENT_BYTES) {
    throw new PithError("event.size", `${bytes.length} bytes are over ${MAX_EVENT_BYTES}`, path);
  }
  return event;
}

// -- 8. Merge: the checks of one event (8.1) ------------------------------------------------

const EVENT_CHECKS = ["event.schema", "event.subject", "event.digest", "event.id", "event.signer",
  "event.allowed", "event.signature_key", "event.signature", "event.record", "event.receipt"];

/** Decision 0016: only the enrolled author of the claimant's ORCID attests strongly. */
function checkStrength({ payload, signer }) {
  const { strength, claimant } = payload;
  const isTheAuthor = signer.signerType === "author" && claimant.orcid !== null
    && signer.signerId === `orcid:${claimant.orcid}`;
  if (strength === "strong" && !isTheAuthor) {
    throw new PithError("event.strength", "only the author of that ORCID may attest strongly");
  }
}

function checkAllowed(event) {
  const { signer, type } = event;
  if (signer.signerType !== REGISTRY_SIGNER
      && !EVENT_TYPES[type].parties.includes(signer.signerType)) {
    throw new PithError("event.allowed", `a ${signer.signerType} may not sign ${type}`);
  }
  if (type === "author_attestation") checkStrength(event);
}

/** A record_created holds a record, and says of it what it is. Gives the record. */
async function checkRecordOf({ payload, subject }) {
  const record = await parseRecord(payload.canonical_record, "$.payload.canonical_record");
  const told = { canonical_sha256: record.sha256, source_kind: record.source.kind,
    source_id: record.source.id, source_version: record.source.version };
  mustEqual(payload, told, "$.payload", "event.record");
  if (subject.number !== record.number) {
    throw new PithError("event.record", `the record is ${record.number}, not ${subject.number}`);
  }
  return record;
}

/** Who must have signed the receipt in a record_created: a key of the same registry. */
const receiptBinding = (event, receipt) =>
  registryBinding(event.signer.signerId, receipt.keyId, receipt.fingerprint);

/** The receipt in a record_created, whose time is the event's (decision 0004). */
async function checkReceiptOf(event, record, bindings) {
  const receipt = parseReceipt(event.payload.receipt, "$.payload.receipt");
  const key = bindings.get(receiptBinding(event, receipt));
  if (key === undefined) {
    throw new PithError("event.receipt", `the receipt's key ${receipt.keyId} is not bound`);
  }
  await checkReceipt(receipt, record, key);
  const dated = event.supersedes.length ? receipt.lastReissuedAt : receipt.firstComputedAt;
  if (whole(receipt.signedAt) > whole(event.signature.signedAt)) {
    throw new PithError("event.receipt", "the receipt was signed after its event");
  }
  if (event.createdAt !== whole(dated)) {
    throw new PithError("event.receipt", "created_at is not the time of the receipt");
  }
  return receipt;
}

/**
 * Runs the ten checks of 8.1 on one event as it stands in JSON, about `number` (text). Gives
 * {identity, bytes, event, receipt, failed, error}: `failed` is the name of the check that
 * failed, or null; `event` is null where its form failed; `receipt` is a valid record_created's.
 */
async function examineEvent(value, number, bindings) {
  const bytes = canonical(value);
  const hash = await digest(without(value, "signature", "content_sha256", "event_id"));
  const copy = { identity: `sha256:${hexOf(hash)}`, bytes, event: null, receipt: null,
    failed: null, error: null };
  let key;
  let record;
  const steps = {
    "event.schema": () => { copy.event = parseEvent(value, bytes); },
    "event.subject": () => mustEqual(
      copy.event.subject, { number }, "$.subject_pith_number", "event.subject"),
    "event.digest": () => mustEqual(
      copy.event, { sha256: hexOf(hash) }, "$.content_sha256", "event.digest"),
    "event.id": () => mustEqual(copy.event, { id: copy.identity }, "$.event_id", "event.id"),
    "event.signer": () => {
      key = bindings.get(bindingOf(copy.event.signer));
      if (key === undefined) throw new PithError("event.signer", "no key is bound to its signer");
    },
    "event.allowed": () => checkAllowed(copy.event),
    "event.signature_key": () => {
      const { keyId: id, fingerprint } = copy.event.signer;
      mustEqual(copy.event.signature, { keyId: id, fingerprint }, "$.signature",
        "event.signature_key");
    },
    "event.signature": () => checkSignature(key, hash, copy.event.signature.raw),
    "event.record": async () => { record = await checkRecordOf(copy.event); },
    "event.receipt": async () => {
      copy.receipt = await checkReceiptOf(copy.event, record, bindings);
    },
  };
  for (const name of EVENT_CHECKS) {
    if (name === "event.record" && copy.event.type !== "record_created") break;
    try {
      await steps[name]();
    } catch (error) {
      if (!(error instanceof PithError)) throw error;
      return { ...copy, failed: name, error };
    }
  }
  return copy;
}

// -- 8. Merge -------------------------------------------------------------------------------

/**
 * Merges events, as they stand in JSON, about the record named `number` (text). `bindings` come
 * from `bindSigners`. Gives {number, events, applied, current, shown, receipt, invalid,
 * equivocations}: `events` the valid ones in the order of 8.2, `applied` those that count,
 * `current` those not superseded, `shown` the record_created that is shown, or null, and
 * `invalid` the best copy of each identity without a passing one.
 */
export async function merge(number, events, bindings) {
  const copies = [];
  for (const value of events) copies.push(await examineEvent(value, number, bindings));
  return mergeExamined(number, copies);
}

function mergeExamined(number, copies) {
  const { valid, invalid } = identities(copies);
  const events = inOrder(valid);
  const equivocations = equivocationsOf(events);
  const applied = appliedOf(events, valid, equivocations);
  const gone = supersededBy(applied, valid);
  const current = applied.filter((event) => !gone.has(event.id));
  let [shownEvent, receipt] = [null, null];
  for (const event of current) {
    const own = valid.get(event.id).receipt;
    if (own !== null && (receipt === null || own.firstComputedAt <= receipt.firstComputedAt)) {
      [shownEvent, receipt] = [event, own];
    }
  }
  return { number, events, applied, current, shown: shownEvent, receipt, invalid, equivocations };
}

/** 8.1: of the passing copies of an identity the one with the smallest bytes, of the failed
 * ones (where none passes) the one that came furthest. */
function identities(copies) {
  const valid = new Map();
  const failed = new Map();
  const reached = (copy) => EVENT_CHECKS.indexOf(copy.failed);
  for (const copy of copies) {
    const pile = copy.failed === null ? valid : failed;
    const kept = pile.get(copy.identity);
    const isBetter = kept === undefined
      || (copy.failed === null ? compareBytes(copy.bytes, kept.bytes) < 0
        : reached(copy) > reached(kept));
    if (isBetter) pile.set(copy.identity, copy);
  }
  const invalid = [...failed.values()].filter((copy) => !valid.has(copy.identity))
    .sort((a, b) => compareText(a.identity, b.identity));
  return { valid, invalid };
}

/** 8.2: parents first; among the ready the smallest (created_at, rank, event_id). */
function inOrder(valid) {
  const waiting = new Map();
  const children = new Map();
  const ready = [];
  for (const [id, { event }] of valid) {
    const parents = new Set(
      [event.prevEvent, ...event.supersedes].filter((parent) => valid.has(parent)));
    waiting.set(id, parents.size);
    for (const parent of parents) {
      if (!children.has(parent)) children.set(parent, []);
      children.get(parent).push(id);
    }
    if (parents.size === 0) ready.push(event);
  }
  ready.sort((a, b) => comparePlaces(b, a));
  const placed = [];
  while (ready.length > 0) {
    const event = ready.pop();
    placed.push(event);
    for (const child of children.get(event.id) ?? []) {
      waiting.set(child, waiting.get(child) - 1);
      if (waiting.get(child) === 0) insertSorted(ready, valid.get(child).event);
    }
  }
  return placed;
}

function comparePlaces(a, b) {
  return compareText(a.createdAt, b.createdAt)
    || RANK.indexOf(a.type) - RANK.indexOf(b.type) || compareText(a.id, b.id);
}

/** Puts an event into a list that stands from the last place to the first. */
function insertSorted(events, event) {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePlaces(events[middle], event) > 0) low = middle + 1;
    else high = middle;
  }
  events.splice(low, 0, event);
}

/** 8.3: valid events of one signer with the same previous event, present or not. */
function equivocationsOf(events) {
  const followers = new Map();
  for (const { prevEvent, signer, id } of events) {
    if (prevEvent === null) continue;
    const place = `${signer.signerId} ${prevEvent}`;
    const entry = followers.get(place)
      ?? { signer_id: signer.signerId, prev_event: prevEvent, event_ids: [] };
    entry.event_ids.push(id);
    followers.set(place, entry);
  }
  const entries = [...followers.values()].filter((entry) => entry.event_ids.length > 1);
  for (const entry of entries) entry.event_ids.sort();
  return entries.sort((a, b) =>
    compareText(a.signer_id, b.signer_id) || compareText(a.prev_event, b.prev_event));
}

/** 8.3: all but the equivocating events and what reaches them through links. */
function appliedOf(events, valid, equivocations) {
  const dropped = new Set(equivocations.flatMap((entry) => entry.event_ids));
  return events.filter((event) => {
    const before = valid.get(event.prevEvent)?.event;
    const isLinked = before !== undefined && before.signer.signerId === event.signer.signerId;
    if (isLinked && dropped.has(event.prevEvent)) dropped.add(event.id);
    return !dropped.has(event.id);
  });
}

/** 8.4: what an applied event of the same signer and type (and record) supersedes, for good. */
function supersededBy(applied, valid) {
  const gone = new Set();
  for (const event of applied) {
    for (const id of event.supersedes) {
      const target = valid.get(id)?.event;
      if (target !== undefined && target.type === event.type
          && target.signer.signerId === event.signer.signerId
          && (event.type !== "record_created"
            || target.payload.canonical_sha256 === event.payload.canonical_sha256)) {
        gone.add(id);
      }
    }
  }
  return gone;
}

// -- 8. State -------------------------------------------------------------------------------

const STATE_LISTS = { graph_snapshots: "graph_snapshot", author_attestations: "author_attestation",
  timestamp_anchors: "timestamp_anchor", storage_attestations: "storage_attestation",
  citation_signatures: "citation_signature", replication_records: "replication_record",
  corrections: "correction", mirror_hints: "mirror_hint" };

/** The state document of a merge, with state_sha256; `sourceAliases` is the bundle's list. */
export async function stateOf(merged, sourceAliases) {
  const state = stateBody(merged, sourceAliases);
  return { ...state, state_sha256: hexOf(await digest(state)) };
}

function stateBody(merged, sourceAliases) {
  const { shown: created } = merged;
  const current = {
    canonical_record: created === null ? null : sorted(created.payload.canonical_record),
    source_aliases: created === null ? [] : sourceAliases,
  };
  for (const [name, type] of Object.entries(STATE_LISTS)) {
    current[name] = merged.current.filter((event) => event.type === type).map(stateItem);
  }
  current.record_created = created === null ? null : stateItem(created);
  return {
    state_type: "pith_open_graph_state",
    state_version: "1.0",
    pith_number: merged.number,
    merge_version: "pith-open-graph-merge-v1",
    event_count: merged.events.length + merged.invalid.length,
    valid_event_count: merged.events.length,
    invalid_event_count: merged.invalid.length,
    equivocation_count: merged.equivocations.length,
    current,
    equivocations: merged.equivocations,
    invalid_events: merged.invalid.map((copy) =>
      ({ event_id: copy.identity, reason: copy.failed })),
    applied_event_ids: merged.applied.map((event) => event.id),
  };
}

function stateItem({ id, target, createdAt, signer, payload }) {
  return {
    event_id: id,
    target,
    created_at: timeText(createdAt),
    signer: { key_id: signer.keyId, public_key_fingerprint: signer.fingerprint,
      signer_id: signer.signerId, signer_type: signer.signerType },
    payload: sorted(payload),
  };
}

/** The same value with the members of every object in the order of their names. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const members = Object.create(null);
  for (const name of Object.keys(value).sort()) members[name] = sorted(value[name]);
  return members;
}

/** Where `found`, with the canonical bytes of `wanted`, has a fraction for an integer (J9). */
function hasFractionForInteger(found, wanted) {
  if (typeof wanted === "number") return typeof found !== "number";
  if (Array.isArray(wanted)) return wanted.some((item, i) => hasFractionForInteger(found[i], item));
  if (!isObject(wanted)) return false;
  return Object.keys(wanted).some((name) => hasFractionForInteger(found[name], wanted[name]));
}

// -- 9. Trust: reports ----------------------------------------------------------------------

/**
 * Runs steps in order; a step is [name, the names it cannot do without, function]. One that
 * throws a PithError fails, one whose needs are not ok is skipped, and what one returns is the
 * reason shown with its ok. `passed` are names that are ok already.
 */
async function runSteps(steps, passed = []) {
  const sound = new Set(passed);
  const checks = [];
  for (const [name, needs, run] of steps) {
    const lacking = needs.find((need) => !sound.has(need));
    if (lacking !== undefined) {
      checks.push(checkRow(name, "skipped", `needs ${lacking}`));
      continue;
    }
    try {
      checks.push(checkRow(name, "ok", (await run()) ?? ""));
      sound.add(name);
    } catch (error) {
      if (!(error instanceof PithError)) throw error;
      checks.push(failedRow(name, error));
    }
  }
  return checks;
}

const checkRow = (name, status, reason = "") => ({ name, status, code: null, path: null, reason });

const failedRow = (name, error) => ({ name, status: "fail", code: error.code,
  path: error.path || null, reason: error.message });

const isOk = (checks, name) =>
  checks.some((check) => check.name === name && check.status === "ok");

const passedNames = (checks) =>
  checks.filter((check) => check.status === "ok").map((check) => check.name);

/** The ten checks of 8.1 over all events: a row fails with its first event, and is skipped
 * where an event failed at an earlier one. */
function eventRows(copies) {
  let stopped = false;
  return EVENT_CHECKS.map((name) => {
    const failed = copies.find((copy) => copy.failed === name);
    if (failed !== undefined) {
      stopped = true;
      return failedRow(name, failed.error);
    }
    return stopped ? checkRow(name, "skipped", "an event failed earlier") : checkRow(name, "ok");
  });
}

/** What a verification gives; `ok` when every check is, and one that was skipped is not. */
function reportOf(kind, subject, registry, checks, verdicts = [], proven = null) {
  const ok = checks.every((check) => check.status === "ok");
  return { kind, subject, registry, ok, checks, verdicts, proven };
}

// -- 9.1 Pins -------------------------------------------------------------------------------

/** A pin of one key for any registry that has no pin of its own: key id and 64 hex digits. */
export async function keyPin(id, publicKeyHex, { registry = null, origin = "given" } = {}) {
  keyId(id, "$");
  if (registry !== null) partyName(registry, "$");
  const key = await publicKey(fromHex(hex64(publicKeyHex, "$")));
  return { kind: "key", registry, keyId: id, key, origin };
}

const PIN = ["pin_type", "pin_version", "registry", "key_id", "public_key_hex", "read_from",
  "read_at", "how"];

/**
 * Reads a pin file (Uint8Array): a pin document, a key set, or a verifier's copy of a chain of
 * key sets, one a line. `origin` says where it was found. Throws a PithError.
 */
export async function parsePin(bytes, origin) {
  if (linesOf(bytes).length > 1 && isJsonLines(bytes)) {
    const chain = await parseChain(bytes);
    return keySetPin(chain.at(-1).keySet, origin);
  }
  const value = readJson(bytes, { limits: KEY_SET });
  if ("keyset_type" in value) {
    const keySet = await parseKeySet(value);
    await checkKeySet(keySet);
    return keySetPin(keySet, origin);
  }
  if (!("pin_type" in value)) throw new PithError("pin.form", "neither a pin nor a key set");
  const members = closed(value, PIN, "$");
  constants(members, { pin_type: "pith_pin", pin_version: "1.0" }, "$");
  const registry = partyName(members.registry, "$.registry");
  text(members.read_from, "$.read_from");
  seconds(members.read_at, "$.read_at");
  text(members.how, "$.how");
  const told = `${origin}, from ${members.read_from} (${members.read_at}): ${members.how}`;
  return keyPin(members.key_id, members.public_key_hex, { registry, origin: told });
}

const keySetPin = (keySet, origin) =>
  ({ kind: "key set", registry: keySet.registry, keySet, origin });

/** The lines of bytes that are not white space. */
function linesOf(bytes) {
  const lines = [];
  for (let start = 0, end; start < bytes.length; start = end + 1) {
    end = bytes.indexOf(0x0a, start);
    if (end < 0) end = bytes.length;
    const line = bytes.subarray(start, end);
    if (line.some((byte) => byte !== 0x20 && (byte < 0x09 || byte > 0x0d))) lines.push(line);
  }
  return lines;
}

/** Whether the first line is an object by itself, and not the beginning of one. */
function isJsonLines(bytes) {
  const first = linesOf(bytes)[0].filter((byte) => byte !== 0x20 && (byte < 0x09 || byte > 0x0d));
  return first[0] === 0x7b && first.at(-1) === 0x7d;
}

/** The pins that speak for a registry: those that name it, or else those of no name. */
function speaking(pins, registry) {
  const named = pins.filter((pin) => pin.registry === registry);
  return named.length ? named : pins.filter((pin) => pin.registry === null);
}

/** What one registry's pins come to. Where a key set is pinned, it alone decides. */
async function anchorOf(pins, registry) {
  const mine = speaking(pins, registry);
  if (mine.length === 0) {
    throw new PithError("trust.pin",
      `consistent with itself, not trusted: no pin for ${shown(registry)}`);
  }
  const keySets = mine.filter((pin) => pin.kind === "key set").map((pin) => pin.keySet);
  return { registry, keySet: await newest(keySets), origins: mine.map((pin) => pin.origin),
    keys: mine.filter((pin) => pin.kind === "key") };
}

/** The newest of the pinned versions of one registry's set, which must follow each other. */
async function newest(keySets) {
  if (new Set(keySets.map((keySet) => keySet.digest)).size <= 1) return keySets[0] ?? null;
  const chain = await followAll([...keySets].sort((a, b) => a.version - b.version));
  return chain.at(-1).keySet;
}

/** The bindings of a registry's pinned keys, for a document that carries no keys. */
function pinnedBindings(pins, registry) {
  const bindings = new Map();
  for (const pin of speaking(pins, registry)) {
    const keys = pin.kind === "key" ? [pin] : pin.keySet.entries.filter((each) => each.key);
    for (const { keyId: id, key } of keys) {
      bindings.set(registryBinding(registry, id, key.fingerprint), key);
    }
  }
  return bindings;
}

/**
 * The verifier's terms, in their form: `pins` from parsePin or keyPin, `at` the verifier's time
 * (a Date, or text like "2026-01-31T12:00:00Z"), `maxAhead` seconds that a document may be ahead
 * of it, `expect` a number, alias, arXiv id or DOI that the subject must answer to, `registry`
 * the only registry that will do, `acceptExpired` to take an expired key set as of its end, and
 * `evidence` what timestamp tokens of authorities that the verifier pins came to, examined
 * elsewhere: [{sha256, before, authority}], where whatever has that digest existed `before`.
 */
function takeTerms({ pins = [], at, maxAhead = 600, expect = null, registry = null,
  acceptExpired = false, evidence = [] }) {
  const now = at instanceof Date ? BigInt(at.getTime()) * 1000n : seconds(at, "at");
  const dated = new Map();
  for (const { sha256: hash, before, authority } of evidence) {
    const found = { before: seconds(before, "evidence"), authority };
    if (!(dated.get(hash)?.before <= found.before)) dated.set(hash, found);
  }
  return { pins, at: now, latest: now + BigInt(maxAhead) * SECOND, registry, acceptExpired, dated,
    expect: expect === null ? null : parseReference(expect) };
}

/** A step for the subject that somebody expects, and none where nobody does. `found` gives the
 * number, as parseNumber does, and the source, or null where the document has none. */
const expectSubject = (terms, needs, found) => terms.expect === null ? []
  : [["expect.subject", needs, async () => checkSubject(terms.expect, ...(await found()))]];

const expectRegistry = (terms, needs, found) => terms.registry === null ? []
  : [["expect.registry", needs, () => {
    if (found() !== terms.registry) {
      throw new PithError("expect.registry", `this is of ${shown(found())}`);
    }
  }]];

function checkSubject(expected, named, source) {
  const { prefix, year, kind, id, version } = expected;
  const isIt = prefix === undefined
    ? source !== null && source.kind === kind && source.id === id
      && (version === null || version === source.version)
    : named.suffix.startsWith(prefix) && (year === null || year === named.year);
  if (!isIt) throw new PithError("expect.subject", `this is about ${named.number}`);
  return prefix?.length <= 8 ? "8 characters are 40 bits, which can be ground out" : "";
}

const checkAhead = (code, moment, terms) => {
  if (moment > terms.latest) {
    throw new PithError(code, `${timeText(moment)} is ahead of this clock`);
  }
};

/** A pinned key set is in force at the verifier's time. */
function checkFresh(keySet, terms) {
  if (terms.acceptExpired && terms.at > keySet.expiresAt) {
    return `as of ${timeText(keySet.expiresAt)}, when version ${keySet.version} expired`;
  }
  checkAhead("keyset.fresh", keySet.createdAt, terms);
  if (terms.at > keySet.expiresAt) {
    throw new PithError("keyset.fresh", `the key set expired at ${timeText(keySet.expiresAt)}`);
  }
  return `version ${keySet.version}`;
}

const NO_KEY_SET = "no key set is pinned";

const freshStep = (anchor, terms) =>
  anchor.keySet === null ? NO_KEY_SET : checkFresh(anchor.keySet, terms);

// -- 9.4 Verdicts ---------------------------------------------------------------------------

/**
 * The verdict on a verified signature. `part` is {what, signerId, keyId, key, dated, heldIn}:
 * `dated` the time that the signature covers, or null (decision 0009), `heldIn` the canonical
 * bytes of the documents that hold the signature: evidence of one of them dates it.
 */
async function judge({ anchor, terms }, part) {
  const verdict = (word, reason) =>
    ({ what: part.what, key_id: part.keyId, verdict: word, reason });
  if (anchor.keySet === null) {
    if (!anchor.keys.some((pin) => pin.key.hex === part.key.hex && pin.keyId === part.keyId)) {
      throw untrusted(part);
    }
    return verdict("valid", "pinned key");
  }
  const entry = anchor.keySet.entries.find((each) => each.key?.hex === part.key.hex);
  if (entry === undefined || entry.keyId !== part.keyId) throw untrusted(part);
  return verdict(...verdictUnder(entry, part.dated, await witnessOf(part.heldIn, terms.dated)));
}

const untrusted = ({ what, keyId: id }) =>
  new PithError("trust.key", `the ${what} is signed by key ${id}, which no pin leads to`);

/** The earliest evidence that one of some documents existed, or null. */
async function witnessOf(documents, dated) {
  if (dated.size === 0) return null;
  const found = [];
  for (const bytes of documents) found.push(dated.get(hexOf(await sha256(bytes))));
  const seen = found.filter((each) => each !== undefined);
  return seen.reduce((a, b) => (b.before < a.before ? b : a), seen[0]) ?? null;
}

/** Section 9.4: [word, reason]. Under a key that is over, evidence from before it was proves,
 * and nothing else does. */
function verdictUnder(entry, dated, witness) {
  const { usage, status, validFrom, retiredAt, compromisedSince } = entry;
  const cutoff = compromisedSince ?? validFrom;
  const byEvidence = (limit, reason) => witness !== null && witness.before < limit
    ? ["proven", `${witness.authority} saw it before ${timeText(witness.before)}: ${reason}`]
    : ["unproven", reason];
  if (usage !== "registry") return ["invalid", `a ${usage} key signs no documents`];
  if (status === "announced") return ["invalid", "the key is announced and not yet active"];
  if (dated === null) {
    if (status === "revoked") return byEvidence(cutoff, "revoked, and it covers no time");
    if (status === "retired") return byEvidence(retiredAt, "retired, and it covers no time");
    return ["valid", `the key is ${status}`];
  }
  if (dated < validFrom) return ["invalid", "dated before the key was valid"];
  if (retiredAt !== null && dated > retiredAt) {
    return ["invalid", "dated after the key was retired"];
  }
  if (status !== "revoked") return ["valid", `the key is ${status}`];
  return dated >= cutoff ? ["invalid", "dated after the key was distrusted"]
    : byEvidence(cutoff, "the key is revoked, and that the signature is older is its own word");
}

const isVouched = ({ verdict }) => verdict === "valid" || verdict === "proven";

function requireVerdicts(verdicts) {
  const bad = verdicts.find((each) => !isVouched(each));
  if (bad !== undefined) {
    throw new PithError("trust.verdicts", `the ${bad.what} is ${bad.verdict}: ${bad.reason}`);
  }
}

/** The signed parts of an event: its receipt's signature, where it has one, and its own. */
function eventParts({ event, receipt, bindings, whole: held = [] }) {
  const { signerId } = event.signer;
  const own = { what: `event ${event.id}`, signerId, keyId: event.signature.keyId,
    key: bindings.get(bindingOf(event.signer)), dated: event.createdAt,
    heldIn: [event.bytes, ...held] };
  if (receipt === null) return [own];
  return [{ what: "receipt", signerId, keyId: receipt.keyId, dated: event.createdAt,
    key: bindings.get(receiptBinding(event, receipt)),
    heldIn: [canonical(event.payload.receipt), event.bytes, ...held] }, own];
}

async function judgeAll(found, parts) {
  for (const part of parts) found.verdicts.push(await judge(found, part));
  return [...new Set(found.verdicts.map((each) => each.key_id))].sort().join(", ");
}

// -- 8 and 9. A bundle ----------------------------------------------------------------------

const BUNDLE = ["bundle_type", "bundle_version", "pith_number", "short_pith_number",
  "canonical_record", "canonical_sha256", "source", "source_aliases", "events",
  "timestamp_proofs", "mirror_hints", "public_keys", "merge_version", "built_at", "links",
  "state", "bundle_signature"];
const MAX_ITEMS = 28_000;

/** A closed bundle: members, types and constants; nothing is recomputed yet. */
function parseBundle(value) {
  const members = closed(value, BUNDLE, "$");
  const at = "$.bundle_signature";
  const signature = parseSignature(
    members.bundle_signature, at, "bundle_sha256_bytes", ["bundle_sha256"]);
  hex64(members.bundle_signature.bundle_sha256, `${at}.bundle_sha256`);
  constants(members, { bundle_type: "pith_open_graph_bundle", bundle_version: "1.0",
    merge_version: "pith-open-graph-merge-v1" }, "$");
  text(members.short_pith_number, "$.short_pith_number");
  hex64(members.canonical_sha256, "$.canonical_sha256");
  for (const name of ["canonical_record", "source", "links", "state"]) {
    mapping(members[name], `$.${name}`);
  }
  list(members.source_aliases, "$.source_aliases").forEach((item, i) => {
    const path = `$.source_aliases[${i}]`;
    const alias = closed(item, ["alias_kind", "alias_value", "created_at"], path);
    text(alias.alias_kind, `${path}.alias_kind`);
    text(alias.alias_value, `${path}.alias_value`);
    seconds(alias.created_at, `${path}.created_at`);
  });
  for (const name of ["events", "timestamp_proofs", "mirror_hints", "public_keys"]) {
    list(members[name], `$.${name}`).forEach((item, i) => mapping(item, `$.${name}[${i}]`));
    if (members[name].length > MAX_ITEMS) {
      throw new PithError("schema.length", `over ${MAX_ITEMS} ${name}`, `$.${name}`);
    }
  }
  return { members, signature, named: parseNumber(members.pith_number),
    builtAt: seconds(members.built_at, "$.built_at") };
}

function checkLinks(links, named) {
  const members = closed(links, ["resolver", "bundle", "state", "well_known_bundle"], "$.links");
  const resolver = text(members.resolver, "$.links.resolver");
  const tail = `/pith/${named.suffix}`;
  const base = resolver.endsWith(tail) ? resolver.slice(0, -tail.length) : resolver;
  const wanted = placesOf(baseUrl(base, "$.links.resolver"), named);
  mustEqual(members, wanted, "$.links", "bundle.links");
}

function checkAliases(found, wanted) {
  found.forEach((alias, i) => {
    const [kind, value] = wanted[i] ?? [];
    if (alias.alias_kind !== kind || alias.alias_value !== value) {
      throw new PithError("bundle.aliases", `${shown(alias.alias_value)} is not the record's alias`,
        `$.source_aliases[${i}]`);
    }
  });
  if (found.length !== wanted.length) throw new PithError("bundle.aliases", "an alias is missing");
}

async function parsePublicKeys(values) {
  const keys = [];
  for (const [i, value] of values.entries()) {
    keys.push(await parseKeyObject(value, `$.public_keys[${i}]`));
  }
  for (const name of [(each) => each.key.hex, (each) => each.keyId]) {
    if (new Set(keys.map(name)).size !== keys.length) {
      throw new PithError("bundle.public_keys", "one key or key_id stands twice");
    }
  }
  return keys;
}

/** The one signer_id that the registry's events name, and no party's key bears. */
function registryOf(events, keys) {
  const names = new Set(events.map((event) => event.signer)
    .filter((signer) => isObject(signer) && signer.signer_type === REGISTRY_SIGNER)
    .map((signer) => signer.signer_id).filter((name) => typeof name === "string"));
  const [registry] = names;
  if (names.size !== 1 || keys.some((key) => key.signerId === registry)) {
    throw new PithError("bundle.registry", `the events name ${names.size} registries, or a party`
      + " bears a registry's name");
  }
  return registry;
}

function keyBindings(keys, registry) {
  return new Map(keys.map(({ keyId: id, key, signerId, signerType }) => [bindingOf({
    signerId: signerId ?? registry, signerType: signerType ?? REGISTRY_SIGNER, keyId: id,
    fingerprint: key.fingerprint }), key]));
}

/** Each event valid, once, and in the order of the merge. */
function checkEvents({ invalid, events }, copies) {
  const refuse = (told) => new PithError("bundle.events", told);
  if (invalid.length) throw refuse(`event ${invalid[0].identity} fails ${invalid[0].failed}`);
  if (copies.length !== events.length) throw refuse("an event stands twice");
  if (copies.some((copy, i) => copy.identity !== events[i].id)) {
    throw refuse("the events are not in the order of their merge");
  }
  return `${events.length.toLocaleString("en-US")} events`;
}

async function checkState(found, merged, aliases) {
  const rebuilt = stateBody(merged, aliases);
  const bytes = canonical(rebuilt);
  mustEqual(found, { state_sha256: hexOf(await sha256(bytes)) }, "$.state", "bundle.state");
  const body = without(found, "state_sha256");
  if (compareBytes(canonical(body), bytes) !== 0 || hasFractionForInteger(body, rebuilt)) {
    throw new PithError("bundle.state", "the state is not the one rebuilt from the events");
  }
}

function checkTimes({ builtAt, signature }, events) {
  for (const { id, createdAt, signature: own } of events) {
    const signedAt = whole(own.signedAt);
    if (createdAt > signedAt || signedAt > builtAt) {
      throw new PithError("bundle.times", `event ${id} was not made, signed and bundled in order`);
    }
  }
  if (builtAt > whole(signature.signedAt)) {
    throw new PithError("bundle.times", "built after it was signed");
  }
}

/** Under a key set, a signer begins one chain a record, and forks none. */
function checkChains(anchor, { equivocations, events }) {
  if (anchor.keySet === null) return NO_KEY_SET;
  const roots = events.filter((event) => event.prevEvent === null)
    .map((event) => event.signer.signerId);
  if (equivocations.length || new Set(roots).size !== roots.length) {
    throw new PithError("event.chain", "a signer forked its chain, or began a second one");
  }
  return "";
}

/** The signatures that are judged: the shown receipt's, the registry's events' and the bundle's.
 * Under a key pin only those that must be the pinned key's: of the events, the one shown. */
function judgedParts(found) {
  const { merged, bindings, registry, anchor, bundle, bundleKey, value } = found;
  const whole = [canonical(value)];
  const [receipt] = eventParts({ event: merged.shown, receipt: merged.receipt, bindings, whole });
  const events = merged.events
    .filter((event) => anchor.keySet !== null || event === merged.shown)
    .map((event) => eventParts({ event, receipt: null, bindings, whole })[0]);
  const own = { what: "bundle", signerId: registry, keyId: bundle.signature.keyId,
    key: bundleKey, dated: bundle.builtAt, heldIn: whole };
  return [receipt, ...events, own].filter((part) => part.signerId === registry);
}

/** Section 8: a second merge without the events, and the receipts in them, that the key set
 * calls neither valid nor proven; null where it vouches for all. */
async function secondMerge(found) {
  const { verdicts, copies, merged, bundle } = found;
  if (verdicts.every(isVouched)) return null;
  const vouched = [];
  const whole = [canonical(found.value)];
  for (const copy of copies) if (await isCopyVouched(found, whole, copy)) vouched.push(copy);
  const kept = new Set(vouched);
  return {
    unproven: copies.filter((copy) => !kept.has(copy)).map((copy) => copy.identity),
    state: await stateOf(mergeExamined(merged.number, vouched), bundle.members.source_aliases),
  };
}

async function isCopyVouched(found, whole, { event, receipt }) {
  const { registry, bindings } = found;
  if (event.signer.signerId !== registry) return true;
  try {
    for (const part of eventParts({ event, receipt, bindings, whole })) {
      if (!isVouched(await judge(found, part))) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof PithError) return false; // a key that no pin leads to
    throw error;
  }
}

/**
 * Checks everything of a bundle (Uint8Array) under the verifier's terms (see `takeTerms`):
 * {pins, at, maxAhead, expect, registry, acceptExpired}. Never throws for what the bytes say.
 *
 * Gives {kind, subject, registry, ok, checks, verdicts, proven}: `checks` in their fixed order,
 * `verdicts` [{what, key_id, verdict, reason}] of section 9.4, and `proven` what is left,
 * {unproven, state}, without the events that the pinned key set does not vouch for.
 */
export async function verifyBundle(bytes, terms) {
  const found = { terms: takeTerms(terms), verdicts: [], copies: [] };
  const before = await runSteps(bundleForm(found, bytes));
  const isReady = isOk(before, "bundle.registry");
  if (isReady) {
    const { bundle, bindings } = found;
    for (const event of bundle.members.events) {
      found.copies.push(await examineEvent(event, bundle.named.number, bindings));
    }
    found.merged = mergeExamined(bundle.named.number, found.copies);
  }
  const middle = isReady ? eventRows(found.copies)
    : EVENT_CHECKS.map((name) => checkRow(name, "skipped", "needs bundle.registry"));
  const after = await runSteps([
    ...expectSubject(found.terms, ["bundle.record"], () => [found.record, found.record.source]),
    ...expectRegistry(found.terms, ["bundle.registry"], () => found.registry),
    ...bundleWhole(found), ...bundleTrust(found)], passedNames(before));
  return reportOf("bundle",
    isOk(before, "bundle.schema") ? found.bundle.named.number : "",
    isReady ? found.registry : "",
    [...before, ...middle, ...after], found.verdicts,
    isOk(after, "trust.key") ? await secondMerge(found) : null);
}

/** What is read and recomputed of a bundle before its events are looked at. */
function bundleForm(found, bytes) {
  const body = () => found.bundle.members;
  const equal = (name, wanted) => mustEqual(body(), { [name]: wanted() }, "$", `bundle.${name}`);
  return [
    ["json", [], () => { found.value = readJson(bytes, { limits: LARGE }); }],
    ["bundle.schema", ["json"], () => { found.bundle = parseBundle(found.value); }],
    ["bundle.record", ["bundle.schema"], async () => {
      found.record = await parseRecord(body().canonical_record, "$.canonical_record");
    }],
    ["bundle.canonical_sha256", ["bundle.record"],
      () => equal("canonical_sha256", () => found.record.sha256)],
    ["bundle.pith_number", ["bundle.record"],
      () => equal("pith_number", () => found.record.number)],
    ["bundle.short_pith_number", ["bundle.schema"],
      () => equal("short_pith_number", () => found.bundle.named.short)],
    ["bundle.source", ["bundle.record"], () =>
      mustEqual(parseSource(body().source, "$.source"), found.record.source, "$.source",
        "bundle.source")],
    ["bundle.aliases", ["bundle.record"],
      () => checkAliases(body().source_aliases, found.record.aliases)],
    ["bundle.links", ["bundle.schema"], () => checkLinks(body().links, found.bundle.named)],
    ["bundle.mirror_hints", ["bundle.schema"], () => body().mirror_hints.forEach((item, i) =>
      checkMirrorHint(item, `$.mirror_hints[${i}]`, found.bundle.named, "bundle.mirror_hints"))],
    ["bundle.timestamp_proofs", ["bundle.schema"], () => body().timestamp_proofs
      .forEach((item, i) => checkAnchor(item, `$.timestamp_proofs[${i}]`))],
    ["bundle.public_keys", ["bundle.schema"], async () => {
      found.keys = await parsePublicKeys(body().public_keys);
      return `${found.keys.length.toLocaleString("en-US")} keys`;
    }],
    ["bundle.registry", ["bundle.public_keys"], () => {
      found.registry = registryOf(body().events, found.keys);
      found.bindings = keyBindings(found.keys, found.registry);
      return found.registry;
    }],
  ];
}

/** What is recomputed of a bundle from its events, and its own signature. */
function bundleWhole(found) {
  const body = () => found.bundle.members;
  return [
    ["bundle.events", ["bundle.registry"], () => checkEvents(found.merged, found.copies)],
    ["bundle.record_created", ["bundle.events", "bundle.record"], () => {
      const { shown: created } = found.merged;
      if (created === null || !equalJson(created.payload.canonical_record, found.record.value)) {
        throw new PithError("bundle.record_created", "no current record_created of this record");
      }
    }],
    ["bundle.state", ["bundle.events"],
      () => checkState(body().state, found.merged, body().source_aliases)],
    ["bundle.times", ["bundle.events"], () => checkTimes(found.bundle, found.merged.events)],
    ["bundle.bundle_sha256", ["bundle.schema"], async () => {
      found.message = await digest(without(body(), "bundle_signature"));
      mustEqual(body().bundle_signature, { bundle_sha256: hexOf(found.message) },
        "$.bundle_signature", "bundle.bundle_sha256");
    }],
    ["bundle.signature_key", ["bundle.registry"], () => {
      const { keyId: id, fingerprint } = found.bundle.signature;
      found.bundleKey = found.bindings.get(registryBinding(found.registry, id, fingerprint));
      if (found.bundleKey === undefined) {
        throw new PithError("bundle.signature_key", `${id} is not a registry key of public_keys`);
      }
      return id;
    }],
    ["bundle.signature", ["bundle.signature_key"],
      () => checkSignature(found.bundleKey, found.message, found.bundle.signature.raw)],
    ["bundle.clock", ["bundle.schema"], () => {
      checkAhead("bundle.clock", found.bundle.builtAt, found.terms);
      checkAhead("bundle.clock", whole(found.bundle.signature.signedAt), found.terms);
    }],
  ];
}

function bundleTrust(found) {
  return [
    ["trust.pin", ["bundle.registry"], async () => {
      found.anchor = await anchorOf(found.terms.pins, found.registry);
      return found.anchor.origins.join("; ");
    }],
    ["keyset.fresh", ["trust.pin"], () => freshStep(found.anchor, found.terms)],
    ["trust.key", ["trust.pin", "bundle.record_created", "bundle.signature"],
      () => judgeAll(found, judgedParts(found))],
    ["trust.verdicts", ["trust.key"], () => requireVerdicts(found.verdicts)],
    ["event.chain", ["trust.pin", "bundle.events"], () => checkChains(found.anchor, found.merged)],
  ];
}

// -- 7 and 9. An event by itself, a receipt with its record ---------------------------------

/** Checks one event (Uint8Array), which carries no keys, with the keys that are pinned. Terms
 * and report as of `verifyBundle`. */
export async function verifyEvent(bytes, terms) {
  const found = { terms: takeTerms(terms), verdicts: [], parts: [] };
  const before = await runSteps([
    ["json", [], () => { found.value = readJson(bytes); }],
    ["event.form", ["json"], () => {
      found.event = parseEvent(found.value, canonical(found.value));
      return found.event.id;
    }],
    ["trust.pin", ["event.form"], async () => {
      found.anchor = await anchorOf(found.terms.pins, found.event.signer.signerId);
      return found.anchor.origins.join("; ");
    }],
  ]);
  const isFormed = isOk(before, "event.form");
  const middle = isFormed ? await ownEventRows(found) : [];
  const after = await runSteps(eventTrust(found), passedNames([...before, ...middle]));
  return reportOf("event", isFormed ? found.event.id : "",
    isFormed ? found.event.signer.signerId : "", [...before, ...middle, ...after], found.verdicts);
}

async function ownEventRows(found) {
  const { value, event, terms } = found;
  const bindings = pinnedBindings(terms.pins, event.signer.signerId);
  const copy = await examineEvent(value, event.subject.number, bindings);
  if (copy.failed === null) found.parts = eventParts({ event, receipt: copy.receipt, bindings });
  return eventRows([copy]);
}

function eventTrust(found) {
  const { event } = found;
  const record = () => parseRecord(event.payload.canonical_record);
  const source = async () => event.type === "record_created" ? (await record()).source : null;
  return [
    ["event.clock", ["event.form"],
      () => checkAhead("event.clock", whole(event.signature.signedAt), found.terms)],
    ...expectSubject(found.terms, ["event.form"], async () => [event.subject, await source()]),
    ...expectRegistry(found.terms, ["event.form"], () => event.signer.signerId),
    ["keyset.fresh", ["trust.pin"], () => freshStep(found.anchor, found.terms)],
    ["trust.key", ["trust.pin", "event.receipt"], () => judgeAll(found, found.parts)],
    ["trust.verdicts", ["trust.key"], () => requireVerdicts(found.verdicts)],
  ];
}

/** The pinned key that a receipt names: {registry, key}. Key sets are asked first (0005). */
function keyOfReceipt({ keyId: id, fingerprint }, terms) {
  const sets = terms.pins.filter((pin) => pin.kind === "key set").map((pin) => pin.registry).sort();
  const named = terms.pins.map((pin) => pin.registry).filter((name) => name !== null).sort();
  for (const registry of terms.registry !== null ? [terms.registry] : [...sets, ...named, ""]) {
    const name = registryBinding(registry, id, fingerprint);
    const key = pinnedBindings(terms.pins, registry).get(name);
    if (key !== undefined) return { registry, key };
  }
  throw new PithError("trust.pin", `no pin has the receipt's key ${id}`);
}

/** Checks a receipt and the record it should be of (both Uint8Array). The receipt's signature
 * is over the record alone: only its record_created vouches for its times. */
export async function verifyReceipt(bytes, recordBytes, terms) {
  const found = { terms: takeTerms(terms), verdicts: [], registry: "" };
  const checks = await runSteps([
    ["json", [], () => { found.value = readJson(bytes); }],
    ["receipt.schema", ["json"], () => { found.receipt = parseReceipt(found.value, "$"); }],
    ["receipt.record_form", [], async () => {
      found.record = await parseRecord(readJson(recordBytes, { inRecord: true }));
      return found.record.number;
    }],
    ["trust.pin", ["receipt.schema"], async () => {
      const { registry, key } = keyOfReceipt(found.receipt, found.terms);
      found.anchor = await anchorOf(found.terms.pins, registry);
      [found.registry, found.key] = [registry, key];
    }],
    ["receipt.signature", ["receipt.record_form", "trust.pin"],
      () => checkReceipt(found.receipt, found.record, found.key)],
    ["receipt.clock", ["receipt.schema"],
      () => checkAhead("receipt.clock", found.receipt.signedAt, found.terms)],
    ...expectSubject(
      found.terms, ["receipt.record_form"], () => [found.record, found.record.source]),
    ["keyset.fresh", ["receipt.signature"], () => freshStep(found.anchor, found.terms)],
    ["trust.key", ["receipt.signature"], () => judgeAll(found, [{ what: "receipt",
      signerId: found.registry, keyId: found.receipt.keyId, key: found.key, dated: null,
      heldIn: [canonical(found.value)] }])],
    ["trust.verdicts", ["trust.key"], () => requireVerdicts(found.verdicts)],
  ]);
  return reportOf("receipt", found.record?.number ?? "", found.registry, checks, found.verdicts);
}

// -- 10. Key set ----------------------------------------------------------------------------

const KEY_SET_MEMBERS = ["keyset_type", "keyset_version", "registry", "version", "created_at",
  "expires_at", "threshold", "prev_keyset_sha256", "keys", "signatures"];
const LIFE = ["usage", "status", "valid_from", "retired_at", "revoked_at", "compromised_since",
  "reason", "successor_key_sha256"];
const STATUSES = ["announced", "active", "retiring", "retired", "revoked"];

/** One key of a set; `key` is null for an algorithm that is not known yet: such an entry is
 * kept and counts for nothing. */
async function parseEntry(value, path) {
  const members = closed(value, [...KEY_MEMBERS, ...LIFE], path);
  const described = without(members, ...LIFE);
  const isKnown = text(members.algorithm, `${path}.algorithm`) === "ed25519";
  const time = (name) => optional(seconds)(members[name], `${path}.${name}`);
  keyId(members.key_id, `${path}.key_id`);
  const object = isKnown ? await parseKeyObject(described, path) : null;
  return {
    value: members, described, keyId: members.key_id, key: object && object.key,
    usage: oneOf(members.usage, ["registry", "recovery"], `${path}.usage`),
    status: oneOf(members.status, STATUSES, `${path}.status`),
    validFrom: seconds(members.valid_from, `${path}.valid_from`),
    retiredAt: time("retired_at"),
    revokedAt: time("revoked_at"),
    compromisedSince: time("compromised_since"),
    reason: optional(text)(members.reason, `${path}.reason`),
    successor: optional(hex64)(members.successor_key_sha256, `${path}.successor_key_sha256`),
  };
}

function parseKeySetSignature(value, path) {
  const members = closed(value, ["key_id", "public_key_fingerprint", "signature_b64"], path);
  return {
    keyId: keyId(members.key_id, `${path}.key_id`),
    fingerprint: hex32(members.public_key_fingerprint, `${path}.public_key_fingerprint`),
    raw: base64(text(members.signature_b64, `${path}.signature_b64`, 16 * MAX_TEXT),
      `${path}.signature_b64`),
  };
}

/** A closed key set; its rules and signatures are checked by `checkKeySet`. */
async function parseKeySet(value) {
  const members = closed(value, KEY_SET_MEMBERS, "$");
  const signatures = list(members.signatures, "$.signatures");
  constants(members, { keyset_type: "pith_key_set", keyset_version: "1.0" }, "$");
  const version = integer(members.version, "$.version");
  const threshold = integer(members.threshold, "$.threshold");
  if (version < 1 || threshold < 0) {
    throw new PithError("schema.range", "version is at least 1 and threshold at least 0", "$");
  }
  const keys = list(members.keys, "$.keys");
  const keySet = {
    version, threshold, entries: [],
    registry: partyName(members.registry, "$.registry"),
    createdAt: seconds(members.created_at, "$.created_at"),
    expiresAt: seconds(members.expires_at, "$.expires_at"),
    previous: optional(hex64)(members.prev_keyset_sha256, "$.prev_keyset_sha256"),
  };
  for (const [i, item] of keys.entries()) {
    keySet.entries.push(await parseEntry(item, `$.keys[${i}]`));
  }
  keySet.signatures = signatures.map((item, i) =>
    parseKeySetSignature(item, `$.signatures[${i}]`));
  keySet.message = prefixed("pith-keyset-v1", without(members, "signatures"));
  keySet.digest = hexOf(await sha256(keySet.message));
  return keySet;
}

const activeKeys = (keySet, usage) => keySet.entries.filter((entry) =>
  entry.usage === usage && entry.status === "active" && entry.key !== null);

/** No key and no key_id twice; every entry's times go with its status. */
function checkEntries(keySet) {
  const refuse = (told) => new PithError("keyset.keys", told);
  const known = keySet.entries.filter((entry) => entry.key !== null);
  const ids = keySet.entries.map((each) => each.keyId);
  for (const names of [ids, known.map((each) => each.key.hex)]) {
    if (new Set(names).size !== names.length) throw refuse("a key stands twice");
  }
  for (const { keyId: id, status, validFrom, retiredAt, revokedAt, compromisedSince }
    of keySet.entries) {
    const isOver = status !== "announced" && status !== "active";
    if ((status === "revoked") !== (revokedAt !== null)
        || (status === "retired" && retiredAt === null)
        || (compromisedSince !== null && status !== "revoked")
        || (retiredAt !== null && (!isOver || retiredAt < validFrom))) {
      throw refuse(`the times of key ${id} do not go with its status, ${status}`);
    }
  }
  const active = activeKeys(keySet, "registry");
  const isStopped = keySet.entries.some((entry) =>
    entry.usage === "registry" && entry.status === "revoked" && entry.successor === null);
  if (active.length > 1) throw refuse("more than one active registry key");
  if (active.length === 0 && !isStopped) throw refuse("no active registry key");
}

/** 1 to the number of active recovery keys, 0 while there are none. */
function checkThreshold(keySet) {
  const { length } = activeKeys(keySet, "recovery");
  if (length === 0 ? keySet.threshold !== 0 : keySet.threshold < 1 || keySet.threshold > length) {
    throw new PithError("keyset.threshold", `${keySet.threshold} of ${length} recovery keys`);
  }
}

function checkLife({ createdAt, expiresAt }) {
  if (expiresAt <= createdAt || expiresAt > createdAt + 400n * DAY) {
    throw new PithError("keyset.life", "expires_at is not within 400 days after created_at");
  }
}

function checkPrevious({ version, previous }) {
  if ((version === 1) !== (previous === null)) {
    throw new PithError("keyset.chain", `version ${version} with prev_keyset_sha256 ${previous}`);
  }
}

/** Every signature present verifies, by a key of the set, and none signs twice. */
async function checkKeySetSignatures(keySet) {
  const refuse = (told) => new PithError("keyset.signatures", told);
  if (keySet.signatures.length === 0 && keySet.version > 1) throw refuse("nobody has signed it");
  const signed = new Set();
  for (const { keyId: id, fingerprint, raw } of keySet.signatures) {
    const named = keySet.entries.filter((each) => each.keyId === id);
    if (named.some((each) => each.key === null)) continue; // of an algorithm to come
    const entry = named.find((each) => each.key.fingerprint === fingerprint);
    if (entry === undefined) throw refuse(`${id} is not a key of the set`);
    if (signed.has(entry.key.hex)) throw refuse(`key ${id} signs twice`);
    signed.add(entry.key.hex);
    await checkSignature(entry.key, keySet.message, raw);
  }
}

const signersOf = (keySet) => new Set(keySet.signatures.map((signature) => signature.keyId));

/** Every key that a version adds or makes active has signed it; `old` is the version before. */
function checkPossession(keySet, old = null) {
  if (old === null && keySet.version !== 1) return;
  const before = new Map((old?.entries ?? []).map((entry) => [entry.keyId, entry.status]));
  const signed = signersOf(keySet);
  for (const { keyId: id, status, key } of keySet.entries) {
    const isNew = !before.has(id) || (status === "active" && before.get(id) !== "active");
    if (key !== null && isNew && !signed.has(id)) {
      throw new PithError("keyset.possession", `key ${id} has not signed the set it is new in`);
    }
  }
}

/** Everything that a set can be checked for by itself. */
async function checkKeySet(keySet) {
  checkEntries(keySet);
  checkThreshold(keySet);
  checkLife(keySet);
  checkPrevious(keySet);
  await checkKeySetSignatures(keySet);
  checkPossession(keySet);
}

/** Checks one key set (Uint8Array) by itself, and whether a pin is this very set: a pinned key
 * never extends to one. Terms and report as of `verifyBundle`; the subject is its digest. */
export async function verifyKeySet(bytes, terms) {
  const found = { terms: takeTerms(terms) };
  const rule = (name, run) => [name, ["keyset.schema"], () => run(found.keySet)];
  const checks = await runSteps([
    ["json", [], () => { found.value = readJson(bytes, { limits: KEY_SET }); }],
    ["keyset.schema", ["json"], async () => { found.keySet = await parseKeySet(found.value); }],
    rule("keyset.keys", checkEntries),
    rule("keyset.threshold", checkThreshold),
    rule("keyset.life", checkLife),
    rule("keyset.chain", checkPrevious),
    rule("keyset.signatures", checkKeySetSignatures),
    rule("keyset.possession", (keySet) => checkPossession(keySet)),
    rule("keyset.fresh", (keySet) => checkFresh(keySet, found.terms)),
    ...expectRegistry(found.terms, ["keyset.schema"], () => found.keySet.registry),
    rule("trust.pin", ({ digest: own }) => {
      const pin = found.terms.pins.find((each) => each.keySet?.digest === own);
      if (pin === undefined) throw new PithError("trust.pin", `no pin is this key set, ${own}`);
      return pin.origin;
    }),
  ]);
  return reportOf("key set", found.keySet?.digest ?? "", found.keySet?.registry ?? "", checks);
}

// -- 10. Key set: how one version follows another -------------------------------------------

/**
 * Follows versions of a key set, each as bytes (Uint8Array), the first taken as it is: it is
 * what the caller pins. Gives the chain, [{keySet, act}], `act` "first", "routine", "recovery"
 * or "first recovery keys". Throws a PithError with the rule that is broken; keyset.fork and
 * keyset.rollback are conflicts with what is held.
 */
export async function verifyChain(versions) {
  const keySets = [];
  for (const bytes of versions) {
    keySets.push(await parseKeySet(readJson(bytes, { limits: KEY_SET })));
  }
  return followAll(keySets);
}

const parseChain = (bytes) => verifyChain(linesOf(bytes));

async function followAll(keySets) {
  let chain = [];
  for (const keySet of keySets) chain = await follow(chain, keySet);
  return chain;
}

/** The chain after a verifier who holds `chain` was offered another version (Uint8Array). */
export async function followKeySet(chain, bytes) {
  return follow(chain, await parseKeySet(readJson(bytes, { limits: KEY_SET })));
}

async function follow(chain, offered) {
  await checkKeySet(offered);
  if (chain.length === 0) return [{ keySet: offered, act: "first" }];
  if (chain.some(({ keySet }) => keySet.digest === offered.digest)) return chain;
  const last = chain.at(-1).keySet;
  if (offered.version > last.version || offered.registry !== last.registry) {
    return [...chain, { keySet: offered, act: actBetween(last, offered) }];
  }
  const rollback = new PithError("keyset.rollback",
    `version ${offered.version} is older than ${last.version} or displaced by it`);
  const fork = new PithError("keyset.fork", `two different sets are version ${offered.version}`);
  const place = offered.version - chain[0].keySet.version;
  if (place < 0) throw rollback;
  if (place === 0) throw fork;
  const act = actBetween(chain[place - 1].keySet, offered);
  if (act === "recovery" && chain[place].act === "routine") {
    return [...chain.slice(0, place), { keySet: offered, act }];
  }
  throw act === "routine" && chain[place].act === "recovery" ? rollback : fork;
}

/** Checks that a sound set follows another, and gives the act that made it. */
function actBetween(old, offered) {
  const refuse = (code, told) => new PithError(`keyset.${code}`, told);
  if (offered.registry !== old.registry) throw refuse("registry", "it is of another registry");
  if (offered.version !== old.version + 1) {
    throw refuse("version", `version ${offered.version} does not follow ${old.version}`);
  }
  if (offered.previous !== old.digest) throw refuse("prev", "it names another predecessor");
  if (offered.createdAt < old.createdAt) throw refuse("created", "created before its predecessor");
  const before = new Map(old.entries.map((entry) => [entry.keyId, entry]));
  const after = new Set(offered.entries.map((entry) => entry.keyId));
  for (const id of before.keys()) if (!after.has(id)) throw refuse("dropped", `key ${id} is gone`);
  const pairs = offered.entries.map((entry) => [before.get(entry.keyId) ?? null, entry]);
  const kept = pairs.filter(([was]) => was !== null);
  for (const [was, is] of kept) checkUnchanged(was, is);
  for (const [was, is] of kept) {
    if (STATUSES.indexOf(is.status) < STATUSES.indexOf(was.status)) {
      throw refuse("status", `key ${is.keyId} went back from ${was.status} to ${is.status}`);
    }
  }
  checkPossession(offered, old);
  return actOf(old, offered, pairs);
}

/** What stays as it is for ever: key, usage, valid_from, and times once set. Distrust only
 * grows: revoked without compromised_since counts from valid_from. */
function checkUnchanged(was, is) {
  const isSame = was.usage === is.usage && was.validFrom === is.validFrom
    && ["retiredAt", "revokedAt"].every((name) => was[name] === null || was[name] === is[name]);
  const isLater = was.compromisedSince !== null
    ? is.compromisedSince === null || is.compromisedSince > was.compromisedSince
    : was.status === "revoked" && is.compromisedSince !== null
      && is.compromisedSince > was.validFrom;
  if (!equalJson(was.described, is.described) || !isSame || isLater) {
    throw new PithError("keyset.changed", `something of key ${is.keyId} was changed`);
  }
}

function actOf(old, offered, pairs) {
  const signed = signersOf(offered);
  const count = (keySet, usage) =>
    activeKeys(keySet, usage).filter((entry) => signed.has(entry.keyId)).length;
  const unmet = (told) => new PithError("keyset.threshold_met", told);
  if (old.threshold > 0 && count(old, "recovery") >= old.threshold) {
    if (count(offered, "recovery") < offered.threshold) {
      throw unmet("it has not the threshold of its own recovery keys");
    }
    return "recovery";
  }
  if (count(old, "registry") === 0) {
    throw unmet("signed neither by the threshold nor by the active registry key");
  }
  if (old.threshold === 0 && addsFirstRecoveryKeys(old, offered, pairs)) {
    return "first recovery keys";
  }
  checkRoutine(old, offered, pairs);
  return "routine";
}

function addsFirstRecoveryKeys(old, offered, pairs) {
  const added = pairs.filter(([was]) => was === null);
  return added.length > 0 && added.every(([, is]) => is.usage === "recovery")
    && pairs.every(([was, is]) => was === null || equalJson(was.value, is.value))
    && offered.threshold >= 1 && old.entries.every((entry) => entry.usage !== "recovery");
}

/** A routine act announces the committed successor, makes it active, and moves registry keys
 * forward, not to revoked; all else takes the recovery keys. */
function checkRoutine(old, offered, pairs) {
  const beyond = (told) => new PithError("keyset.routine", `a routine act may not ${told}`);
  if (offered.threshold !== old.threshold) throw beyond("change the threshold");
  const committed = activeKeys(old, "registry")[0].successor;
  for (const [was, is] of pairs) {
    const isSuccessor = committed !== null && is.key?.sha256 === committed;
    if (was === null) {
      const isBeginning = is.status === "announced" || is.status === "active";
      if (is.usage !== "registry" || !isSuccessor || !isBeginning) {
        throw beyond(`add key ${is.keyId} as ${is.status}: it is not the committed successor`);
      }
    } else if (was.usage === "recovery" && !equalJson(was.value, is.value)) {
      throw beyond(`change recovery key ${is.keyId}`);
    } else if (was.successor !== is.successor || was.revokedAt !== is.revokedAt
        || was.compromisedSince !== is.compromisedSince || was.reason !== is.reason) {
      throw beyond(`change the commitment or the revocation of ${is.keyId}`);
    }
    if (is.status === "active" && was?.status !== "active" && !isSuccessor) {
      throw beyond(`make ${is.keyId} active: it is not the committed successor`);
    }
  }
}

// -- 11. Third parties ----------------------------------------------------------------------

const PARTY_MEMBERS = [...KEY_MEMBERS, "signer_id", "signer_type"];
const SIGNERS = ["signers_type", "registry", "version", "prev_sha256", "signers", "signature"];
const SIGNER_LIFE = ["status", "revoked_at", "compromised_since", "enrolment_b64"];
const SIGNER_STATUSES = ["active", "retired", "revoked"];
const ENROLMENT = ["enrolment_type", "enrolment_version", "registry", "enrolment_b64",
  ...PARTY_MEMBERS];

const pick = (members, names) => without(members, ...Object.keys(members)
  .filter((name) => !names.includes(name)));

/** Checks that a party's key signed that it speaks under its name at a registry. */
async function checkEnrolment(registry, { key, signerId, signerType }, proof) {
  const message = prefixed("pith-enrol-v1", { registry, signer_id: signerId,
    signer_type: signerType, public_key_hex: key.hex });
  await checkSignature(key, message, proof);
}

/** Checks what a newcomer sends to a registry (Uint8Array). Gives {registry, signer_id,
 * signer_type, key_id, public_key_hex}, or throws a PithError. */
export async function verifyEnrolment(bytes) {
  const members = closed(readJson(bytes), ENROLMENT, "$");
  constants(members, { enrolment_type: "pith_enrolment", enrolment_version: "1.0" }, "$");
  const registry = partyName(members.registry, "$.registry");
  const party = await parseKeyObject(pick(members, PARTY_MEMBERS), "$");
  const proof = base64(members.enrolment_b64, "$.enrolment_b64", 64);
  if (party.signerId === registry) {
    throw new PithError("signers.registry_name", "a party bears the registry's name");
  }
  await checkEnrolment(registry, party, proof);
  return { registry, signer_id: party.signerId, signer_type: party.signerType,
    key_id: party.keyId, public_key_hex: party.key.hex };
}

async function parseSignerEntry(value, path) {
  const members = closed(value, [...PARTY_MEMBERS, ...SIGNER_LIFE], path);
  const revokedAt = optional(seconds)(members.revoked_at, `${path}.revoked_at`);
  const since = optional(seconds)(members.compromised_since, `${path}.compromised_since`);
  return {
    binding: without(members, "status", "revoked_at", "compromised_since"),
    ...await parseKeyObject(pick(members, PARTY_MEMBERS), path),
    status: oneOf(members.status, SIGNER_STATUSES, `${path}.status`),
    revokedAt,
    compromisedSince: since,
    proof: base64(members.enrolment_b64, `${path}.enrolment_b64`, 64),
  };
}

/** A closed signers list (decision 0016); its rules and signature are not yet checked. */
async function parseSigners(value) {
  const members = closed(value, SIGNERS, "$");
  constants(members, { signers_type: "pith_signers" }, "$");
  const version = integer(members.version, "$.version");
  if (version < 1) throw new PithError("schema.range", "version is at least 1", "$.version");
  list(members.signers, "$.signers");
  const registry = partyName(members.registry, "$.registry");
  const previous = optional(hex64)(members.prev_sha256, "$.prev_sha256");
  const entries = [];
  for (const [i, item] of members.signers.entries()) {
    entries.push(await parseSignerEntry(item, `$.signers[${i}]`));
  }
  const signature = parseKeySetSignature(members.signature, "$.signature");
  const message = prefixed("pith-signers-v1", without(members, "signature"));
  return { version, registry, previous, entries, signature, message,
    digest: hexOf(await sha256(message)) };
}

/** No key twice, no party with the registry's name, one type a signer, times as the status. */
function checkSignerEntries({ registry, entries }) {
  const refuse = (code, told) => new PithError(`signers.${code}`, told);
  for (const names of [entries.map((each) => each.key.hex), entries.map((each) => each.keyId)]) {
    if (new Set(names).size !== names.length) throw refuse("keys", "a key or key_id stands twice");
  }
  const types = new Map();
  for (const { keyId: id, signerId, signerType, status, revokedAt, compromisedSince } of entries) {
    if (signerId === registry) throw refuse("registry_name", `key ${id} bears the registry's name`);
    if ((types.get(signerId) ?? signerType) !== signerType) {
      throw refuse("binding", `${signerId} has two signer_types`);
    }
    types.set(signerId, signerType);
    const isRevoked = status === "revoked";
    if (isRevoked !== (revokedAt !== null) || (compromisedSince !== null && !isRevoked)) {
      throw refuse("times", `the times of key ${id} do not go with its status`);
    }
  }
}

async function checkEnrolments({ registry, entries }) {
  for (const entry of entries) await checkEnrolment(registry, entry, entry.proof);
}

function checkFirstSigners({ version, previous }) {
  if ((version === 1) !== (previous === null)) {
    throw new PithError("signers.chain", `version ${version} with prev_sha256 ${previous}`);
  }
}

/** One of the registry's keys signed the list, and none of them is a party's. Gives the key. */
async function checkSignersSignature({ registry, entries, signature, message }, bindings) {
  const { keyId: id, fingerprint, raw } = signature;
  const key = bindings.get(registryBinding(registry, id, fingerprint));
  if (key === undefined) throw new PithError("signers.signature", `${id} is no known registry key`);
  const own = new Set([...bindings.values()].map((each) => each.hex));
  if (entries.some((entry) => own.has(entry.key.hex))) {
    throw new PithError("signers.registry_key", "a party's key is a key of the registry");
  }
  await checkSignature(key, message, raw);
  return key;
}

/** Checks one signers list (Uint8Array) with the registry keys that are pinned. Terms and
 * report as of `verifyBundle`; the subject is the list's digest. */
export async function verifySigners(bytes, terms) {
  const found = { terms: takeTerms(terms), verdicts: [] };
  const rule = (name, run) => [name, ["signers.schema"], () => run(found.signers)];
  const checks = await runSteps([
    ["json", [], () => { found.value = readJson(bytes, { limits: LARGE }); }],
    ["signers.schema", ["json"], async () => { found.signers = await parseSigners(found.value); }],
    rule("signers.keys", checkSignerEntries),
    rule("signers.enrolment", checkEnrolments),
    rule("signers.chain", checkFirstSigners),
    ...expectRegistry(found.terms, ["signers.schema"], () => found.signers.registry),
    rule("trust.pin", async ({ registry }) => {
      found.anchor = await anchorOf(found.terms.pins, registry);
      return found.anchor.origins.join("; ");
    }),
    ["signers.signature", ["trust.pin"], async () => {
      const bindings = pinnedBindings(found.terms.pins, found.signers.registry);
      found.key = await checkSignersSignature(found.signers, bindings);
    }],
    ["keyset.fresh", ["trust.pin"], () => freshStep(found.anchor, found.terms)],
    ["trust.key", ["signers.signature"], () => judgeAll(found, [{ what: "signers list",
      signerId: found.signers.registry, keyId: found.signers.signature.keyId, key: found.key,
      dated: null, heldIn: [] }])],
    ["trust.verdicts", ["trust.key"], () => requireVerdicts(found.verdicts)],
  ]);
  return reportOf("signers list", found.signers?.digest ?? "", found.signers?.registry ?? "",
    checks, found.verdicts);
}

/**
 * Follows versions of a signers list, each as bytes (Uint8Array), the first taken as it is.
 * `pins` hold the registry's keys. Gives the versions that are held, [{version, digest}], or
 * throws a PithError with the rule that is broken, signers.rollback and signers.fork among them.
 */
export async function verifySignersChain(versions, pins) {
  const chain = [];
  for (const bytes of versions) {
    const offered = await parseSigners(readJson(bytes, { limits: LARGE }));
    checkSignerEntries(offered);
    await checkEnrolments(offered);
    checkFirstSigners(offered);
    await checkSignersSignature(offered, pinnedBindings(pins, offered.registry));
    if (chain.some((held) => held.digest === offered.digest)) continue;
    if (chain.length > 0) checkNextSigners(chain[0], chain.at(-1), offered);
    chain.push(offered);
  }
  return chain.map(({ version, digest: own }) => ({ version, digest: own }));
}

/** Checks that a sound list follows the `last` of those that are held, from `first` on. */
function checkNextSigners(first, last, offered) {
  const refuse = (code, told) => new PithError(`signers.${code}`, told);
  const { registry, version } = offered;
  if (version <= last.version && registry === last.registry) {
    throw version < first.version ? refuse("rollback", `version ${version} is older`)
      : refuse("fork", `two different lists are version ${version}`);
  }
  if (registry !== last.registry) throw refuse("registry", "it is of another registry");
  if (version !== last.version + 1) throw refuse("version", `not that after ${last.version}`);
  if (offered.previous !== last.digest) throw refuse("prev", "it names another predecessor");
  for (const was of last.entries) {
    const is = offered.entries.find((entry) => entry.keyId === was.keyId);
    if (is === undefined) throw refuse("dropped", `key ${was.keyId} is gone`);
    if (!equalJson(was.binding, is.binding)) throw refuse("changed", `${was.keyId} was changed`);
    if (SIGNER_STATUSES.indexOf(is.status) < SIGNER_STATUSES.indexOf(was.status)) {
      throw refuse("status", `key ${was.keyId} went back from ${was.status} to ${is.status}`);
    }
    const isMoved = was.compromisedSince !== null
      && (is.compromisedSince === null || is.compromisedSince > was.compromisedSince);
    if (isMoved || (was.revokedAt !== null && was.revokedAt !== is.revokedAt)) {
      throw refuse("changed", `the revocation of key ${was.keyId} was changed`);
    }
  }
}

// -- 8.3 and 10. Evidence of equivocation (decision 0018) -----------------------------------

const EVIDENCE = ["evidence_type", "evidence_version", "kind", "why", "signer_id",
  "subject_pith_number", "keys", "under", "objects"];
const WHY = {
  event_fork: "one signer signed two events after the same previous event",
  second_root: "under a key set, one signer began two chains on the same record",
  key_set_fork: "one registry signed two key sets of one version, and neither is a recovery act "
    + "that displaces a routine one",
  signers_fork: "one registry signed two signers lists of one version",
};
const isOfEvents = ({ kind }) => kind === "event_fork" || kind === "second_root";
const noConflict = (told) => new PithError("evidence.conflict", told);

/** A closed evidence document: two objects in the order of their bytes, keys in that of ids. */
async function parseEvidence(value) {
  const members = closed(value, EVIDENCE, "$");
  constants(members, { evidence_type: "pith_evidence", evidence_version: "1.0" }, "$");
  const kind = oneOf(members.kind, Object.keys(WHY), "$.kind");
  oneOf(members.why, [WHY[kind]], "$.why");
  const objects = list(members.objects, "$.objects")
    .map((item, i) => mapping(item, `$.objects[${i}]`));
  if (objects.length !== 2 || compareBytes(canonical(objects[0]), canonical(objects[1])) >= 0) {
    throw new PithError("evidence.objects", "not two objects in the order of their bytes");
  }
  const keys = [];
  for (const [i, item] of list(members.keys, "$.keys").entries()) {
    keys.push(await parseKeyObject(item, `$.keys[${i}]`));
  }
  if (keys.some((key, i) => i > 0 && key.keyId <= keys[i - 1].keyId)) {
    throw new PithError("evidence.keys", "keys are not sorted by key_id without repeats");
  }
  const signerId = partyName(members.signer_id, "$.signer_id");
  const subject = optional(text)(members.subject_pith_number, "$.subject_pith_number");
  const under = members.under === null ? null : await parseKeySet(members.under);
  return { kind, signerId, subject, keys, under, objects, digest: hexOf(await digest(value)) };
}

/** Each object is signed, and good by itself. */
async function parseContradicting(evidence) {
  const { kind, objects, keys, signerId } = evidence;
  const found = [];
  for (const value of objects) {
    if (kind === "signers_fork") {
      found.push(await parseSigners(value));
    } else if (kind === "key_set_fork") {
      found.push(await parseKeySet(value));
    } else {
      const { subject } = parseEvent(value, canonical(value));
      const copy = await examineEvent(value, subject.number, keyBindings(keys, signerId));
      if (copy.error !== null) throw copy.error;
      found.push(copy);
    }
  }
  if (kind === "key_set_fork") for (const keySet of found) await checkKeySet(keySet);
  return found;
}

/** The keys are those that the two events and their receipts need, and no other. */
function checkEvidenceKeys({ keys }, copies) {
  const name = ({ keyId: id, fingerprint }) => `${id} ${fingerprint}`;
  const needed = new Set(copies.flatMap(({ event, receipt }) =>
    [name(event.signer), ...(receipt === null ? [] : [name(receipt)])]));
  if (keys.some((each) => !needed.has(`${each.keyId} ${each.key.fingerprint}`))) {
    throw new PithError("evidence.keys", "there are keys that no object needs");
  }
}

/** The two events contradict each other. Gives the keys that signed them. */
async function checkEventFork({ kind, signerId, subject, keys, under }, copies) {
  const [one, two] = copies.map((copy) => copy.event);
  const isBy = (event) => event.signer.signerId === signerId && event.subject.number === subject;
  if (!isBy(one) || !isBy(two) || one.signer.signerType !== two.signer.signerType) {
    throw noConflict("the events are not by one signer about one record");
  }
  if (one.id === two.id) throw noConflict("the events are one and the same");
  if (one.prevEvent !== two.prevEvent) throw noConflict("the events follow different events");
  const isRoot = kind === "second_root";
  if ((one.prevEvent === null) !== isRoot) throw noConflict(`this is no ${kind}`);
  if ((under !== null) !== isRoot) throw noConflict("only a second root stands under a key set");
  if (under !== null) {
    await checkKeySet(under);
    const listed = new Set(under.entries.map((entry) => entry.key?.hex));
    if (one.signer.signerType === REGISTRY_SIGNER
        && (under.registry !== signerId || keys.some((each) => !listed.has(each.key.hex)))) {
      throw noConflict("the key set is not that of the events' keys");
    }
  }
  const byId = new Map(keys.map((each) => [each.keyId, each.key]));
  return [one, two].map((event) => byId.get(event.signer.keyId));
}

/** Two versions of one number that differ. */
function checkSameVersion([one, two]) {
  if (one.registry !== two.registry || one.version !== two.version) {
    throw noConflict("they are not of one registry and version");
  }
  if (one.digest === two.digest) throw noConflict("they are one and the same");
}

/** The keys of `listed` that signed a key set. */
function signingKeys(keySet, listed) {
  const signed = signersOf(keySet);
  return listed.entries.filter((entry) => entry.key !== null && signed.has(entry.keyId))
    .map((entry) => entry.key);
}

async function checkKeySetFork({ under }, keySets) {
  const [one, two] = keySets;
  if (under !== null) await checkKeySet(under);
  checkSameVersion(keySets);
  if (under !== null) {
    const acts = [actBetween(under, one), actBetween(under, two)];
    if (acts.includes("recovery") && acts.includes("routine")) {
      throw noConflict("a recovery act displaces the routine act of its version");
    }
    return keySets.flatMap((keySet) => signingKeys(keySet, under));
  }
  if (one.version !== 1) throw noConflict("the set that both follow is missing");
  const others = new Set(signingKeys(two, two).map((key) => key.hex));
  const both = signingKeys(one, one).filter((key) => others.has(key.hex));
  if (both.length === 0) throw noConflict("no key signed both first sets");
  return both;
}

async function checkSignersFork({ under }, lists) {
  checkSameVersion(lists);
  if (under === null || under.registry !== lists[0].registry) {
    throw noConflict("the key set whose keys signed the lists is missing");
  }
  await checkKeySet(under);
  const bindings = pinnedBindings([keySetPin(under, "")], under.registry);
  const keys = [];
  for (const signers of lists) {
    checkSignerEntries(signers);
    await checkEnrolments(signers);
    checkFirstSigners(signers);
    keys.push(await checkSignersSignature(signers, bindings));
  }
  return keys;
}

/** The objects contradict each other. Gives the keys that are accused. */
async function checkConflict(evidence, objects) {
  if (isOfEvents(evidence)) return checkEventFork(evidence, objects);
  const check = evidence.kind === "key_set_fork" ? checkKeySetFork : checkSignersFork;
  const accused = await check(evidence, objects);
  if (objects[0].registry !== evidence.signerId || evidence.subject !== null) {
    throw noConflict("the objects are not of whom the evidence names");
  }
  return accused;
}

/** The verifier's pins say whose keys are accused; a second root wants a pinned key set. */
function checkAccused({ kind, signerId, under }, accused, pins) {
  const mine = speaking(pins, signerId);
  const leads = (pin, key) => pin.kind === "key" ? pin.key.hex === key.hex
    : pin.keySet.entries.some((entry) => entry.key?.hex === key.hex);
  const isKnown = accused.every((key) => mine.some((pin) => leads(pin, key)));
  const isUnder = kind !== "second_root"
    || pins.some((pin) => pin.kind === "key set" && pin.registry === under.registry);
  if (!isKnown || !isUnder) throw new PithError("trust.pin", "no pin says whose keys these are");
  return mine.map((pin) => pin.origin).join("; ");
}

/** Checks evidence of equivocation (Uint8Array), which needs nothing beside itself; whose keys
 * they are is asked only where `terms` bring pins. Report as of `verifyBundle`. */
export async function verifyEvidence(bytes, terms) {
  const found = { terms: takeTerms(terms) };
  const checks = await runSteps([
    ["json", [], () => { found.value = readJson(bytes, { limits: LARGE }); }],
    ["evidence.schema", ["json"], async () => {
      found.evidence = await parseEvidence(found.value);
    }],
    ["evidence.objects", ["evidence.schema"], async () => {
      found.objects = await parseContradicting(found.evidence);
    }],
    ["evidence.keys", ["evidence.objects"], () =>
      checkEvidenceKeys(found.evidence, isOfEvents(found.evidence) ? found.objects : [])],
    ["evidence.conflict", ["evidence.objects"], async () => {
      found.accused = await checkConflict(found.evidence, found.objects);
    }],
    ...(found.terms.pins.length === 0 ? [] : [["trust.pin", ["evidence.conflict"],
      () => checkAccused(found.evidence, found.accused, found.terms.pins)]]),
  ]);
  return reportOf("evidence", found.evidence?.digest ?? "", found.evidence?.signerId ?? "", checks);
}
