// Signs any header and payload, as their texts are, and takes signed tokens apart.

import { constants, createHmac, sign } from 'node:crypto';

export const encode = (text) => Buffer.from(text).toString('base64url');

/** Header and payload of a token, as objects. */
export function read(token) {
  return token
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url')));
}

const text = (part) => (typeof part === 'string' ? part : JSON.stringify(part));

/** A token with this signature: a function from the signed bytes to bytes. */
export function token(header, payload, signature) {
  const message = `${encode(text(header))}.${encode(text(payload))}`;
  return `${message}.${Buffer.from(signature(message)).toString('base64url')}`;
}

/** By the private key of a curve. */
export const es256 = (key) => (message) =>
  sign('sha256', Buffer.from(message), { key, dsaEncoding: 'ieee-p1363' });

/** The same, in DER. */
export const es256Der = (key) => (message) => sign('sha256', Buffer.from(message), key);

export const ps256 = (key) => (message) =>
  sign('sha256', Buffer.from(message), { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });

/** With a shared secret. */
export const hs256 = (secret) => (message) => createHmac('sha256', secret).update(message).digest();

export const unsigned = () => '';
