// An API that validates a token by the issuer's JWK set with jose.
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { answer, asked, refusal } from './service.mjs'

const keys = createRemoteJWKSet(new URL(asked.jwks_uri), { cooldownDuration: 0 })
const right = { issuer: asked.issuer, audience: asked.audience, typ: 'at+jwt', algorithms: [asked.algorithm] }
const [taken, ...later] = await Promise.all(asked.tokens.map((token) => jwtVerify(token, keys, right)))
const refused = {}
const wrong = { audience: 'other-api', issuer: `${asked.issuer}/`, typ: 'JWT', algorithms: ['HS256'] }
for (const [name, value] of Object.entries(wrong)) {
  refused[name] = (await refusal(jwtVerify(asked.tokens[0], keys, { ...right, [name]: value }))).code
}
answer({ header: taken.protectedHeader, claims: taken.payload, later: later.length, refused })
