// fast-jwt, measured in a process of its own: a case comes in as one line of JSON, then a line for each round, which
// names what is called and how often, and is answered with the mean seconds of a call.

import { createPublicKey, verify } from "node:crypto";
import { createInterface } from "node:readline";

import { createVerifier } from "fast-jwt";

const WARM_UP = 3000;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => JSON.parse((await lines.next()).value);
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const { token, algorithm, pem, issuer, audience } = await next();
const end = token.lastIndexOf(".");
const signed = Buffer.from(token.slice(0, end));
const signature = Buffer.from(token.slice(end + 1), "base64url");
const key = { key: createPublicKey(pem), dsaEncoding: "ieee-p1363" };
const judge = createVerifier({
  key: pem,
  algorithms: [algorithm],
  allowedIss: issuer,
  allowedAud: audience,
  requiredClaims: ["iss", "aud", "exp"],
});
const calls = {
  bare: () => verify("sha256", signed, key, signature),
  judge: () => judge(token),
  refuse: () => {
    try {
      judge(token);
    } catch {
      return;
    }
    throw new Error("taken");
  },
};

function seconds(call, times) {
  const began = process.hrtime.bigint();
  for (let i = 0; i < times; i++) call();
  return Number(process.hrtime.bigint() - began) / 1e9 / times;
}

for await (const line of lines) {
  const { call, times, first } = JSON.parse(line);
  if (first) seconds(calls[call], WARM_UP); // compiled before anything is measured
  answer(seconds(calls[call], times));
}
