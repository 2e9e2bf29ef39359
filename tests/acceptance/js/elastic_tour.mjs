// What people do with the Elasticsearch client for JavaScript, 8 and 9; prints facts as JSON.
// Usage: elastic_tour.mjs PACKAGE URL API_KEY INDEX
const [name, node, apiKey, index] = process.argv.slice(2)
const { Client, errors } = await import(name)
const es = new Client({ node, auth: { apiKey } })
const facts = {}
const fails = async (call) => {
  try { await call() } catch (error) {
    if (error instanceof errors.ResponseError) return [error.statusCode, error.body?.error?.type ?? null]
    throw error
  }
  return null
}

facts.ping = await es.ping()
facts.tagline = (await es.info()).tagline
const documents = Array.from({ length: 1200 }, (_, n) => ({
  id: n, '@timestamp': new Date(1767268800000 + n * 1000).toISOString(),
  message: `order ${n} ${n % 3 ? 'paid' : 'failed'} ünï 😀`, level: n % 3 ? 'info' : 'error', took: n / 4,
}))
const done = await es.helpers.bulk({
  datasource: documents, refreshOnCompletion: index, concurrency: 3, flushBytes: 40_000,
  onDocument: (document) => ({ create: { _index: index, _id: `d${document.id}` } }),
})
facts.bulk = [done.successful, done.failed, done.retry]
facts.again = (await es.bulk({ operations: [{ create: { _index: index, _id: 'd1' } }, { id: 1 }, { index: { _index: index, _id: 'x' } }, { message: 'x' }], refresh: 'wait_for' }))
  .items.map((item) => Object.values(item)[0].status)
await es.delete({ index, id: 'x', refresh: 'wait_for' })
facts.count = (await es.count({ index })).count
const found = await es.search({ index, query: { match: { message: 'failed' } }, sort: [{ took: 'desc' }], size: 2, track_total_hits: true })
facts.search = [found.hits.total.value, found.hits.hits.map((hit) => hit._id), found.hits.hits[0]._source.message]
let scrolled = 0
for await (const page of es.helpers.scrollSearch({ index, size: 500 })) scrolled += page.documents.length
facts.scroll = scrolled
let documentsSeen = 0
for await (const _ of es.helpers.scrollDocuments({ index, size: 500, query: { term: { level: 'error' } } })) documentsSeen += 1
facts.scrollDocuments = documentsSeen
const pit = await es.openPointInTime({ index, keep_alive: '1m' })
let after
let paged = 0
for (;;) {
  const page = await es.search({ pit: { id: pit.id, keep_alive: '1m' }, size: 500, sort: [{ level: 'asc' }], ...(after ? { search_after: after } : {}) })
  if (!page.hits.hits.length) break
  paged += page.hits.hits.length
  after = page.hits.hits.at(-1).sort
}
facts.pit = paged
facts.closed = (await es.closePointInTime({ id: pit.id })).succeeded
const several = await es.msearch({ searches: [{ index }, { size: 0 }, { index: `${index}-nope` }, { size: 0 }] })
facts.msearch = several.responses.map((each) => each.status)
facts.fields = Object.keys((await es.fieldCaps({ index, fields: ['took', 'level'] })).fields).sort()
const aggregated = await es.search({ index, size: 0, aggs: { when: { date_histogram: { field: '@timestamp', fixed_interval: '10m' } } } })
facts.histogram = aggregated.aggregations.when.buckets.map((bucket) => bucket.doc_count)
facts.async = (await es.asyncSearch.submit({ index, query: { ids: { values: ['d7'] } } })).response.hits.hits.map((hit) => hit._id)
facts.esql = (await es.esql.query({ query: `FROM ${index} | STATS n = COUNT(*) BY level | SORT level` })).values
facts.sql = (await es.sql.query({ query: `SELECT COUNT(*) FROM "${index}"` })).rows
facts.cat = (await es.cat.indices({ index: `${index}*`, format: 'json' })).length
facts.health = (await es.cluster.health()).status
facts.refresh = (await es.indices.refresh({ index }))._shards.failed
facts.exists = [await es.indices.exists({ index }), await es.indices.exists({ index: `${index}-nope` })]
await es.indices.create({ index: `${index}-made`, aliases: { [`${index}-alias`]: {} } })
facts.alias = Object.keys(await es.indices.getAlias({ name: `${index}-alias` })).map((each) => each.replace(index, ''))
await es.indices.delete({ index: `${index}-made` })
facts.update = (await es.update({ index, id: 'd1', doc: { level: 'warn' }, refresh: 'wait_for' })).result
facts.get = (await es.get({ index, id: 'd1' }))._source.level
facts.errors = [
  await fails(() => es.get({ index, id: 'nope' })),
  await fails(() => es.search({ index: `${index}-nope` })),
  await fails(() => es.search({ index, query: { wat: {} } })),
]
console.log(JSON.stringify(facts))
