// The MCP server of python/server.py, in the environment that its packages are in.

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'python');

/** The authorization server and the bearer check of the official Python SDK. What it logs is kept among the artefacts. */
export async function pythonSdk(lifetime, artefacts) {
  const log = openSync(path.join(artefacts, 'python.log'), 'w');
  const python = path.join(folder, '.venv', 'bin', 'python');
  // It ends with its standard input, so it does not outlive us.
  const child = spawn(python, ['server.py', String(lifetime)], { cwd: folder, stdio: ['pipe', 'pipe', log] });
  closeSync(log);
  const peer = { replayed: 0, stop: () => child.stdin.end() };
  peer.mcp = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`python/server.py ended with ${code}, see python.log`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'replayed') peer.replayed += 1;
      else resolve(line);
    });
  });
  return peer;
}
