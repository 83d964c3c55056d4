// Compiles the contracts beside it, or those in the folder that is named, and notes what they were compiled from: in any
// folder, `npm install solc@0.8.37 && node <path>/compile.mjs [FOLDER]`. The benches' contracts are compiled with it too.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const solc = createRequire(`${process.cwd()}/`)("solc");
const here = process.argv[2] ? `${resolve(process.argv[2])}/` : new URL(".", import.meta.url).pathname;
const names = readdirSync(here).filter((name) => name.endsWith(".sol"));
const sources = Object.fromEntries(names.map((name) => [name, { content: readFileSync(here + name, "utf8") }]));
const settings = {
  // The fork of geth 1.9.24, so that the tests can run under old and new rules.
  evmVersion: "istanbul",
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
for (const error of output.errors ?? []) console.error(error.formattedMessage);
for (const name of names) {
  const contract = name.slice(0, -".sol".length);
  const { abi, evm } = output.contracts[name][contract];
  writeFileSync(`${here}${contract}.abi`, `${JSON.stringify(abi)}\n`);
  writeFileSync(`${here}${contract}.bin`, `${evm.bytecode.object}\n`);
}
const hash = (name) => createHash("sha256").update(sources[name].content).digest("hex");
writeFileSync(`${here}sources.sha256`, names.map((name) => `${hash(name)}  ${name}\n`).join(""));
