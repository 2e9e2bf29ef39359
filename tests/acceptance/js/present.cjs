// Makes presentations with the client library's own credentials package, as `dx kube auth` does.
//   node present.cjs NODE_MODULES        reads one JSON request a line, answers one JSON line each
// {"nonce": hex, "access": base64 of a Credential or absent} -> {"presentation": base64, "identity": hex, "verified"}
'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');
const readline = require('node:readline');

const fromTree = createRequire(path.join(path.resolve(process.argv[2]), 'here.js'));
const from = (name) => fromTree(`@dxos/${name}`);
const { createCredential, signPresentation, verifyPresentation, verifyCredential } = from('credentials');
const { Keyring } = from('keyring');
const { schema } = from('protocols');

const Presentation = schema.getCodecForType('dxos.halo.credentials.Presentation');
const Credential = schema.getCodecForType('dxos.halo.credentials.Credential');

const main = async () => {
  const keyring = new Keyring();
  const identity = await keyring.createKey();
  const device = await keyring.createKey();
  const admission = await createCredential({
    signer: keyring,
    issuer: identity,
    subject: device,
    assertion: {
      '@type': 'dxos.halo.credentials.AuthorizedDevice',
      identityKey: identity,
      deviceKey: device,
    },
  });
  const chain = { credential: admission };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    const credentials = [admission];
    let accessVerified;
    if (request.access) {
      const access = Credential.decode(Buffer.from(request.access, 'base64'));
      accessVerified = (await verifyCredential(access)).kind;
      credentials.push(access);
    }
    const presentation = await signPresentation({
      presentation: { credentials },
      signer: keyring,
      signerKey: device,
      chain,
      nonce: Buffer.from(request.nonce, 'hex'),
    });
    const encoded = Buffer.from(Presentation.encode(presentation));
    const verified = await verifyPresentation(Presentation.decode(encoded));
    console.log(
      JSON.stringify({
        presentation: encoded.toString('base64'),
        identity: identity.toHex(),
        verified: verified.kind,
        accessVerified,
      }),
    );
  }
};

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
