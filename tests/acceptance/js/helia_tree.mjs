// usage: node helia_tree.mjs GATEWAY_URL gateway|routing CID OUT PATH...: fetch PATHs below CID with Helia's verified
// fetch, from that gateway alone, each into a file of OUT named by its place. `routing`: Helia is not told of the gateway
// but finds it by asking its delegated routing. `gateway`: it is told; the router finds nothing, because without any
// router Helia 8 waits for ever and asks nobody. Prints one JSON object.
import fs from 'node:fs'
import path from 'node:path'
import { withHTTP } from '@helia/http'
import { createVerifiedFetchWithHelia } from '@helia/verified-fetch'
import { createHeliaLight } from 'helia'

const [url, how, root, out, ...paths] = process.argv.slice(2)
const helia = await withHTTP(createHeliaLight({}), {
  recursiveGateways: how === 'gateway' ? [url] : [],
  delegatedRouters: [how === 'routing' ? url : `${url}/nothing/`],
  allowInsecure: true,
  allowLocal: true
}).start()
const verifiedFetch = await createVerifiedFetchWithHelia(helia)

const answer = { statuses: [], types: [] }
for (const [place, wanted] of paths.entries()) {
  const asked = wanted.split('/').map(encodeURIComponent).join('/')
  const response = await verifiedFetch(`ipfs://${root}/${asked}`, { signal: AbortSignal.timeout(60_000) })
  const data = Buffer.from(await response.arrayBuffer())
  fs.writeFileSync(path.join(out, `${place}`), data)
  answer.statuses.push(response.status)
  answer.types.push(response.headers.get('content-type'))
}
const span = await verifiedFetch(`ipfs://${root}/large`, { headers: { range: 'bytes=1048570-1048580' } })
answer.span = [span.status, Buffer.from(await span.arrayBuffer()).toString('hex')]
const missing = await verifiedFetch(`ipfs://${root}/not-there`)
answer.missing = missing.status
await verifiedFetch.stop()
await helia.stop()
console.log(JSON.stringify(answer))
process.exit(0) // idle sockets of its agents would hold the process
