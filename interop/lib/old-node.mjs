// The conformance package imports `globSync` from `fs`, which Node has since version 22, for
// commands that we do not run. An older Node gets one that says so if it is ever called.

import fs from 'node:fs';
import { register } from 'node:module';

if (!fs.globSync) {
  const shim = `export * from 'node:fs'; export { default } from 'node:fs';
    export function globSync() { throw new Error('this command needs Node 22'); }`;
  const hook = `export function resolve(specifier, context, next) {
    const inPackage = /\\/node_modules\\/(@modelcontextprotocol\\/conformance|conformance-latest)\\//.test(context.parentURL);
    const url = ${JSON.stringify(`data:text/javascript,${encodeURIComponent(shim)}`)};
    return inPackage && specifier === 'fs' ? { url, shortCircuit: true } : next(specifier, context);
  }`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
}
