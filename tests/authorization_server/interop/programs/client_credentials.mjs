// An app gets a token for itself.
import * as client from 'openid-client'
import { answer, asked, discovered } from './service.mjs'

const config = await discovered()
const tokens = await client.clientCredentialsGrant(config, { scope: asked.scope, resource: asked.resource })
answer({ ...tokens, expiresIn: tokens.expiresIn() })
