// What openid-client makes of the service's refusals.
import * as client from 'openid-client'
import { answer, asked, discovered, refusal } from './service.mjs'

const right = await discovered()
const wrong = await discovered({ ...asked.login, secret: `${asked.login.secret.slice(0, -1)}x` })
answer({
  secret: await refusal(client.clientCredentialsGrant(wrong, { scope: asked.scope })),
  scope: await refusal(client.clientCredentialsGrant(right, { scope: 'orders:delete' })),
  refresh: await refusal(client.refreshTokenGrant(right, 'junk')),
})
