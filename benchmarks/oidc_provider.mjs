// The certified OpenID server as it comes, with its store in memory: `node oidc_provider.mjs` prints a line of JSON
// that says where it is and what to ask, and ends with its stdin.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

console.info = console.error; // the server's notices; stdout belongs to the one line

const { default: Provider } = await import('oidc-provider');
const http = createServer().listen(0, '127.0.0.1');
await once(http, 'listening');
const origin = `http://127.0.0.1:${http.address().port}`;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const secret = randomBytes(32).toString('hex');
const client = { client_id: 'reports', client_secret: secret, grant_types: ['client_credentials'] };
const api = { audience: 'orders-api', scope: 'orders:read', accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'ES256' } } };

const provider = new Provider(origin, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  clients: [{ ...client, redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: { enabled: true, getResourceServerInfo: () => api },
  },
});
http.on('request', provider.callback());
console.log(JSON.stringify({
  origin,
  app: ['reports', secret],
  token_path: '/token',
  token_body: 'grant_type=client_credentials&scope=orders%3Aread&resource=https%3A%2F%2Forders.example',
}));
process.stdin.resume().on('end', () => process.exit(0));
