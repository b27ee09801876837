// The MCP project's own conformance suite, in its mode for authorization servers.
//
// It prints an address for a person to open and waits for the redirect; the small browser is that
// person. Every check of its report is a case of ours.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Browser } from './lib/browser.mjs';
import { decide } from './lib/person.mjs';
import { withQuickstart } from './lib/quickstart.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const PACKAGES = path.join(here, 'node_modules');
/** The newest prerelease; of the latest release see `onlyOne`. */
const PROGRAM = path.join(PACKAGES, '@modelcontextprotocol', 'conformance', 'dist', 'index.js');
const LATEST = path.join(PACKAGES, 'conformance-latest', 'dist', 'index.js');
const OLD_NODE = new URL('lib/old-node.mjs', import.meta.url).href;
const SCENARIOS = ['authorization-server-metadata-endpoint', 'authorization-code-grant'];
const ADDRESS = /^http:\/\/127\.0\.0\.1:\d+\/\S*authorize\?\S+$/m;

export async function run(context) {
  await context.report.case('conformance: the latest release has nothing for authorization servers', onlyOne);
  for (const issuerPath of ['', '/auth/v1']) {
    const label = `conformance${issuerPath && `, issuer ${issuerPath}`}`;
    await withQuickstart(context, label, { issuerPath }, async (server) => {
      const callback = `http://127.0.0.1:${await freePort()}/callback`;
      let client;
      const registered = await context.report.case(`${label}: a client registers`, async () => {
        client = await register(server, callback);
      });
      if (registered) await conform(context, label, server, client, callback);
    });
  }
}

async function conform({ report, artefacts }, label, server, client, callback) {
  const folder = path.join(artefacts, label.replace(/[^a-z0-9]+/gi, '-'));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const args = ['authorization', '--url', `${server.origin}${server.issuerPath}`, '--resource', server.mcp];
  args.push('--client-id', client.client_id, '--port', new URL(callback).port, '--output-dir', folder);
  await report.case(`${label}: the suite runs to its end`, () => signInWhenAsked(args, callback));

  const checks = readChecks(folder);
  for (const scenario of SCENARIOS) {
    const ran = checks.filter((check) => check.scenario === scenario);
    await report.case(`${label}: ${scenario} checked something`, () => assert.ok(ran.length > 0));
  }
  for (const { scenario, id, status, errorMessage } of checks) {
    // What it only tells is no check; a warning is a SHOULD that was not met.
    if (status === 'INFO') continue;
    await report.case(`${label}: ${scenario}, ${id}`, () => assert.equal(status, 'SUCCESS', errorMessage));
  }
}

/** Once it has, it is to be run as well. */
async function onlyOne() {
  const commands = async (program) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', OLD_NODE, program, '--help']);
    return [...stdout.matchAll(/^ {2}([a-z-]+) /gm)].map(([, command]) => command);
  };
  assert.ok((await commands(PROGRAM)).includes('authorization'));
  const latest = await commands(LATEST);
  assert.ok(latest.includes('client') && !latest.includes('authorization'), latest.join());
}

/** Runs the program and does what it asks a person to do. */
async function signInWhenAsked(args, callback) {
  const child = spawn(process.execPath, ['--import', OLD_NODE, PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let visit;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
      const address = !visit && said.match(ADDRESS)?.[0];
      if (address) visit = signIn(address, callback);
    });
  }
  const alarm = setTimeout(() => child.kill('SIGKILL'), 25_000);
  const [code] = await once(child, 'exit');
  clearTimeout(alarm);
  assert.ok(visit, `it never asked for a person: ${said.slice(-500)}`);
  await visit;
  assert.equal(code, 0, said.slice(-1000));
}

async function signIn(address, callback) {
  const { callback: redirect } = await decide(new Browser(), address, callback);
  const answer = await fetch(redirect);
  await answer.text();
}

/** A public client: given a secret, the suite leaves it out wherever a server takes public clients at all. */
async function register(server, callback) {
  const { registration_endpoint: endpoint } = await (await fetch(server.metadataUrl)).json();
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Conformance suite',
      redirect_uris: [callback],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
    }),
  });
  assert.equal(answer.status, 201, 'status of the registration');
  return answer.json();
}

/** All checks of all scenarios, from the files that the program left. */
function readChecks(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((file) => path.basename(file) === 'checks.json');
  return files.flatMap((file) => {
    const scenario = SCENARIOS.find((name) => file.includes(name));
    return JSON.parse(readFileSync(path.join(folder, file), 'utf8')).map((check) => ({ scenario, ...check }));
  });
}

async function freePort() {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}
