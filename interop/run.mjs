// Runs the quickstart server against clients that others made: both generations of the official
// TypeScript SDK, the MCP project's conformance suite, and a real Chromium for the pages that a
// person sees.
//
//     npm ci
//     node run.mjs --quickstart PATH [--suite all|NAME,...] [--artefacts DIR]
//     node run.mjs --programs DIR --suite foreign [--artefacts DIR]
//
// The suites are sdk1, sdk2, conformance and chromium; for our own client, client (against the quickstart
// and servers that others made) and client-conformance, which run the programs quickstart-client and
// conformance-client beside the quickstart's; and foreign, which runs the two resource-server examples of
// a folder against an authorization server that others made.
//
// With INTEROP_DATA, the URLs of empty databases with spaces in between, each server that is started
// gets the next of them; one that is started again keeps its own. Not for chromium, which destroys a
// file.
//
// INTEROP_FLAGS is given to every server, with spaces between flags.
//
// One line per case, `ok NAME` or `not ok NAME: reason`; the last line counts them. The exit code
// is 0 when nothing failed and 1 otherwise.
// Server logs, stack traces and screenshots go to the artefacts folder.

import { appendFileSync, mkdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Report } from './lib/report.mjs';

/** Without the quickstart. */
const FOREIGN = 'foreign';
const SUITES = ['sdk1', 'sdk2', 'conformance', 'chromium', 'client', 'client-conformance'];
const here = path.dirname(fileURLToPath(import.meta.url));

function usage(problem) {
  process.stderr.write(`${problem}\n`);
  process.stderr.write(`usage: run.mjs --quickstart PATH [--suite all|${SUITES.join('|')},...] [--artefacts DIR]\n`);
  process.stderr.write(`       run.mjs --programs DIR --suite ${FOREIGN} [--artefacts DIR]\n`);
  process.exit(1);
}

function commandLine() {
  try {
    const { values } = parseArgs({
      options: {
        quickstart: { type: 'string' },
        programs: { type: 'string' },
        suite: { type: 'string', default: 'all' },
        artefacts: { type: 'string', default: path.join(here, '..', 'artefacts', 'interop') },
      },
    });
    const artefacts = path.resolve(values.artefacts);
    if (values.suite === FOREIGN) {
      if (!values.programs) usage('--programs is missing');
      return { programs: path.resolve(values.programs), suites: [FOREIGN], artefacts };
    }
    if (!values.quickstart) usage('--quickstart is missing');
    const binary = path.resolve(values.quickstart);
    if (!statSync(binary, { throwIfNoEntry: false })?.isFile()) usage(`${values.quickstart} is not a file`);
    const suites = values.suite === 'all' ? SUITES : values.suite.split(',');
    for (const name of suites) if (!SUITES.includes(name)) usage(`there is no suite ${name}`);
    const databases = (process.env.INTEROP_DATA ?? '').split(' ').filter(Boolean);
    if (databases.length > 0 && suites.includes('chromium')) usage('INTEROP_DATA is not for chromium');
    return {
      binary,
      suites,
      databases: databases.length > 0 ? databases : undefined,
      artefacts,
    };
  } catch (error) {
    return usage(error.message);
  }
}

const { binary, programs, suites, databases, artefacts } = commandLine();
mkdirSync(artefacts, { recursive: true });

// What the clients tell their developer is kept, but is no result.
const warnings = path.join(artefacts, 'client-warnings.log');
rmSync(warnings, { force: true });
console.warn = (...words) => appendFileSync(warnings, `${words.join(' ')}\n`);

const report = new Report(path.join(artefacts, 'failures.log'));
process.on('unhandledRejection', (error) => report.notOk('no promise is left unhandled', error));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

for (const name of suites) {
  try {
    const suite = await import(`./${name}.mjs`);
    await suite.run({ report, binary, programs, artefacts, databases });
  } catch (error) {
    report.notOk(`${name} runs to its end`, error);
  }
}

process.stdout.write(`${report.passed} passed, ${report.failed} failed\n`);
process.exit(report.failed === 0 && report.passed > 0 ? 0 : 1);
