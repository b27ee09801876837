// The quickstart client, against the quickstart and against servers that others made.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Browser } from './lib/browser.mjs';
import { mcpOAuthServer, oidcProvider, sdkRouter } from './lib/peers.mjs';
import { decide } from './lib/person.mjs';
import { pythonSdk } from './lib/python.mjs';
import { withQuickstart } from './lib/quickstart.mjs';

/** Seconds; the client renews in time, so a story sleeps this long. */
const LIFETIME = 2;

export async function run(context) {
  const { report, binary } = context;
  const program = path.join(path.dirname(binary), 'quickstart-client');
  const options = { accessTokenLifetime: LIFETIME, flags: ['--danger-auto-approve'] };
  await withQuickstart(context, 'client at quickstart', options, (server) =>
    story(report, 'client at quickstart', program, server.mcp, {
      write: ['write_note={"text":"kept by a client"}', 'more scope needed'],
      whoami: (text) => JSON.parse(text).subject,
      subject: 'alice',
    }),
  );
  await withQuickstart(context, 'client with a browser', {}, async (server) => {
    await person(report, program, server);
    await shortPrograms(report, binary, server);
  });
  const peers = [
    ['client at the SDK router', sdkRouter],
    ['client at mcp-oauth-server', mcpOAuthServer],
    // Which needs cookies.
    ['client at oidc-provider', oidcProvider, ['--no-browser', visit]],
    ['client with a device at oidc-provider', oidcProvider, ['--device', elsewhere]],
    ['client at the Python SDK', pythonSdk],
  ];
  for (const [name, start, way] of peers) {
    const peer = await start(LIFETIME, context.artefacts);
    try {
      await story(report, name, program, peer.mcp, {
        write: ['write_note={"text":"kept by a client"}', 'more scope needed'],
        whoami: (text) => JSON.parse(text).scopes.includes('mcp:tools') && 'it',
        subject: 'it',
        way,
      });
      // The others keep that to themselves.
      if ([sdkRouter, pythonSdk].includes(start)) await report.case(`${name}: no refresh token came twice`, () => assert.equal(peer.replayed, 0));
      if (way?.[1] === elsewhere) await report.case(`${name}: a person says no`, () => refusal(program, peer.mcp));
    } finally {
      peer.stop();
    }
  }
}

/** A person whose browser is sent back to the client without being asked anything. */
async function visit(address) {
  const callback = new URL(address).searchParams.get('redirect_uri');
  const page = await new Browser().open(address, callback);
  assert.ok(page.callback, `it showed a page: ${page.body?.slice(0, 500)}`);
  await (await fetch(page.callback)).text();
}

/** A person with a device of their own, who presses what is shown there, and goes on only with the same code. */
async function elsewhere(address) {
  const code = new URL(address).searchParams.get('user_code');
  const browser = new Browser();
  let page = await browser.open(address);
  for (let pages = 0; page.forms.length > 0; pages += 1) {
    assert.ok(pages < 4 && page.body.includes(code), page.body.slice(0, 500));
    page = await browser.submit(page, page.forms[0], {});
  }
  assert.equal(page.status, 200, page.body.slice(0, 500));
}

/** What the client says of a person who wants none of it. */
async function refusal(program, mcp) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'client-'));
  const args = [mcp, '--device', '--credentials', path.join(folder, 'credentials.json')];
  const { code, said } = await runs(program, args, async (address) => {
    const browser = new Browser();
    const asked = await browser.open(address);
    const page = await browser.submit(asked, asked.forms[0], {});
    // The button stands outside of its form.
    assert.match(page.body, /<button [^>]*value="yes" name="abort"/);
    page.forms[0].fields.push({ type: 'hidden', name: 'abort', value: 'yes' });
    await browser.submit(page, page.forms[0], {});
  });
  rmSync(folder, { recursive: true, force: true });
  assert.equal(code, 1, said);
  assert.match(said, /access_denied/);
}

/**
 * Signs in, calls, does not sign in again, refreshes, steps up, signs out. Without a person where no
 * `way` is named: a flag of the client, and what is done with the address that it then prints.
 */
