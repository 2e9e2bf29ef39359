// usage: node helia_shards.mjs GATEWAY_URL CID NAME...: list the sharded directory CID with @helia/unixfs and fetch each
// NAME below it, with @helia/unixfs and with verified fetch, from that gateway alone. Prints one JSON object.
import { withHTTP } from '@helia/http'
import { unixfs } from '@helia/unixfs'
import { createVerifiedFetchWithHelia } from '@helia/verified-fetch'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'

const [url, root, ...names] = process.argv.slice(2)
const helia = await withHTTP(createHeliaLight({}), {
  recursiveGateways: [url],
  delegatedRouters: [`${url}/nothing/`],
  allowInsecure: true,
  allowLocal: true
}).start()
const files = unixfs(helia)
const verifiedFetch = await createVerifiedFetchWithHelia(helia)
const directory = CID.parse(root)

const text = async (source) => {
  const parts = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts).toString()
}
const answer = { listed: [], files: {}, fetched: {} }
for await (const entry of files.ls(directory, { signal: AbortSignal.timeout(120_000) })) answer.listed.push(entry.name)
for (const name of names) {
  answer.files[name] = await text(files.cat(directory, { path: `/${name}` }))
  const response = await verifiedFetch(`ipfs://${root}/${name}`, { signal: AbortSignal.timeout(60_000) })
  answer.fetched[name] = [response.status, await response.text()]
}
answer.missing = (await verifiedFetch(`ipfs://${root}/not-there`)).status
const stat = await files.stat(directory)
answer.stat = [stat.type, `${stat.cid}`]
await verifiedFetch.stop()
await helia.stop()
// idle sockets of its agents would hold the process; a pipe takes 64 KiB at a time
process.stdout.write(JSON.stringify(answer), () => process.exit(0))
