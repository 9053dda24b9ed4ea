// Stock Node clients against a running issuer: jose verifies, openid-client asks. Everything but the issuer and the client's
// private key comes from discovery (OpenID Connect Discovery 1.0 section 4).
//
//   node check.mjs ISSUER JWK [CLIENT_ID]

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import process from 'node:process'
import * as jose from 'jose'
import * as oidc from 'openid-client'

const [issuer, jwkPath, clientId = 'demo-service'] = process.argv.slice(2)
if (!issuer || !jwkPath) {
  console.error('usage: node check.mjs ISSUER JWK [CLIENT_ID]')
  process.exit(2)
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

function require(condition, told) {
  if (!condition) throw new Error(told)
}

/** The promise must reject with this `code`; a success or another error fails the check. */
async function refused(promise, code) {
  const outcome = await promise.then(
    () => 'accepted',
    (error) => error.code ?? error.error ?? String(error),
  )
  require(outcome === code, `expected ${code}, got ${outcome}`)
}

async function check(name, run) {
  try {
    const result = await run()
    console.log(`ok ${name}`)
    return result
  } catch (error) {
    const { cause } = error
    const why = cause === undefined ? '' : ` (${cause instanceof Error ? cause : JSON.stringify(cause)})`
    console.error(`FAILED ${name}: ${error.message ?? error}${why}`)
    process.exit(1)
  }
}

const jwk = JSON.parse(await readFile(jwkPath, 'utf8'))
const key = await jose.importJWK(jwk, jwk.alg)

const config = await check('openid-client-discovery', async () => {
  // The demo is plain http on localhost; the library asks for this to be said.
  const config = await oidc.discovery(
    new URL(issuer),
    clientId,
    undefined,
    oidc.PrivateKeyJwt({ key, kid: jwk.kid }),
    { execute: [oidc.allowInsecureRequests] },
  )
  require(config.serverMetadata().issuer === issuer, `issuer is ${config.serverMetadata().issuer}`)
  return config
})
const server = config.serverMetadata()

const answer = await check('openid-client-client-credentials', async () => {
  const answer = await oidc.clientCredentialsGrant(config)
  require(answer.token_type === 'bearer', `token_type is ${answer.token_type}`)
  require(answer.expires_in > 0, `expires_in is ${answer.expires_in}`)
  return answer
})
const token = answer.access_token

const keys = jose.createRemoteJWKSet(new URL(server.jwks_uri))
const algorithms = server.id_token_signing_alg_values_supported
const expected = { issuer, audience: issuer, typ: 'at+jwt', algorithms }

await check('jose-verifies-token', async () => {
  const { payload, protectedHeader } = await jose.jwtVerify(token, keys, {
    ...expected,
    requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id'], // RFC 9068 section 2.2
  })
  require(payload.client_id === clientId, `client_id is ${payload.client_id}`)
  require(payload.sub === clientId, `sub is ${payload.sub}`)
  require(payload.scope === answer.scope || answer.scope === undefined, `scope is ${payload.scope}`)
  require(payload.exp - payload.iat >= answer.expires_in, 'expires_in is longer than the token lives')
  require(protectedHeader.kid !== undefined, 'kid is missing')
})

await check('jose-rejects-altered-claims', async () => {
  const [header, payload, signature] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url'))
  claims.scope = 'everything'
  const altered = Buffer.from(JSON.stringify(claims)).toString('base64url')
  await refused(jose.jwtVerify(`${header}.${altered}.${signature}`, keys, expected), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
})

await check('jose-rejects-altered-signature', async () => {
  const [header, payload, signature] = token.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes[10] ^= 1
  await refused(
    jose.jwtVerify(`${header}.${payload}.${bytes.toString('base64url')}`, keys, expected),
    'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  )
})

await check('jose-rejects-other-audience', () =>
  refused(
    jose.jwtVerify(token, keys, { ...expected, audience: 'https://other.example' }),
    'ERR_JWT_CLAIM_VALIDATION_FAILED',
  ))

function ask(assertion) {
  return fetch(server.token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: assertion,
    }),
  })
}

const assertion = await new jose.SignJWT({ jti: randomUUID() })
  .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid })
  .setIssuer(clientId)
  .setSubject(clientId)
  .setAudience(issuer)
  .setIssuedAt()
  .setExpirationTime('60s')
  .sign(key)

await check('assertion-by-hand', async () => {
  const response = await ask(assertion)
  const body = await response.json()
  require(response.status === 200, `${response.status} ${JSON.stringify(body)}`)
  require(response.headers.get('cache-control')?.includes('no-store'), 'the answer may be cached') // RFC 6749 section 5.1
  await jose.jwtVerify(body.access_token, keys, expected)
})

await check('replayed-assertion-refused', async () => {
  const response = await ask(assertion)
  const body = await response.json()
  require([400, 401].includes(response.status), `${response.status} ${JSON.stringify(body)}`) // RFC 6749 section 5.2
  require(body.error === 'invalid_client', `error is ${JSON.stringify(body)}`)
  require(body.access_token === undefined, 'a refusal carries a token')
})