async function story(report, name, program, mcp, { write, whoami, subject, way = ['--headless'] }) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'client-'));
  const credentials = path.join(folder, 'data', 'credentials.json');
  const [how, opens] = way;
  const run = async (...args) => {
    const all = [mcp, how, '--json', '--credentials', credentials, ...args];
    const outcome = await runs(program, all, opens);
    assert.equal(outcome.code, 0, outcome.said.slice(-1500));
    return outcome;
  };
  const has = (steps, step) => steps.some((line) => line.step === step);
  const secrets = new Set();
  const said = [];
  const keep = (outcome) => {
    said.push(outcome.said);
    const values = Object.values(JSON.parse(readFileSync(credentials, 'utf8')).values);
    for (const value of values.map((text) => JSON.parse(text))) {
      for (const member of ['access_token', 'refresh_token', 'client_secret']) if (value[member]) secrets.add(value[member]);
    }
    return outcome.steps;
  };
  await report.story(name, [
    ['signs in and calls', async () => {
      const steps = keep(await run());
      for (const step of ['discovered', 'client', 'signing in', 'signed in', 'tools', 'called']) assert.ok(has(steps, step), step);
      const [text] = steps.find((line) => line.tool === 'whoami').texts;
      assert.equal(whoami(text), subject, text);
    }],
    ['keeps what it got for its owner alone', () => assert.equal(statSync(credentials).mode & 0o777, 0o600)],
    ['renews instead of signing in again', async () => {
      await sleep(LIFETIME * 1000 + 1100);
      const steps = keep(await run('--call', 'whoami'));
      assert.ok(has(steps, 'refreshed'), JSON.stringify(steps));
      assert.ok(!has(steps, 'signing in') && !has(steps, 'client'), JSON.stringify(steps));
    }],
    ['steps up', async () => {
      const [call, step] = write;
      const steps = keep(await run('--call', call));
      assert.ok(has(steps, step), JSON.stringify(steps));
      assert.equal(steps.find((line) => line.step === 'called').failed, false);
    }],
    ['keeps all the scope that it has asked for', async () => {
      await sleep(LIFETIME * 1000 + 1100);
      const steps = keep(await run('--call', write[0]));
      assert.ok(has(steps, 'refreshed') && !has(steps, 'signing in'), JSON.stringify(steps));
    }],
    ['signs out', async () => {
      const steps = keep(await run('--sign-out'));
      assert.ok(has(steps, 'signed out'), JSON.stringify(steps));
      assert.ok(has(keep(await run('--call', 'whoami')), 'signing in'), 'nothing was left');
    }],
    ['says no secret', () => {
      assert.ok(secrets.size >= 4);
      for (const secret of secrets) assert.ok(!said.join().includes(secret), 'a secret was printed');
    }],
  ]);
  rmSync(folder, { recursive: true, force: true });
}

/** With a listener, and a person who opens the address that is printed. */
async function person(report, program, server) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'client-'));
  const args = [server.mcp, '--no-browser', '--json', '--credentials', path.join(folder, 'credentials.json')];
  await report.case('client with a browser: a person signs in and comes back', async () => {
    let page;
    const { code, said } = await runs(program, args, async (address) => {
      const callback = new URL(address).searchParams.get('redirect_uri');
      const { callback: redirect } = await decide(new Browser(), address, callback);
      page = await fetch(redirect);
      assert.match(await page.text(), /You can close this window/);
    });
    assert.equal(code, 0, said);
    assert.equal(page?.status, 200, said);
    assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
    assert.match(said, /"step":"called"/);
  });
  await report.case('client with a browser: a person says no', async () => {
    rmSync(path.join(folder, 'credentials.json'));
    const { code, said } = await runs(program, args, async (address) => {
      const callback = new URL(address).searchParams.get('redirect_uri');
      const { callback: redirect } = await decide(new Browser(), address, callback, 'deny');
      assert.match(await (await fetch(redirect)).text(), /was not let in/);
    });
    assert.equal(code, 1, said);
    assert.match(said, /access_denied/);
  });
  rmSync(folder, { recursive: true, force: true });
}

/** The two examples of under thirty lines, from the sign-in to the second run, which needs none. */
async function shortPrograms(report, binary, server) {
  for (const [name, answer] of [['with_rmcp', '3 tools'], ['with_reqwest', '202 Accepted|200 OK|4(00|06|22) ']]) {
    const cwd = mkdtempSync(path.join(os.tmpdir(), 'client-'));
    const program = path.join(path.dirname(binary), 'examples', name);
    await report.case(`${name}: signs a person in, and not again`, async () => {
      let asked = 0;
      const visit = async (address) => {
        asked += 1;
        const { callback } = await decide(new Browser(), address, new URL(address).searchParams.get('redirect_uri'));
        await (await fetch(callback)).text();
      };
      for (const run of ['first', 'second']) {
        const { code, said } = await runs(program, [server.mcp], visit, cwd);
        assert.equal(code, 0, `${run}: ${said}`);
        assert.match(said, new RegExp(`^(${answer})`, 'm'), run);
      }
      assert.equal(asked, 1);
    });
    rmSync(cwd, { recursive: true, force: true });
  }
}

/** Runs it; `visit` is called with the address that a person is asked to open. */
async function runs(program, args, visit, cwd) {
  // No browser of this machine is opened.
  const env = { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '', WSL_DISTRO_NAME: '' };
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let out = '';
  let visiting;
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
      const address = visit && !visiting && said.match(/^ {4}(http:\/\/\S+(?:auth\w*|device)\?\S+)$/m)?.[1];
      if (address) {
        visiting = visit(address);
        visiting.catch(() => child.kill('SIGKILL'));
      }
    });
  }
  const alarm = setTimeout(() => child.kill('SIGKILL'), 25_000);
  const [code] = await once(child, 'close');
  clearTimeout(alarm);
  await visiting;
  const steps = args.includes('--json') ? out.split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
  return { code, said, steps };
}
