// Two headless clients meet through a signal server: one shares a space, the other joins it, both see the same item.
//   node meet.cjs NODE_MODULES SIGNAL_URL
// Everything goes over the library's own WebsocketSignalManager; only WebRTC, whose native module is fetched from
// elsewhere, is replaced by the library's memory transport (which still exchanges its offer and answer by signal).
'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');

const fromTree = createRequire(path.join(path.resolve(process.argv[2]), 'here.js'));
const { Client, Config, Invitation, LocalClientServices } = fromTree('@dxos/client');
const { WebsocketSignalManager } = fromTree('@dxos/messaging');
const { MemoryTransportFactory } = fromTree('@dxos/network-manager');

const server = process.argv[3];
const swarmEvents = [];

const createClient = async (name) => {
  const signalManager = new WebsocketSignalManager([{ server }]);
  signalManager.swarmEvent.on(({ swarmEvent }) => swarmEvents.push(Object.keys(swarmEvent).find((key) => swarmEvent[key])));
  const config = new Config({ version: 1, runtime: { client: { storage: { persistent: false } } } });
  const services = new LocalClientServices({ config, signalManager, transportFactory: MemoryTransportFactory });
  const client = new Client({ config, services });
  await client.initialize();
  await client.halo.createIdentity({ displayName: name });
  return { client, signalManager };
};

const once = (observable, done) =>
  new Promise((resolve, reject) => {
    const subscription = observable.subscribe(
      (invitation) => {
        if (done(invitation)) {
          subscription.unsubscribe();
          resolve(invitation);
        }
      },
      reject,
    );
  });

const main = async () => {
  const host = await createClient('host');
  const guest = await createClient('guest');
  const space = await host.client.createSpace();
  const offered = space.createInvitation({ authMethod: Invitation.AuthMethod.NONE });
  const invitation = await once(offered, (one) => one.state === Invitation.State.CONNECTING);
  const accepted = guest.client.acceptInvitation(invitation);
  const [, result] = await Promise.all([
    once(offered, (one) => one.state === Invitation.State.SUCCESS),
    once(accepted, (one) => one.state === Invitation.State.SUCCESS),
  ]);
  const members = await new Promise((resolve) => {
    const look = () => {
      const joined = guest.client.getSpace(result.spaceKey);
      const found = joined ? joined.members.get() : [];
      return found.length === 2 ? resolve(found) : setTimeout(look, 50);
    };
    look();
  });
  console.log(
    JSON.stringify({
      same: space.key.equals(result.spaceKey),
      members: members.map((member) => member.identity.profile.displayName).sort(),
      swarmEvents: [...new Set(swarmEvents)].sort(),
    }),
  );
  process.exit(0);
};

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
