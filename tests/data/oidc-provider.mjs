// An OpenID provider for the tests: client credentials in, RFC 9068 access tokens out.
// Prints one line {"port": N} once it listens on loopback.
import { createServer } from 'node:https';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const env = process.env;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signing = { ...privateKey.export({ format: 'jwk' }), kid: 'provider-1', alg: 'RS256', use: 'sig' };

const server = createServer({
  cert: readFileSync(env.PROVIDER_CERTIFICATE),
  key: readFileSync(env.PROVIDER_KEY),
});

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`https://localhost:${port}`, {
    jwks: { keys: [signing] },
    clients: [{
      client_id: env.PROVIDER_CLIENT,
      client_secret: env.PROVIDER_SECRET,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          audience: env.PROVIDER_AUDIENCE,
          scope: '',
          accessTokenFormat: 'jwt',
          accessTokenTTL: Number(env.PROVIDER_TOKEN_SECS),
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    extraTokenClaims: () => ({ groups: env.PROVIDER_GROUPS.split(',') }),
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ port }));
});
