// What every program begins with: what it is asked, as JSON on its stdin, and the service as discovery finds it.
import { readFileSync } from 'node:fs'
import { createPrivateKey } from 'node:crypto'
import * as client from 'openid-client'

export const asked = JSON.parse(readFileSync(0, 'utf8'))

export function answer(members) {
  process.stdout.write(JSON.stringify(members))
}

export async function discovered(login = asked.login, settings = {}) {
  return client.discovery(new URL(asked.issuer), login.client_id, settings, await proof(login), {
    algorithm: asked.algorithm ?? 'oauth2',
    execute: [client.allowInsecureRequests],
  })
}

async function proof(login) {
  switch (login.method) {
    case 'client_secret_basic':
      return client.ClientSecretBasic(login.secret)
    case 'client_secret_post':
      return client.ClientSecretPost(login.secret)
    case 'private_key_jwt': {
      const pkcs8 = createPrivateKey({ key: login.key, format: 'jwk' }).export({ type: 'pkcs8', format: 'der' })
      const curve = { name: 'ECDSA', namedCurve: 'P-256' }
      const key = await crypto.subtle.importKey('pkcs8', pkcs8, curve, false, ['sign'])
      return client.PrivateKeyJwt({ key, kid: login.key.kid })
    }
    default:
      return client.None()
  }
}

// The error of a call that must fail.
export async function refusal(call) {
  try {
    await call
  } catch (error) {
    return { name: error.name, code: error.code, error: error.error, status: error.status }
  }
  throw new Error('the service did not refuse')
}
