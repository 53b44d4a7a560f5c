// An app with a person's password: tokens, the refresh token's successor, introspection in both forms, revocation.
import * as client from 'openid-client'
import { answer, asked, discovered, refusal } from './service.mjs'

const app = await discovered()
const api = await discovered(asked.api)
const signing = await discovered(asked.api, { introspection_signed_response_alg: 'ES256' })
const first = await client.genericGrantRequest(app, 'password', asked.person)
const second = await client.refreshTokenGrant(app, first.refresh_token)
const told = await client.tokenIntrospection(api, second.access_token, { token_type_hint: 'access_token' })
const signed = await client.tokenIntrospection(signing, second.access_token)
await client.tokenRevocation(app, second.refresh_token, { token_type_hint: 'refresh_token' })
answer({
  first,
  second,
  told,
  signed,
  after: await client.tokenIntrospection(api, second.access_token),
  refused: await refusal(client.refreshTokenGrant(app, second.refresh_token)),
})
