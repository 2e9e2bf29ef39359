// usage: node kubo_calls.mjs CLIENT API_URL DIRECTORY OUT: the client's calls on one tree; what they gave, as one JSON
// object. Bytes go into files of OUT.
import fs from 'node:fs'
import path from 'node:path'
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'

const [name, url, directory, out] = process.argv.slice(2)
const { create, globSource } = await import(name)
const client = create({ url })

const all = async (source) => {
  const values = []
  for await (const value of source) values.push(value)
  return values
}
const bytes = async (source) => Buffer.concat(await all(source))
const digest = (data) => createHash('sha256').update(data).digest('hex')
const keep = (file, data) => fs.writeFileSync(path.join(out, file), data)
const refusal = async (call) => {
  try {
    await call()
  } catch (error) {
    return error.message
  }
  return null
}
const pins = async (options) => (await all(client.pin.ls(options))).map(({ cid, type }) => [`${cid}`, type])

const answer = {}
const progress = []
const added = await all(client.addAll(globSource(directory, '**/*', { hidden: true }), {
  wrapWithDirectory: true,
  cidVersion: 1,
  rawLeaves: true,
  progress: (count, file) => progress.push([file, count])
}))
answer.added = Object.fromEntries(added.map((entry) => [entry.path, `${entry.cid}`]))
answer.progress = Object.fromEntries(progress)
const root = added.at(-1).cid

const one = await client.add('hello from JavaScript\n')
answer.one = [one.path, `${one.cid}`, one.size]
const hashed = await client.add('never stored', { onlyHash: true, cidVersion: 1 })
answer.hashed = `${hashed.cid}`
answer.hashedRefused = await refusal(() => bytes(client.cat(hashed.cid)))

answer.files = {}
for (const { path: file } of added) {
  if (!fs.statSync(path.join(directory, file)).isFile()) continue
  answer.files[file] = digest(await bytes(client.cat(`${root}/${file}`)))
}
answer.catByCid = (await bytes(client.cat(one.cid))).toString()
answer.catSpan = (await bytes(client.cat(`${root}/large`, { offset: 262140, length: 10 }))).toString('hex')
answer.catDirectory = await refusal(() => bytes(client.cat(root)))
answer.catMissing = await refusal(() => bytes(client.cat(`${root}/not there`)))

answer.ls = (await all(client.ls(root))).map((entry) => [entry.name, entry.type, entry.size, `${entry.cid}`])
answer.lsBelow = (await all(client.ls(`${root}/ünï`))).map((entry) => [entry.name, entry.type])

keep('tree.tar', await bytes(client.get(root)))
keep('tree.tar.gz', await bytes(client.get(root, { archive: true, compress: true, compressionLevel: 6 })))

answer.pinned = await pins({ type: 'recursive' })
answer.pinRemoved = `${await client.pin.rm(root)}`
answer.pinnedAfterRemoval = await pins({ type: 'recursive' })
answer.pinOfUnpinned = await refusal(() => pins({ paths: [root] }))
answer.pinRemovedTwice = await refusal(() => client.pin.rm(root))
answer.pinAdded = `${await client.pin.add(root)}`
answer.pinOf = await pins({ paths: [root] })
const named = await client.add(`named ${root}`, { pin: false })
await client.pin.add(named.cid, { recursive: false, name: `of ${root}` })
answer.pinNamed = [`${named.cid}`, ...await pins({ type: 'direct', name: `of ${root}` })]
answer.pinAddedAll = (await all(client.pin.addAll([one.cid]))).map(String)

const block = Buffer.from([0x0a, 0x02, 0x08, 0x01]) // an empty UnixFS directory
const put = async (options) => {
  const stored = await client.block.put(block, options)
  const stat = await client.block.stat(stored)
  return [`${stored}`, `${stat.cid}`, stat.size, Buffer.from(await client.block.get(stored)).toString('hex')]
}
answer.blocks = {
  default: await put({}),
  raw: await put({ format: 'raw' }),
  'dag-pb': await put({ format: 'dag-pb' }),
  v0: await put({ format: 'v0', pin: true })
}
answer.blockAbsent = await refusal(() => client.block.get(CID.parse('bafkreiabsentaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')))

// much larger than what is taken: the reason must arrive although the client is still sending
answer.blockTooLarge = await refusal(() => client.block.put(Buffer.alloc(6_000_000)))

const node = { name: 'of JavaScript', root, list: [1, 2.5, null, true], data: new Uint8Array([1, 2, 3]) }
const cbor = await client.dag.put(node, { pin: true })
const { value } = await client.dag.get(cbor)
answer.dag = {
  cid: `${cbor}`,
  value: { ...value, root: `${value.root}`, data: [...value.data] },
  below: (await client.dag.get(cbor, { path: '/list/1' })).value,
  resolved: `${(await client.dag.resolve(`${cbor}/root/ünï`)).cid}`
}
const directoryNode = (await client.dag.get(root)).value
answer.dagLinks = directoryNode.Links.map((link) => [link.Name, `${link.Hash}`])

const car = await bytes(client.dag.export(root))
keep('tree.car', car)
answer.imported = (await all(client.dag.import([car]))).map(({ root }) => [`${root.cid}`, root.pinErrorMsg])
answer.importBroken = await refusal(() => all(client.dag.import([car.subarray(0, car.length - 5)])))

const stat = (value) => ({ ...value, cid: `${value.cid}` })
answer.filesStat = stat(await client.files.stat(`/ipfs/${root}`))
answer.filesStatOfFile = stat(await client.files.stat(`/ipfs/${root}/large`))
answer.filesStatLocal = stat(await client.files.stat(`/ipfs/${root}`, { withLocal: true }))

answer.repoSizes = Object.keys(await client.repo.stat({ sizeOnly: true })).sort()
const repo = await client.repo.stat()
answer.repo = { numObjects: Number(repo.numObjects), repoSize: Number(repo.repoSize), storageMax: Number(repo.storageMax), version: repo.version }
const id = await client.id()
answer.id = { id: `${id.id}`, agentVersion: id.agentVersion, addresses: id.addresses.map(String) }
answer.version = await client.version()
answer.refs = (await all(client.refs(root, { recursive: true, unique: true }))).map(({ ref }) => ref)
console.log(JSON.stringify(answer))
