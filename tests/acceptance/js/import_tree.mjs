// usage: node import_tree.mjs DIRECTORY: CIDs of the directory by ipfs-unixfs-importer, one JSON object.
// Symlinks have no place in its trees; their nodes are made with the libraries below it.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const load = async (name) => {
  const [scope, rest] = name.startsWith('@') ? name.split('/') : ['', name]
  const folder = path.join(process.cwd(), 'node_modules', scope, rest)
  const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const entry = manifest.exports['.'].import
  return import(pathToFileURL(path.join(folder, entry)).href)
}
const inner = (name, file) => import(pathToFileURL(path.join(process.cwd(), 'node_modules', name, file)).href)

const { importer } = await load('ipfs-unixfs-importer')
const { fixedSize } = await inner('ipfs-unixfs-importer', 'dist/src/chunker/fixed-size.js')
const { balanced } = await inner('ipfs-unixfs-importer', 'dist/src/layout/balanced.js')
const { UnixFS } = await load('ipfs-unixfs')
const dagPb = await load('@ipld/dag-pb')
const { CID } = await load('multiformats')
const { sha256 } = await inner('multiformats', 'dist/src/hashes/sha2.js')

function * candidates (folder, below = '') {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const where = path.join(folder, entry.name)
    const name = below + entry.name
    if (entry.isDirectory()) {
      yield { path: name }
      yield * candidates(where, name + '/')
    } else if (!entry.isSymbolicLink()) {
      yield { path: name, content: fs.createReadStream(where) }
    }
  }
}

const profiles = {
  'v0-2015': { profile: 'unixfs-v0-2015' },
  'v1-2025': { profile: 'unixfs-v1-2025' },
  'v1-256k': {
    cidVersion: 1,
    rawLeaves: true,
    chunker: fixedSize({ chunkSize: 262144 }),
    layout: balanced({ maxChildrenPerNode: 174 }),
    shardSplitStrategy: 'links-bytes'
  }
}
const store = { put: async (cid) => cid, get: async () => { throw new Error('not kept') } }
const answer = {}
for (const [name, options] of Object.entries(profiles)) {
  let last
  for await (const entry of importer(candidates(process.argv[2]), store, { ...options, wrapWithDirectory: true })) last = entry
  answer[name] = last.cid.toString()
}
const node = dagPb.encode(dagPb.prepare({ Data: new UnixFS({ type: 'symlink', data: new TextEncoder().encode('a/ü') }).marshal() }))
answer.symlink = CID.createV1(dagPb.code, await sha256.digest(node)).toString()
console.log(JSON.stringify(answer))
