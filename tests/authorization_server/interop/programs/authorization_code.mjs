// A person comes back with a code: the app looks whether it is theirs and this issuer's, and exchanges it.
import * as client from 'openid-client'
import { answer, asked, discovered, refusal } from './service.mjs'

const config = await discovered()
const checks = { pkceCodeVerifier: asked.verifier, expectedState: asked.state }
const elsewhere = new URL(asked.back)
elsewhere.searchParams.set('iss', 'https://another.example')
const unnamed = new URL(asked.back)
unnamed.searchParams.delete('iss')
answer({
  elsewhere: await refusal(client.authorizationCodeGrant(config, elsewhere, checks)),
  unnamed: await refusal(client.authorizationCodeGrant(config, unnamed, checks)),
  tokens: await client.authorizationCodeGrant(config, new URL(asked.back), checks),
  again: await refusal(client.authorizationCodeGrant(config, new URL(asked.back), checks)),
})
