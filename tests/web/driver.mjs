// Runs pith-verify.js over requests, one JSON object a line on stdin, one answer a line on stdout.
// An answer is {ok: result}, {refused: code} for a PithError, or {crash: stack} for all else.
// Usage: node driver.mjs FILE-URL-OF-THE-MODULE < requests.jsonl

import { createInterface } from "node:readline";

const pith = await import(process.argv[2]);
const raw = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (bytes) => Buffer.from(bytes).toString("base64");

const pinOf = ({ data, origin, key_id, public_key_hex, registry }) =>
  data === undefined
    ? pith.keyPin(key_id, public_key_hex, { registry })
    : pith.parsePin(raw(data), origin);

async function termsOf({ pins, at, max_ahead, expect, registry, accept_expired, evidence }) {
  return { pins: await Promise.all(pins.map(pinOf)), at, maxAhead: max_ahead, expect, registry,
    acceptExpired: accept_expired, evidence };
}

const bound = new Map(); // points are checked once a list, not once a history

async function bindingsOf(signers) {
  const name = JSON.stringify(signers);
  if (!bound.has(name)) bound.set(name, await pith.bindSigners(signers));
  return bound.get(name);
}

const actions = {
  read: async ({ data, record }) =>
    text(pith.canonical(pith.readJson(raw(data), { inRecord: record }))),
  write: async ({ bits }) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(`0x${bits}`));
    return text(pith.canonical(view.getFloat64(0)));
  },
  signature: async ({ key, message, signature }) => {
    await pith.verifySignature(raw(key), raw(message), raw(signature));
    return true;
  },
  number: async ({ data }) => pith.numberOf(raw(data)),
  pin: async ({ data }) => {
    const { kind, registry } = await pith.parsePin(raw(data), "a test");
    return { kind, registry };
  },
  bundle: async ({ data, terms }) => pith.verifyBundle(raw(data), await termsOf(terms)),
  event: async ({ data, terms }) => pith.verifyEvent(raw(data), await termsOf(terms)),
  receipt: async ({ data, record, terms }) =>
    pith.verifyReceipt(raw(data), raw(record), await termsOf(terms)),
  keyset: async ({ data, terms }) => pith.verifyKeySet(raw(data), await termsOf(terms)),
  signers: async ({ data, terms }) => pith.verifySigners(raw(data), await termsOf(terms)),
  signers_chain: async ({ versions, terms }) =>
    pith.verifySignersChain(versions.map(raw), (await termsOf(terms)).pins),
  enrolment: async ({ data }) => pith.verifyEnrolment(raw(data)),
  evidence: async ({ data, terms }) => pith.verifyEvidence(raw(data), await termsOf(terms)),
  chain: async ({ versions }) => {
    const chain = await pith.verifyChain(versions.map(raw));
    return chain.map(({ keySet, act }) => [keySet.version, act]);
  },
  examine: async ({ number, event, signers }) => {
    const merged = await pith.merge(number, [pith.readJson(raw(event))], await bindingsOf(signers));
    const [{ identity, failed, error }] = merged.invalid.length ? merged.invalid
      : [{ identity: merged.events[0].id, failed: null, error: { code: null } }];
    return [identity, failed, error.code];
  },
  merge: async ({ number, events, signers, aliases }) => {
    const read = events.map((data) => pith.readJson(raw(data)));
    const merged = await pith.merge(number, read, await bindingsOf(signers));
    return {
      state: text(pith.canonical(await pith.stateOf(merged, aliases))),
      failed: merged.invalid.map(({ identity, failed }) => [identity, failed]),
      kept: merged.events.map(({ id, signature }) => [id, String(signature.signedAt)]),
    };
  },
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { action, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: await actions[action](request) };
  } catch (error) {
    answer = error instanceof pith.PithError ? { refused: error.code } : { crash: error.stack };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
