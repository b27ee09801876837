// Starts one of the two resource-server examples, and presents tokens to it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { eventually } from './report.mjs';

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class ResourceServer {
  /** The resource: what a token's audience has to name. */
  resource;
  said = '';
  #child;

  /** `words` follow the name of the program; it listens on a free port. */
  static async start({ programs, artefacts }, name, words, env = {}) {
    const server = new ResourceServer();
    const log = path.join(artefacts, `${name}.log`);
    rmSync(log, { force: true });
    const child = spawn(path.join(programs, name), [...words, '127.0.0.1:0'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    server.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    child.once('error', (error) => (server.said += error.message));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        server.said += text;
        appendFileSync(log, text);
      });
    }
    server.resource = await eventually(`${name} says where it is`, 20_000, () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${server.said.slice(-300)}`);
      return server.said.match(/^Protected: (\S+)$/m)?.[1];
    });
    return server;
  }

  /** The answer to a request with these headers. */
  ask(headers, target = this.resource) {
    return new Promise((resolve, reject) => {
      const request = http.get(target, { headers, agent: false }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (text) => (body += text));
        answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body }));
        answer.on('error', reject);
      });
      request.on('error', reject);
    });
  }

  present(token) {
    return this.ask({ authorization: `Bearer ${token}` });
  }

  async accepts(token, subject) {
    const answer = await this.present(token);
    assert.deepEqual([answer.status, answer.body], [200, `hello ${subject}`]);
  }

  /** With the challenge that belongs to the status; no answer says why. */
  async refuses(token, status = 401) {
    const answer = await this.present(token);
    assert.equal(answer.status, status, answer.body);
    if (status === 503) {
      assert.ok(answer.headers['retry-after'], 'it says when to come again');
      return;
    }
    const code = { 400: 'invalid_request', 401: 'invalid_token', 403: 'insufficient_scope' }[status];
    const challenge = answer.headers['www-authenticate'] ?? '';
    assert.ok(challenge.includes(`error="${code}"`), challenge);
    assert.ok(challenge.includes('resource_metadata='), challenge);
  }

  stop() {
    this.#child.kill('SIGTERM');
  }
}
