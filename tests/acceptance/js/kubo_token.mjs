// usage: node kubo_token.mjs CLIENT API_URL TOKEN READER: calls of a client at a node that wants a token, without one, with
// a wrong one, and with TOKEN in each way it can be given; READER is a token that may only look. Prints one JSON object.
const [name, url, token, reader] = process.argv.slice(2)
const { create } = await import(name)

const all = async (source) => {
  const values = []
  for await (const value of source) values.push(value)
  return values
}
const refusal = async (call) => {
  try {
    await call()
  } catch (error) {
    return error.message
  }
  return null
}
const basic = (secret) => `Basic ${Buffer.from(`any:${secret}`).toString('base64')}`
const answer = { without: await refusal(() => create({ url }).id()), ways: {} }
answer.wrong = await refusal(() => create({ url, headers: { authorization: 'Bearer dxo_wrong' } }).id())
answer.addWithout = await refusal(() => create({ url }).add('nobody'))

for (const [way, authorization] of Object.entries({ bearer: `Bearer ${token}`, basic: basic(token) })) {
  const client = create({ url, headers: { authorization } })
  const text = `with a token as ${way} by ${name}`
  const { cid } = await client.add(text, { cidVersion: 1 })
  const read = Buffer.concat(await all(client.cat(cid))).toString()
  const pinned = (await all(client.pin.ls({ paths: [cid] }))).map(({ type }) => type)
  answer.ways[way] = { cid: `${cid}`, same: read === text, pinned, removed: `${await client.pin.rm(cid)}` }
}

const looking = create({ url, headers: { authorization: `Bearer ${reader}` } })
answer.readerVersion = (await looking.version()).version
answer.readerAdd = await refusal(() => looking.add('only looking'))
answer.readerPin = await refusal(() => looking.pin.add(answer.ways.bearer.cid))
console.log(JSON.stringify(answer))
process.exit(0)
