// The MCP project's own conformance suite, in its mode for clients: every scenario of authorization,
// at every revision that it applies to, of its newest prerelease and of its latest release. Each check
// of its report is a case of ours.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
/** The folders of both, the prerelease first, as docs/client-scenarios.txt has them. */
const PACKAGES = ['@modelcontextprotocol/conformance', 'conformance-latest'];
const OLD_NODE = new URL('lib/old-node.mjs', import.meta.url).href;

/** What docs/conformance.md tells of this suite. */
const TOLD = path.join(here, '..', 'docs', 'client-scenarios.txt');

export async function run({ report, binary, artefacts }) {
  const client = path.join(path.dirname(binary), 'conformance-client');
  const told = readTold();
  await report.case('client-conformance: docs/client-scenarios.txt tells of the packages that there are', () => {
    assert.deepEqual(told.map(({ version }) => version), PACKAGES.map(versionOf));
  });
  for (const folder of PACKAGES) {
    const version = versionOf(folder);
    const scenarios = told.find((list) => list.version === version) ?? { all: [], leftOut: new Set() };
    await conform({ report, client, artefacts }, folder, `client-conformance ${version}`, scenarios);
  }
}

/** Runs one of the packages, of which `told` is known. */
async function conform({ report, client, artefacts }, packageFolder, suite, told) {
  const program = path.join(here, 'node_modules', packageFolder, 'dist', 'index.js');
  const scenarios = await listed(program);
  await report.case(`${suite}: docs/client-scenarios.txt tells of every scenario`, () => {
    assert.ok(scenarios.length >= 20, `there are ${scenarios.length}`);
    assert.deepEqual(scenarios.map(name).sort(), told.all.map(name).sort());
  });
  const passed = [];
  const ranAt = [];
  for (const { scenario, version } of scenarios) {
    if (told.leftOut.has(scenario)) continue;
    const label = `${suite}: ${scenario}${version && ` at ${version}`}`;
    const folder = path.join(artefacts, label.replace(/[^a-z0-9]+/gi, '-'));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const args = ['client', '--command', client, '--scenario', scenario, '--timeout', '20000', '--output-dir', folder];
    if (version) args.push('--spec-version', version);
    const ran = await report.case(`${label}: the suite is content`, async () => {
      const { code, said } = await runs(program, args);
      writeFileSync(path.join(folder, 'said.log'), said);
      // It says no to warnings as well, and to a client that fails where it should not.
      assert.equal(code, 0, said.slice(-1500));
    });
    const checks = readChecks(folder).filter(({ status }) => status !== 'INFO');
    await report.case(`${label}: it checked something`, () => assert.ok(checks.length > 0));
    for (const { id, status, errorMessage } of checks) {
      await report.case(`${label}: ${id}`, () => assert.equal(status, 'SUCCESS', errorMessage));
    }
    if (checks.length > 0) ranAt.push({ scenario, version });
    if (ran) passed.push(`${scenario} ${version || 'extension'}: ${checks.length} checks`);
  }
  await report.case(`${suite}: what ran is what docs/client-scenarios.txt says`, () => {
    const expected = told.all.filter(({ scenario }) => !told.leftOut.has(scenario));
    assert.deepEqual(ranAt.map(name).sort(), expected.map(name).sort());
  });
  writeFileSync(path.join(artefacts, `${suite.replace(' ', '-')}.txt`), `${passed.join('\n')}\n`);
}

/** Every scenario of authorization with each revision that it applies to; extensions have none. */
async function listed(program) {
  const { said } = await runs(program, ['list']);
  const lines = said.matchAll(/^\s+- (auth\/\S+) \[([^\]]+)\]$/gm);
  return [...lines].flatMap(([, scenario, versions]) => atEach(scenario, versions));
}

function atEach(scenario, versions) {
  return versions.split(',').map((version) => ({ scenario, version: version === 'extension' ? '' : version }));
}

const name = ({ scenario, version }) => `${scenario} ${version || 'extension'}`;

/** The lists that the page is made of: a reason behind the revisions leaves a scenario out. */
function readTold() {
  const lists = [];
  const lines = readFileSync(TOLD, 'utf8').split('\n').filter((line) => line && !line.startsWith('#'));
  for (const [scenario, versions, ...reason] of lines.map((line) => line.split(' '))) {
    if (scenario === 'package') {
      lists.push({ version: versions, all: [], leftOut: new Set() });
      continue;
    }
    const list = lists.at(-1);
    list.all.push(...atEach(scenario, versions));
    if (reason.length > 0) list.leftOut.add(scenario);
  }
  return lists;
}

function versionOf(packageFolder) {
  const manifest = path.join(here, 'node_modules', packageFolder, 'package.json');
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

async function runs(program, args) {
  const child = spawn(process.execPath, ['--import', OLD_NODE, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  const alarm = setTimeout(() => child.kill('SIGKILL'), 28_000);
  const [code] = await once(child, 'close');
  clearTimeout(alarm);
  return { code, said };
}

function readChecks(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((file) => path.basename(file) === 'checks.json');
  return files.flatMap((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')));
}
