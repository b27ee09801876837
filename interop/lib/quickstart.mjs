// Starts, restarts and stops the quickstart server in a temporary folder of its own, finds out
// where it listens, and keeps what it printed so that the log can be searched for secrets.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually } from './report.mjs';

const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 10_000;
const MCP_URL = /http:\/\/127\.0\.0\.1:\d+\/mcp\b/;

/** All that our own code can log, and what libraries log for developers. */
const EVERYTHING = 'debug,quickstart=trace,oauth=trace';

const PASSWORD = 'wonderland';

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Runs `body` with a server, as cases of the report: it starts, it stops with exit code 0, and
 * nothing that was handed to `server.secret()` is in its log. It has the next of the context's
 * databases for itself, where there are any.
 */
export async function withQuickstart({ report, binary, artefacts, databases }, label, options, body) {
  const log = path.join(artefacts, `${label.replace(/[^a-z0-9]+/gi, '-')}.log`);
  if (databases?.length === 0) throw new Error(`there is no database left for ${label}`);
  const server = new Quickstart(binary, log, { ...options, database: databases?.shift() });
  try {
    if (!(await report.case(`${label}: the server starts`, () => server.start()))) return;
    server.secret(PASSWORD);
    await body(server);
    await report.case(`${label}: SIGTERM ends the server with exit code 0`, () => server.stop());
    await report.case(`${label}: no code, token or secret is in the log`, () => server.assertQuiet());
  } finally {
    server.dispose();
  }
}

export class Quickstart {
  issuerPath;
  origin;
  mcp;
  #binary;
  #logFile;
  #options;
  #folder = mkdtempSync(path.join(os.tmpdir(), 'quickstart-'));
  #child;
  #log = '';
  #secrets = new Set();

  /**
   * Options: `issuerPath`, `accessTokenLifetime` in seconds, `store`, the name of a SQLite file or
   * `memory`, unless there is `database`, the URL of one, `trusted`, the certificate of a web server
   * on this machine that may have client metadata, `flags`, any others.
   */
  constructor(binary, logFile, options) {
    this.#binary = binary;
    this.#logFile = logFile;
    this.#options = options;
    this.issuerPath = options.issuerPath ?? '';
    rmSync(logFile, { force: true });
  }

  /** Where RFC 8414 §3.1 puts the authorization server's metadata. */
  get metadataUrl() {
    return `${this.origin}/.well-known/oauth-authorization-server${this.issuerPath}`;
  }

  async start(listen = '127.0.0.1:0') {
    const { issuerPath, accessTokenLifetime, store, database, trusted, flags = [] } = this.#options;
    const more = (process.env.INTEROP_FLAGS ?? '').split(' ').filter(Boolean);
    const args = ['--listen', listen, ...flags, ...more];
    if (issuerPath) args.push('--issuer-path', issuerPath);
    if (accessTokenLifetime) args.push('--access-token-lifetime', String(accessTokenLifetime));
    const local = store === 'memory' ? store : `sqlite:${path.join(this.#folder, store ?? '')}`;
    if (store && !database) args.push('--data', local);

    const env = { ...process.env, RUST_LOG: EVERYTHING };
    if (database) env.OAUTH_DATA = database;
    if (trusted) {
      args.push('--danger-allow-loopback-metadata');
      env.SSL_CERT_FILE = path.join(this.#folder, 'trusted.pem');
      writeFileSync(env.SSL_CERT_FILE, trusted);
    }
    const child = spawn(this.#binary, args, { cwd: this.#folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    child.once('exit', () => running.delete(child));
    let said = '';
    let failure;
    child.once('error', (error) => (failure = error));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text;
        // What it prints to whoever started it names alice's password; the log must not.
        if (stream === child.stderr) this.#log += text;
        appendFileSync(this.#logFile, text);
      });
    }
    this.#child = child;

    const url = await eventually('the server prints where its MCP endpoint is', START_LIMIT_MS, () => {
      if (failure) throw failure;
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${said.slice(-300)}`);
      return said.match(MCP_URL)?.[0];
    });
    this.mcp = url;
    this.origin = new URL(url).origin;
    await eventually('the server answers its metadata', START_LIMIT_MS, async () => {
      const answer = await fetch(this.metadataUrl).catch(() => undefined);
      await answer?.body?.cancel();
      return answer?.status === 200;
    });
    if (!database) return;
    // Or else it would be tested on a file.
    const place = database.replace(/^.*(:\/\/|@)/, '').split(',')[0];
    await eventually(`the records are at ${place}`, START_LIMIT_MS, () => said.match(/^Records .*$/m)?.[0].includes(place));
  }

  async stop() {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('the server had ended before it was stopped');
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const alarm = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    const [code, signal] = await exit;
    clearTimeout(alarm);
    assert.notEqual(signal, 'SIGKILL', `the server did not end within ${STOP_LIMIT_MS / 1000} s of SIGTERM`);
    assert.equal(code, 0, `exit code after SIGTERM (signal ${signal})`);
  }

  /** Starts it again on the same port, since the issuer contains the port, with the same data. */
  async startAgain() {
    const { mcp } = this;
    await this.start(new URL(this.origin).host);
    assert.equal(this.mcp, mcp);
  }

  /** Destroys the records under the server's feet, for what it says then. */
  breakStore() {
    const file = path.join(this.#folder, this.#options.store);
    for (const part of [file, `${file}-wal`, `${file}-shm`]) {
      if (existsSync(part)) writeFileSync(part, Buffer.alloc(statSync(part).size));
    }
  }

  /** Remembers values that must never be logged. */
  secret(...values) {
    for (const value of values) if (value) this.#secrets.add(value);
  }

  assertQuiet() {
    const where = path.basename(this.#logFile);
    assert.ok(this.#log.length > 0, `${where} has something to search`);
    // A search that finds nothing proves nothing, unless it finds what is there.
    const planted = this.#log.slice(0, 40);
    assert.ok(this.#isLogged(planted) && this.#isLogged(planted, `${this.#log}${btoa('canary')}`), 'the search works');
    assert.ok(this.#isLogged('canary', `x${btoa('canary')}x`), 'and sees through base64');
    const found = [...this.#secrets].filter((secret) => this.#isLogged(secret));
    assert.equal(found.length, 0, `${found.length} of ${this.#secrets.size} secret values are in ${where}`);
  }

  /** Whether a value is there as it is, escaped for a URL, or in base64. */
  #isLogged(secret, log = this.#log) {
    const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '');
    return [secret, encodeURIComponent(secret), base64].some((form) => log.includes(form));
  }

  dispose() {
    this.#child?.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
