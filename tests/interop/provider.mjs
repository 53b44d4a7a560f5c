// The certified OpenID server that the tests of this folder meet: `node provider.mjs`.
//
// It listens on loopback at a free port, says where in one line of JSON on stdout, and ends with its stdin, so that it
// never outlives its test. Clients register themselves (RFC 7591) and get secrets of awkward characters. Besides the
// server's own endpoints there are three for the test: GET /token-requests; PUT (the body is the password) or DELETE
// /users/NAME; POST /pause (the body is a number of milliseconds), during which nothing at all is answered.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

import Provider, { errors } from 'oidc-provider';

console.info = console.error; // the server's notices; stdout belongs to the one line

const api = (accessTokenFormat, accessTokenTTL) => ({
  audience: 'orders-api', scope: 'orders:read orders:write', accessTokenFormat, accessTokenTTL,
});
const APIS = new Map([
  ['https://orders.example', api('jwt', 300)],
  ['https://orders.example/brief', api('jwt', 5)],
  ['https://orders.example/opaque', api('opaque', 300)],
]);
const users = new Map();
const tokenRequests = [];

function apiNamed(resource) {
  if (!APIS.has(resource)) throw new errors.InvalidTarget();
  return APIS.get(resource);
}

// What both share is shorter than the pieces of a secret that a search for leaks looks for.
const awkward = (start) => `${start}:+%2B &=${randomBytes(12).toString('base64')}`;

const http = createServer().listen(0, '127.0.0.1');
await once(http, 'listening');
const issuer = `http://127.0.0.1:${http.address().port}`;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' }] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  findAccount: (_, name) => users.has(name) ? { accountId: name, claims: () => ({ sub: name }) } : undefined,
  rotateRefreshToken: true,
  ttl: { AccessToken: accessTokenTTL, ClientCredentials: accessTokenTTL, Grant: 3600, RefreshToken: 3600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    registration: { enabled: true, idFactory: () => awkward('reports'), secretFactory: () => awkward('secret') },
    resourceIndicators: { enabled: true, getResourceServerInfo: (_, resource) => apiNamed(resource) },
    revocation: { enabled: true },
  },
});

function accessTokenTTL(_, token) {
  return token.resourceServer?.accessTokenTTL ?? 300;
}

// The server has no password grant (RFC 6749 section 4.3) of its own; this one issues its own kinds of token.
async function passwordGrant(ctx) {
  const { client, params: { username, password, scope, resource } } = ctx.oidc;
  if (!users.has(username) || users.get(username) !== password) throw new errors.InvalidGrant('wrong user or password');
  const grant = new provider.Grant({ accountId: username, clientId: client.clientId });
  grant.addResourceScope(resource, scope);
  const granted = { accountId: username, client, grantId: await grant.save(), gty: 'password', scope };
  const accessToken = new provider.AccessToken(granted);
  accessToken.resourceServer = new provider.ResourceServer(resource, apiNamed(resource));
  const refreshToken = new provider.RefreshToken({ ...granted, resource });
  ctx.body = {
    access_token: await accessToken.save(),
    expires_in: accessToken.expiration,
    refresh_token: await refreshToken.save(),
    scope,
    token_type: accessToken.tokenType,
  };
}
provider.registerGrantType('password', passwordGrant, ['username', 'password', 'scope', 'resource']);

provider.use(async (ctx, next) => {
  const user = ctx.path.match(/^\/users\/(\w+)$/)?.[1];
  if (ctx.path === '/token-requests') {
    ctx.body = tokenRequests;
  } else if (user && ctx.method === 'PUT') {
    users.set(user, await text(ctx.req));
    ctx.status = 204;
  } else if (user && ctx.method === 'DELETE') {
    users.delete(user);
    ctx.status = 204;
  } else if (ctx.path === '/pause') {
    const milliseconds = Number(await text(ctx.req));
    ctx.res.on('finish', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds));
    ctx.status = 204;
  } else {
    await next();
    if (ctx.oidc?.route === 'token') tokenRequests.push(recorded(ctx));
  }
});

function recorded(ctx) {
  const { client, params } = ctx.oidc;
  return {
    client_id: client?.clientId ?? '',
    grant_type: params?.grant_type ?? '',
    authentication: params?.client_assertion ? 'private_key_jwt'
      : ctx.headers.authorization ? 'client_secret_basic' : 'client_secret_post',
    error: ctx.body?.error ?? '',
  };
}

provider.on('server_error', (_, error) => {
  console.error(error);
  process.exitCode = 1;
});
http.on('request', provider.callback());
console.log(JSON.stringify({ issuer }));
process.stdin.on('end', () => process.exit()).resume();
