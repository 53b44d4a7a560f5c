// Both well-known addresses, as openid-client finds them.
import * as client from 'openid-client'
import { answer, asked } from './service.mjs'

const found = {}
for (const algorithm of ['oauth2', 'oidc']) {
  const made = await client.discovery(new URL(asked.issuer), 'anybody', undefined, client.None(), {
    algorithm,
    execute: [client.allowInsecureRequests],
  })
  found[algorithm] = made.serverMetadata()
}
answer(found)
