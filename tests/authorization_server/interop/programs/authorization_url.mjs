// Where an app sends a person, and what it keeps for their return.
import * as client from 'openid-client'
import { answer, asked, discovered } from './service.mjs'

const config = await discovered()
const kept = { verifier: client.randomPKCECodeVerifier(), state: client.randomState() }
const address = client.buildAuthorizationUrl(config, {
  redirect_uri: asked.redirect_uri,
  scope: asked.scope,
  code_challenge: await client.calculatePKCECodeChallenge(kept.verifier),
  code_challenge_method: 'S256',
  state: kept.state,
})
answer({ ...kept, address: address.href })
